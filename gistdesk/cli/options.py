"""Options that several commands have, with their help. Knows no command."""

from typing import Annotated

import typer

_MODELS = "starter, smollm2, a model's or adapter's folder, a GGUF file, or a hub id"
ModelOption = Annotated[str, typer.Option("--model", "-m", help=f"{_MODELS}.")]
DocumentModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help=f"{_MODELS}. None: by the document's language, smollm2 or starter."),
]
GistModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="If none is named, the one that made the gist.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
PrecisionOption = Annotated[
    str,
    typer.Option(
        help="Of the model's weights: nf4, int8, bf16, fp32; auto: as the adapter was trained, or by what fits; "
        "for a gist, as it was made."
    ),
]
PasswordOption = Annotated[str | None, typer.Option(help="Of an encrypted PDF.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def known_models() -> tuple[str, ...]:
    """Models that were added in the window."""
    from gistdesk.folders import folders
    from gistdesk.settings import read_settings

    return read_settings(folders().config / "settings.toml").models

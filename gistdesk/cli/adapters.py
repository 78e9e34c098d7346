"""`gistdesk adapters list|import|export|remove`. Reads arguments and prints; the work is done by the core."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gistdesk.core.title import printable
from gistdesk.terminal import human_bytes

app = typer.Typer(help="Gist adapters that are kept here: list, import, export, remove.", no_args_is_help=True)


@app.command("list")
def list_adapters(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """List the adapters that are kept here, each with its base, or with what is wrong with it."""
    from gistdesk.adapters import kept_adapters
    from gistdesk.cli.jobs import describe_adapter

    rows = [describe_adapter(folder) for folder in kept_adapters()]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        if row["problem"]:
            print(printable(f"{row['name']}: {row['problem']}"))
        else:
            trained = f", trained in {row['precision']}" if row["precision"] else ""
            print(
                f"{row['name']}: for {row['base']}{trained}, {row['slots']} slots for {row['segment_tokens']:,} "
                f"tokens, {human_bytes(row['file_bytes'])}"
            )
    if not rows:
        print("No adapters are kept here yet. Import one, or train one and choose Use this adapter.")


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="An adapter's folder, in peft's layout, with its gist.json.")],
    base: Annotated[
        str, typer.Option(help="The model it was trained for, where it does not lie where the adapter says.")
    ] = "",
) -> None:
    """Copy an adapter here, once its base is found among the models of this computer; nothing is downloaded.

    Example: gistdesk adapters import ~/Downloads/contracts --base ~/models/Qwen3-4B
    """
    from gistdesk.adapters import adapters_folder
    from gistdesk.core.adapter_folder import import_adapter
    from gistdesk.folders import folders
    from gistdesk.settings import read_settings

    known = read_settings(folders().config / "settings.toml").models
    print(import_adapter(folder, adapters_folder(), [base] if base else ["starter", *known]))


@app.command("export")
def export(
    model: Annotated[str, typer.Argument(help="An adapter's name or folder, or a model with an adapter.")],
    target: Annotated[Path, typer.Argument(help="The new folder.")],
) -> None:
    """Copy an adapter to a folder that peft loads, and that can be imported elsewhere."""
    from gistdesk.core.adapter_folder import export_adapter

    export_adapter(_named(model), target)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="As gistdesk adapters list names it.")]) -> None:
    """Permanently delete an adapter that is kept here; documents compressed with it can no longer be asked."""
    from gistdesk.adapters import adapters_folder, remove_adapter

    remove_adapter(adapters_folder() / name)


def _named(model: str) -> str:
    """An adapter that is kept here goes by its name."""
    from gistdesk.adapters import kept_adapters

    return next((str(folder) for folder in kept_adapters() if folder.name == model), model)

"""`gistdesk serve`: gists answer over HTTP, on this computer only, as OpenAI-style chat completions.

Reads arguments and prints; the work is done by `gistdesk.server`.
"""

import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from gistdesk.cli.options import PasswordOption, known_models
from gistdesk.core.errors import UserError
from gistdesk.folders import folders
from gistdesk.models import STARTER

if TYPE_CHECKING:
    from gistdesk.core.documents import Document
    from gistdesk.server.gists import NamedGist

TOKEN_VARIABLE = "GISTDESK_TOKEN"


def serve(
    gists: Annotated[
        list[Path] | None, typer.Argument(help="Gist files. Without any: the documents of the library that are ready.")
    ] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(help="A document of these gist files: answers are looked up in it. May be given several times."),
    ] = None,
    password: PasswordOption = None,
    port: Annotated[int, typer.Option(help="Of 127.0.0.1; 0 takes one that is free.")] = 8765,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="What made the gist files, and answers where no gist is named. Default: what the first one names, or "
            "the starter.",
            show_default=False,
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            help="What a request has to know. Default: one that is kept.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Answer requests of other programs, as OpenAI's chat completions do.

    Set the program's base URL to http://127.0.0.1:8765/v1, its key to the token, and its model to a gist's name; or
    give the field "gists" with several names. Where a document's text is there (--text, or in the library), answers
    are looked up in it, unless a request says "look_up": false; of several gists, a small model then answers only from
    those whose text is there. Ctrl+C ends it.

    Examples: gistdesk serve report.gistkv --text report.pdf     gistdesk serve --port 9000
    """
    from gistdesk.cli.opening import open_document
    from gistdesk.core.load import find_model
    from gistdesk.server.gists import of_files, of_library
    from gistdesk.server.run import HOST, kept_token, serve_until_end, tell

    missing = [path for path in gists or () if not path.is_file()]
    if missing:
        raise UserError("{name} cannot be found.", "Give gist files, which end in .gistkv.", name=missing[0])
    if text and not gists:
        raise UserError("--text is for gist files.", "Give the gist files that were made from these documents.")
    where = folders()
    token = token or kept_token(where.config)
    if not token.isascii():
        raise UserError("The token is not plain ASCII.", "Choose letters, digits and signs.")

    def announce(port: int) -> None:
        print(f"Listening on http://{HOST}:{port}/v1. Ctrl+C ends it.", flush=True)
        print(f"Token: {token}", flush=True)
        names = [gist.name + " (with its text)" * (gist.text is not None) for gist in catalog()]
        print(f"Gists: {', '.join(names) if names else 'none yet'}", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the texts are removed
    if model:  # one that is not here is told now, not to the first request
        find_model(model)
    with TemporaryDirectory(prefix="gistdesk-serve-") as folder:
        files = _served(gists or (), model, (open_document(path, password) for path in text or ()), Path(folder))
        catalog = of_files(files) if files else of_library(where.data / "library")
        catalog()  # a library that cannot be read is told before anything is promised
        alone = model or (files[0].model if files else STARTER)
        serve_until_end(
            catalog, port=port, token=token, model=alone, by_window=window, ready=tell if window else announce
        )


def _served(gists: Sequence[Path], model: str | None, texts: Iterable["Document"], folder: Path) -> list["NamedGist"]:
    """Gist files, each with the model that made it and, if it is given, its document's text, kept in a folder.

    Raises:
        UserError: a gist cannot be read, a model is not here, or a document was not compressed into any of these.
    """
    if not gists:
        return []
    from gistdesk.cli.choosing import model_of_gist, precision_of_gist
    from gistdesk.cli.conversation import not_the_document
    from gistdesk.core.gist_file import read_gist
    from gistdesk.server.gists import NamedGist
    from gistdesk.worker.texts import kept_path

    identities, sources = {}, {}
    for path in gists:  # their numbers are not kept
        record = read_gist(path)
        identities[path], sources[path] = record.identity, record.source_sha256
    kept: dict[str, Path] = {}
    for document in texts:
        if document.source_sha256 not in sources.values():
            raise not_the_document(document.source)
        kept[document.source_sha256] = kept_path(document, folder)
    return [
        NamedGist(
            path.stem,
            path,
            model or model_of_gist(identity, known_models()),
            0,
            kept.get(sources[path]),
            precision_of_gist(identity, "auto"),
        )
        for path, identity in identities.items()
    ]

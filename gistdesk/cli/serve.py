"""`gistdesk serve`: gists answer over HTTP, on this computer only, as OpenAI-style chat completions.

Reads arguments and prints; the work is done by `gistdesk.server`.
"""

from pathlib import Path
from typing import Annotated

import typer

from gistdesk.core.errors import UserError
from gistdesk.folders import folders

TOKEN_VARIABLE = "GISTDESK_TOKEN"


def serve(
    gists: Annotated[
        list[Path] | None, typer.Argument(help="Gist files. Without any: the documents of the library that are ready.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of 127.0.0.1; 0 takes one that is free.")] = 8765,
    model: Annotated[
        str, typer.Option("--model", "-m", help="What made the gist files, and answers where no gist is named.")
    ] = "starter",
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
    give the field "gists" with several names. Ctrl+C ends it.

    Examples: gistdesk serve report.gistkv     gistdesk serve --port 9000
    """
    from gistdesk.server.gists import of_files, of_library
    from gistdesk.server.run import HOST, kept_token, serve_until_end, tell

    missing = [path for path in gists or () if not path.is_file()]
    if missing:
        raise UserError("{name} cannot be found.", "Give gist files, which end in .gistkv.", name=missing[0])
    where = folders()
    token = token or kept_token(where.config)
    if not token.isascii():
        raise UserError("The token is not plain ASCII.", "Choose letters, digits and signs.")
    catalog = of_files(gists, model) if gists else of_library(where.data / "library")

    def announce(port: int) -> None:
        print(f"Listening on http://{HOST}:{port}/v1. Ctrl+C ends it.", flush=True)
        print(f"Token: {token}", flush=True)
        names = [gist.name for gist in catalog()]
        print(f"Gists: {', '.join(names) if names else 'none yet'}", flush=True)

    ready = tell if window else announce
    serve_until_end(catalog, port=port, token=token, model=model, by_window=window, ready=ready)

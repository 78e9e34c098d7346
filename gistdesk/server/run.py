"""Runs the server until it is interrupted, or until the window that started it is gone. Knows no model."""

import contextlib
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from gistdesk.core.errors import UserError
from gistdesk.folders import make_private, write_private
from gistdesk.server.app import make_app
from gistdesk.server.engine import Link, OwnEngine
from gistdesk.server.gists import Catalog

HOST = "127.0.0.1"
TOKEN_FILE = "server-token"


def kept_token(folder: Path) -> str:
    """The token of this user's server, created when first needed; a file that nobody else may read.

    Raises:
        UserError: it cannot be read or written.
    """
    path = folder / TOKEN_FILE
    try:
        if path.exists() and (token := path.read_text("ascii").strip()):
            return token
        token = secrets.token_urlsafe(24)
        make_private(folder)
        write_private(path, token.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The server's token {path} cannot be used ({reason}).", "Delete the file.", path=path, reason=error
        ) from error
    return token


def listen(port: int) -> socket.socket:
    """Raises UserError: the port is taken."""
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            "Port {port} cannot be used ({reason}).", "Choose another port.", port=port, reason=reason
        ) from error


def serve_until_end(
    catalog: Catalog, *, port: int, token: str, model: str, by_window: bool, ready: Callable[[int], object]
) -> None:
    """Serve until the end; `ready` is called with the port as soon as requests are accepted.

    Args:
        by_window: requests go to stdout and events come from stdin; otherwise an engine process is started.
    """
    listening = listen(port)
    engine, links = OwnEngine(), []

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        if by_window:
            out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
            links.append(Link(sys.stdin.buffer, out, on_end=stop))
        ready(listening.getsockname()[1])
        yield
        engine.close()

    def stop() -> None:
        server.should_exit = True

    def link() -> Link:
        return links[0] if links else engine.link()

    app = make_app(catalog, link, token=token, model=model)
    app.router.lifespan_context = life
    settings = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(settings)
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


def tell(port: int) -> None:
    """Report the port to the window, before any requests."""
    print(json.dumps({"listening": port}), flush=True)

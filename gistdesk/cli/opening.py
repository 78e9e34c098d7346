"""Opens documents that commands name, encrypted ones with a password. Reads the terminal; knows no gist or model."""

import sys
from pathlib import Path

import typer

from gistdesk.core.documents import Document, PasswordError, read_document
from gistdesk.core.errors import UserError
from gistdesk.core.title import printable


def open_document(path: Path, password: str | None = None) -> Document:
    """Read a document; a person at a terminal is asked for the password of an encrypted one, until it opens.

    Raises:
        UserError: it cannot be read, or there is nobody to ask.
    """
    while True:
        try:
            return read_document(path, password=password)
        except PasswordError as error:
            if sys.stdin is None or not sys.stdin.isatty():
                raise UserError(
                    error.message, error.hint if password is not None else "Give it with --password."
                ) from error
            password = typer.prompt(f"{printable(error.message)} Password", hide_input=True, err=True)

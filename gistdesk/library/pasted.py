"""Pasted texts: documents that exist only in the library's own folder, each a file named after its first words.

Knows nothing of clipboards. What no entry refers to is deleted by `Disk`; a move takes the files along.
"""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.folders import make_private, write_private
from gistdesk.library.entries import stored_path
from gistdesk.library.rows import path_of
from gistdesk.library.store import Store

_NAME_CHARACTERS = 40


class Pasted:
    """The files."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, text: str, unnamed: str) -> Path:
        """Write a text to a file of its own -> the file, to be added like any other document.

        Args:
            unnamed: the file's name if the text begins with no word.

        Raises:
            UserError: it cannot be written.
        """
        name = re.sub(r"[^\w -]", "", " ".join(text.split())[:_NAME_CHARACTERS]).strip() or unnamed
        folder = self._store.pasted_folder
        with self._store.write():  # so that nobody else takes the name
            path, number = folder / f"{name}.txt", 2
            while path.exists():
                path, number = folder / f"{name} ({number}).txt", number + 1
            try:
                make_private(folder)
                write_private(path, text.encode("utf-8", errors="replace"))
            except OSError as error:
                raise UserError(
                    "The text cannot be kept in {folder} ({reason}).",
                    "Free some space on its disk.",
                    folder=folder,
                    reason=error.strerror,
                ) from error
        return path


def pasted_path(source: object, folder: Path) -> Path | None:
    """An entry's `source_path` as it is stored, if it is in this folder of pasted texts."""
    try:
        path = path_of(source)
    except (TypeError, ValueError):  # a damaged row
        return None
    return path if path.parent == folder else None


def move_sources(database: Path, old: Path, new: Path) -> None:
    """In a copy of a library's database, name the files of pasted texts in the new folder instead of the old one.

    Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(database)) as db, db:
        db.text_factory = os.fsdecode
        found = ((pasted_path(source, old), id_) for id_, source in db.execute("SELECT id, source_path FROM entries"))
        moved = [(stored_path(new / path.name), id_) for path, id_ in found if path is not None]
        db.executemany("UPDATE entries SET source_path = ? WHERE id = ?", moved)

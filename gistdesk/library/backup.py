"""Copies of the library's database: one a day, each checked before it replaces another, and restoring one.

Knows nothing of what is in the database.
"""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from gistdesk.atomic import replacing
from gistdesk.library.damage import BUSY_S, MalformedError, is_sound

_KEPT = 3
_DAY_S = 24 * 3600


def copy_database(source: Path, target: Path) -> None:
    """Copy the committed data, under a temporary name first. Raises sqlite3.Error and OSError."""
    with replacing(target, private=True) as part:
        _copy_into(source, part)


def checked_copy(source: Path, target: Path) -> None:
    """As `copy_database`; an existing target stays unless the copy is sound.

    Raises:
        MalformedError: the copy is not sound, so neither is its source. Also sqlite3.Error and OSError.
    """
    with replacing(target, private=True) as part:
        _copy_into(source, part)
        if not is_sound(part):
            raise MalformedError


def back_up_daily(database: Path) -> None:
    """Keep a copy of today and the two before it. A failed copy keeps nobody from the library."""
    newest = _numbered(database, 1)
    with suppress(sqlite3.Error, OSError):
        if newest.exists() and abs(time.time() - newest.stat().st_mtime) < _DAY_S:
            return
        fresh = _numbered(database, 0)
        checked_copy(database, fresh)
        for number in range(_KEPT - 1, -1, -1):
            if (older := _numbered(database, number)).exists():
                older.replace(_numbered(database, number + 1))


def newest_backup(database: Path) -> Path | None:
    """The newest sound copy; those made before a migration count, too."""
    with suppress(OSError):
        found = [path for path in database.parent.glob(f"{database.name}.*") if "backup" in path.name]
        for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True):
            if is_sound(path):
                return path
    return None


def restore(database: Path, backup: Path) -> Path:
    """Put a copy in the database's place; returns where the damaged one went. It must not be open. Raises OSError."""
    number = 1
    while (aside := database.with_name(f"{database.name}.damaged-{number}")).exists():
        number += 1
    fresh = database.with_name(f".{database.name}.{os.getpid()}")
    try:
        copy_database(backup, fresh)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error
    database.replace(aside)
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            database.with_name(database.name + ending).replace(aside.with_name(aside.name + ending))
    fresh.replace(database)
    return aside


def _copy_into(source: Path, part: Path) -> None:
    with closing(sqlite3.connect(source, timeout=BUSY_S)) as reader, closing(sqlite3.connect(part)) as writer:
        reader.backup(writer)


def _numbered(database: Path, number: int) -> Path:
    return database.with_name(f"{database.name}.backup-{number}")

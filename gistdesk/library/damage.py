"""Whether a library's database is as this program left it, and what SQLite's errors mean to a person.

SQLite has an error code for broken pages. If a table's definition was altered, or a search index contradicts
itself, it only says that a statement failed, as it would for a wrong one; then the database is examined.
Knows nothing of what the rows mean.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.library.schema import STEPS

BUSY_S = 10.0
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
_SHADOWS = "message_index_%"
"""Tables that FTS5 makes for itself, and that vary with its version."""


class MalformedError(sqlite3.DatabaseError):
    """A database is not as this program left it; in SQLite's own words, which are translated."""

    def __init__(self) -> None:
        super().__init__("database disk image is malformed")


class DamagedLibraryError(UserError):
    """The database cannot be read. Attributes: database."""

    def __init__(self, message: str, hint: str, database: Path, **values: object) -> None:
        super().__init__(message, hint, **values)
        self.database = database


def is_sound(database: Path) -> bool:
    """Whether a database of this program is intact: its pages, its layout, its search index.

    Examines a copy in a temporary database, so that no lock is held. If another program makes copying impossible,
    the database counts as sound.
    """
    try:
        address = f"{database.absolute().as_uri()}?mode=rw"  # read-only access leaves files beside it
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as db, closing(sqlite3.connect("")) as copy:
            db.backup(copy)
            return _is_sound(copy)
    except sqlite3.Error as error:
        return world_error(error, database) is not None
    except UnicodeDecodeError:  # an error message that quotes damaged data
        return False


def _is_sound(db: sqlite3.Connection) -> bool:
    version = version_of(db)
    if not 0 < version <= len(STEPS) or not has_layout(db, version):
        return False
    if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
        return False
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE %'").fetchall():
        db.execute(f"INSERT INTO {name}({name}) VALUES ('integrity-check')")
    return True


def version_of(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def has_layout(db: sqlite3.Connection, version: int) -> bool:
    """Whether everything a library of this version has is there: tables compared by columns, all else by definition.

    Not tables by definition: SQLite rewrites those when a column is added. Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript("".join(STEPS[:version]))
        return _layout(made) <= _layout(db)


def _layout(db: sqlite3.Connection) -> set[tuple[object, ...]]:
    found: set[tuple[object, ...]] = set()
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE ?", (_SHADOWS,)).fetchall()
    for kind, name, words in rows:
        columns = db.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall() if kind == "table" else ()
        is_plain = kind == "table" and not str(words).startswith("CREATE VIRTUAL")
        found.add((kind, name, "" if is_plain else words, *(column[0] for column in columns)))
    return found


def world_error(error: sqlite3.Error, database: Path) -> UserError | None:
    """An error caused by a disk, other programs or missing rights; None for damage and for our own bugs."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL:
        return UserError(
            "The library's database {path} cannot be written ({reason}).",
            "Free some space on its disk.",
            path=database,
            reason=error,
        )
    if code in _REFUSED:
        return UserError(
            "The library's database {path} cannot be opened for writing ({reason}).",
            "Check that you may write to it and to its folder.",
            path=database,
            reason=error,
        )
    if code == sqlite3.SQLITE_BUSY:
        return UserError(
            "Another program has been holding the library's database {path} for {n:.0f} s.",
            "Close other gistdesk windows and commands, then try again.",
            path=database,
            n=BUSY_S,
        )
    return None


def damaged(database: Path, reason: Exception) -> DamagedLibraryError:
    """The error for the user."""
    return DamagedLibraryError(
        "The library's database {path} is damaged ({reason}).",
        "Nothing was changed. Put a backup in its place, or move it out of {folder} to begin a new library.",
        database,
        path=database,
        reason=reason,
        folder=database.parent,
    )


def is_broken(error: sqlite3.Error) -> bool:
    """Whether SQLite itself reports damage."""
    return isinstance(error, MalformedError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


@contextmanager
def telling(database: Path) -> Iterator[None]:
    """Raise SQLite's errors as a UserError; our own bugs unchanged. Not within a transaction."""
    try:
        yield
    except sqlite3.ProgrammingError:  # a closed database, a missing value
        raise
    except sqlite3.Error as error:
        if found := world_error(error, database):
            raise found from error
        if is_broken(error) or not is_sound(database):
            raise damaged(database, error) from error
        raise
    except UnicodeDecodeError as error:  # SQLite's message quotes damaged data, and cannot be read itself
        raise damaged(database, MalformedError()) from error

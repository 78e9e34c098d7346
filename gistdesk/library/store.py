"""The library's folder and its database: opening, migrating, transactions, errors.

Knows nothing of what the tables mean. One `Store` belongs to one thread; several, in any number of processes, may
have one folder open.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gistdesk.atomic import replacing
from gistdesk.core.errors import UserError
from gistdesk.folders import make_private
from gistdesk.library.backup import back_up_daily, checked_copy
from gistdesk.library.damage import BUSY_S, MalformedError, has_layout, telling, version_of
from gistdesk.library.owners import Owner
from gistdesk.library.schema import STEPS, VERSION

DATABASE = "library.sqlite3"
_PIECE_BYTES = 2**22


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """An open library folder.

    Attributes:
        folder: where it is; differs from the requested one if the library was moved.
    """

    def __init__(self, folder: Path) -> None:
        """Open the library in `folder`, or create one there.

        Raises:
            UserError: the folder cannot be used, or the database is damaged or of a newer version.
        """
        self.home = folder.absolute()
        self.open()

    @property
    def texts_folder(self) -> Path:
        """Kept texts, <text_sha256>.txt, pages separated by form feeds."""
        return self.folder / "texts"

    @property
    def gists_folder(self) -> Path:
        return self.folder / "gists"

    @property
    def pasted_folder(self) -> Path:
        """Documents that were pasted as text; the user has no other file of them."""
        return self.folder / "pasted"

    @property
    def incoming_folder(self) -> Path:
        """Where gists are written before they are adopted."""
        return self.folder / "incoming"

    def close(self) -> None:
        """May be called twice."""
        self._db.close()
        self.owner.close()

    @property
    def database_path(self) -> Path:
        return self.folder / DATABASE

    def open(self) -> None:
        while not self._opened(_place(self.home)):
            pass

    def _opened(self, folder: Path) -> bool:
        """Open the library there; False if it was moved while we waited for it."""
        self.folder = folder
        try:
            for needed in (folder, self.texts_folder, self.gists_folder, self.incoming_folder):
                make_private(needed)
        except OSError as error:
            raise self._not_writable(error) from error
        with telling(self.database_path):
            self._db = connect(self.database_path)
            try:
                self._migrate()
                if self._registered():
                    return True
            except BaseException:
                self._db.close()
                raise
            self._db.close()
            return False

    def _registered(self) -> bool:
        """Count as open from here on, which `move_to` checks; False if it has already moved the library."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if _place(self.home) != self.folder:
                return False
            self.owner = Owner(self.folder / "open")
        except OSError as error:
            raise self._not_writable(error) from error
        finally:
            self._db.execute("ROLLBACK")
        return True

    def _not_writable(self, error: OSError) -> UserError:
        return UserError(
            "The library's folder {folder} cannot be used ({reason}).",
            "Check that its disk is there, is not full, and that you may write to it.",
            folder=self.folder,
            reason=error.strerror,
        )

    # transactions

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its start; all or nothing."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Several queries that see the same state."""
        with self._errors():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._errors():
            return self._db.execute(sql, values).fetchall()

    def _errors(self) -> AbstractContextManager[None]:
        """Within a transaction, its owner reports errors once it is over."""
        return nullcontext() if self._db.in_transaction else telling(self.database_path)

    # versions

    def _whole_version(self) -> int:
        """Read in one transaction, as another process may be migrating. Raises MalformedError, sqlite3.Error."""
        with self.read():
            found = version_of(self._db)
            if found < 0 or (found and self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"):
                raise MalformedError
            if 0 < found <= VERSION and not has_layout(self._db, found):
                raise MalformedError
            return found

    def _migrate(self) -> None:
        found = self._whole_version()
        if found == VERSION:
            back_up_daily(self.database_path)
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            found = version_of(self._db)  # another process may have been quicker
            if found > VERSION:
                raise UserError(
                    "The library in {folder} was made by a newer gistdesk (version {found} of the library; this "
                    "one knows {ours}).",
                    "Update gistdesk. Nothing was changed.",
                    folder=self.folder,
                    found=found,
                    ours=VERSION,
                )
            if found == 0 and self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise UserError("{path} is not a gistdesk library.", "Choose another folder.", path=self.database_path)
            if 0 < found < VERSION:
                checked_copy(self.database_path, self.folder / f"{DATABASE}.version-{found}.backup")
            for step in STEPS[found:]:
                for statement in _statements(step):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            if found and self._db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise MalformedError
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode with a write-ahead log. Raises sqlite3.Error.

    The files are private to their owner: SQLite gives its log the database's own permissions. An existing database
    is never opened except by SQLite: on POSIX, closing any other descriptor of it frees all locks that this process
    holds on it, and the next program that closes the library deletes the log under its connections, losing writes.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o600))
    with suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        db.row_factory = sqlite3.Row
        db.text_factory = _text  # one invalid UTF-8 byte must not cost the whole table
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA synchronous = NORMAL")  # in WAL mode: safe against kill -9, and no wait for the disk
        _write_ahead(db)
    except BaseException:
        db.close()
        raise
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    """SQLite's own timeout does not apply here: if several create one database, all but one fail at once."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        time.sleep(0.01)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def copy_file(source: Path, target: Path) -> None:
    """Run `copying` to its end."""
    for _ in copying(source, target):
        pass


def copying(source: Path, target: Path) -> Iterator[bytes]:
    """Copy atomically; yields each piece copied.

    If closed early, or ended by an error, it leaves nothing behind. Raises OSError.
    """
    with replacing(target) as part, source.open("rb") as read, part.open("wb") as written:
        while piece := read.read(_PIECE_BYTES):
            written.write(piece)
            yield piece


def n_bytes(path: Path) -> int:
    """Size of a file; 0 if it is missing."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _statements(script: str) -> Iterator[str]:
    """Splits a script, as `executescript` would commit. A trigger's body contains semicolons of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def place_note(home: Path) -> Path:
    """The file that says where the library of `home` has been moved."""
    return home / "moved-to.txt"


def _place(home: Path) -> Path:
    """Where the library of `home` is: there, or where its note says."""
    note = place_note(home)
    try:
        said = note.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return home
    except OSError as error:
        raise UserError(
            "The note {note}, which says where the library is, cannot be read.",
            "Write the library's folder into it, or delete it to begin a new library.",
            note=note,
        ) from error
    # A folder's name may end in a space or a line end; and a note written by hand ends with one.
    places = [Path(os.fsdecode(each)) for each in (said, said.rstrip(b"\r\n"), said.strip()) if b"\0" not in each]
    target = next((each for each in places if (each / DATABASE).is_file()), None)
    if target is None:
        target = places[-1] if places else home
        raise UserError(
            "The library was moved to {target}, and is not there.",
            "Connect the disk that holds it. If it is lost, delete {note} to begin a new library.",
            target=target,
            note=note,
        )
    return target

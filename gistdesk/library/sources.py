"""Source files: whether they are still what was read, and which documents must be read again.

Knows a file by size, time and hash; knows nothing of how a document is read.
"""

import hashlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from gistdesk.library.entries import Entries, size_and_mtime, text_values
from gistdesk.library.records import Entry
from gistdesk.library.store import Store

_GONE = (0, 0)
_PIECE = 2**22
_LARGE = 2**26
"""Larger files that were found changed are not hashed again and again."""


@dataclass(frozen=True)
class Suspect:
    """An entry whose file may not be what was read.

    Attributes:
        read: size, time and hash of the file when it was read; `now`: size and time of the file that is there.
    """

    entry_id: int
    path: Path
    read: tuple[int, int, str]
    now: tuple[int, int]

    def differs(self) -> Generator[None, None, bool | None]:
        """Whether the file holds something else; None if that cannot be told. Yields after every few megabytes.

        A file with another time is hashed, since it may hold what it held.
        """
        size, mtime_ns, sha256 = self.read
        if self.now == (size, mtime_ns):
            return False
        if self.now[0] != size:
            return True
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as stream:
                while piece := stream.read(_PIECE):
                    digest.update(piece)
                    yield
        except OSError:
            return None
        return digest.hexdigest() != sha256


class Sources:
    """The users' files, which are only ever looked at."""

    def __init__(self, store: Store, entries: Entries) -> None:
        self._store, self._entries = store, entries

    def note(self, suspect: Suspect, differs: bool) -> int:
        """An entry becomes "source changed", or "ready" again; 1 if it does. What was read anew meanwhile stays."""
        same = "id = ? AND source_bytes = ? AND source_mtime_ns = ? AND source_sha256 = ?"
        old, new = ("ready", "source changed") if differs else ("source changed", "ready")
        with self._store.write() as db:
            changed = db.execute(
                f"UPDATE entries SET state = ? WHERE state = ? AND {same}", (new, old, suspect.entry_id, *suspect.read)
            )
            if not differs:  # so that it is not hashed the next time
                values = (suspect.now[1], suspect.entry_id, *suspect.read)
                db.execute(f"UPDATE entries SET source_mtime_ns = ? WHERE {same}", values)
            return changed.rowcount

    def read_again_if_changed(self, entry_id: int) -> None:
        """Before an entry is compressed again: have it read first if its file has changed since it was read.

        A text that was read again, and waits for its gist, is dropped where the file is again what it was before.
        """
        entry = self._entries.get(entry_id)
        if entry.text_sha256 is None:  # never read, so it will be; or only its gist was imported; or its row is damaged
            return
        known, now = (entry.source_bytes, entry.source_mtime_ns), size_and_mtime(entry.source_path)
        with self._store.write() as db:
            row = db.execute("SELECT next_text FROM entries WHERE id = ?", (entry_id,)).fetchone()
            waiting = text_values(row["next_text"])
            if waiting is not None and now == known:
                db.execute("UPDATE entries SET next_text = NULL WHERE id = ?", (entry_id,))
            read = (waiting["source_bytes"], waiting["source_mtime_ns"]) if waiting else known
            is_changed = now not in (_GONE, known, read)
            db.execute("UPDATE entries SET read_again = ? WHERE id = ?", (is_changed, entry_id))


def suspects(entries: Iterable[Entry]) -> list[Suspect]:
    """Of those that are ready, whose file has another size or time, and of those that are "source changed". A file that
    is gone changes nothing. A disk may answer late."""
    return [each for each in map(_suspect, entries) if each is not None]


def _suspect(entry: Entry) -> Suspect | None:
    if entry.text_sha256 is None or entry.source_sha256 is None:
        return None
    known, now = (entry.source_bytes, entry.source_mtime_ns), size_and_mtime(entry.source_path)
    is_same_size = now[0] == known[0]
    may_be_back = now == known or (is_same_size and now[0] <= _LARGE)
    if now == _GONE or (now == known if entry.state == "ready" else not may_be_back):
        return None
    return Suspect(entry.id, entry.source_path, (*known, entry.source_sha256), now)

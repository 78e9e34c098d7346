"""Source files: whether they are still what was read, and which documents must be read again.

Knows a file by size, time and hash; knows nothing of how a document is read.
"""

import hashlib
from collections.abc import Generator
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.library.entries import Entries, size_and_mtime
from gistdesk.library.records import Entry
from gistdesk.library.store import Store
from gistdesk.library.texts import Texts

_GONE = (0, 0)
_PIECE = 2**22


class Sources:
    """The users' files, which are only ever looked at."""

    def __init__(self, store: Store, entries: Entries, texts: Texts) -> None:
        self._store, self._entries, self._texts = store, entries, texts

    def look(self) -> Generator[None, None, int]:
        """Compare files with what was read of them; those that differ make their entries "source changed".

        A file with another time is hashed, since it may hold what it held; one that is gone changes nothing. Yields
        after every few megabytes, and may be closed at any time.

        Returns:
            how many entries became "source changed", or "ready" again.
        """
        n_changed = 0
        for entry in self._entries.all(states=("ready", "source changed")):
            differs = yield from self._differs(entry)
            if differs is not None:
                n_changed += self._note(entry.id, differs)
        return n_changed

    def read_again_if_changed(self, entry_id: int) -> None:
        """Before an entry is compressed again: have it read first if its file has changed or its kept text is gone."""
        entry = self._entries.get(entry_id)
        if entry.text_sha256 is None:  # never read, so it will be; or only its gist was imported
            return
        stamp = size_and_mtime(entry.source_path)
        is_same = stamp in (_GONE, (entry.source_bytes, entry.source_mtime_ns))
        if not (is_same and self._is_kept(entry_id)):
            with self._store.write() as db:
                db.execute("UPDATE entries SET read_again = 1 WHERE id = ?", (entry_id,))

    def _is_kept(self, entry_id: int) -> bool:
        try:
            return bool(self._texts.pages(entry_id))
        except UserError:  # gone, or damaged
            return False

    def _differs(self, entry: Entry) -> Generator[None, None, bool | None]:
        """None if that cannot be told."""
        if entry.text_sha256 is None or entry.source_sha256 is None:
            return None
        size, mtime_ns = size_and_mtime(entry.source_path)
        if (size, mtime_ns) in (_GONE, (entry.source_bytes, entry.source_mtime_ns)):
            return None if (size, mtime_ns) == _GONE else False
        if size != entry.source_bytes:
            return True
        sha256 = yield from _sha256(entry.source_path)
        if sha256 == entry.source_sha256:
            with self._store.write() as db:  # so that it is not hashed the next time
                db.execute("UPDATE entries SET source_mtime_ns = ? WHERE id = ?", (mtime_ns, entry.id))
        return None if sha256 is None else sha256 != entry.source_sha256

    def _note(self, entry_id: int, differs: bool) -> int:
        """1 if this changed the entry. One whose gist is of an older text stays "source changed"."""
        words = (
            "UPDATE entries SET state = 'source changed' WHERE state = 'ready' AND id = ?"
            if differs
            else "UPDATE entries SET state = 'ready' WHERE state = 'source changed' AND id = ? AND "
            "(SELECT gists.text_sha256 FROM gists WHERE gists.id = entries.gist_id) IS entries.text_sha256"
        )
        with self._store.write() as db:
            return db.execute(words, (entry_id,)).rowcount


def _sha256(path: Path) -> Generator[None, None, str | None]:
    """None if it cannot be read to its end."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
                yield
    except OSError:
        return None
    return digest.hexdigest()

"""The queue: which entry is next, and which process is working on it.

The entries themselves are the queue, so it survives a crash. Knows nothing of what the work is.
"""

import sqlite3
import time

from gistdesk.library.entries import WORKING, Entries
from gistdesk.library.records import Entry
from gistdesk.library.rows import text_of
from gistdesk.library.store import Store

_FOREVER_NS = 9 * 10**18


class WorkQueue:
    """Claiming entries, in the order in which they were queued."""

    def __init__(self, store: Store, entries: Entries) -> None:
        self._store, self._entries = store, entries

    def claim_next(self, owner: str) -> Entry | None:
        """Take the longest-waiting entry; it becomes "extracting" and nobody else's. None if nothing is waiting.

        Args:
            owner: a name the caller uses within this open library. The claim ends with `set_state` to a state other
                than work, with `release`, or with the process.
        """
        with self._store.write() as db:
            self._free_abandoned(db)
            row = db.execute(
                "SELECT id FROM entries WHERE state = 'queued' AND trashed IS NULL ORDER BY queued, id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE entries SET state = 'extracting', owner = ?, done = 0, total = 0, problem_kind = NULL, "
                "problem_message = NULL, problem_hint = NULL WHERE id = ?",
                (f"{self._store.owner.name}/{owner}", row["id"]),
            )
            return self._entries.get(row["id"])

    def waiting(self) -> list[int]:
        """Ids of the waiting entries, in the order in which they will be taken."""
        rows = self._store.rows("SELECT id FROM entries WHERE state = 'queued' AND trashed IS NULL ORDER BY queued, id")
        return [row["id"] for row in rows]

    def put_first(self, entry_id: int) -> None:
        """Take this entry next, before all others that are waiting."""
        first = f"-{_FOREVER_NS - time.time_ns():019d}"  # sorts before every time, and later ones before earlier ones
        with self._store.write() as db:
            db.execute("UPDATE entries SET queued = ? WHERE id = ? AND state = 'queued'", (first, entry_id))

    def release(self, owner: str) -> None:
        """Whatever this owner had claimed waits again, at its old place in the queue."""
        with self._store.write() as db:
            db.execute(
                f"UPDATE entries SET state = 'queued', owner = NULL WHERE owner = ? AND {WORKING}",
                (f"{self._store.owner.name}/{owner}",),
            )

    def recover(self) -> int:
        """After a crash: dead processes' claims wait again, and answers they were writing are "stopped".

        Returns:
            the number of entries that are waiting again.
        """
        with self._store.write() as db:
            return self._free_abandoned(db)

    def _free_abandoned(self, db: sqlite3.Connection) -> int:
        living = self._store.owner.living()
        for table in ("entries", "messages"):
            held = db.execute(f"SELECT DISTINCT owner FROM {table} WHERE owner IS NOT NULL").fetchall()
            dead = [(row["owner"],) for row in held if text_of(row["owner"]).partition("/")[0] not in living]
            db.executemany(f"UPDATE {table} SET owner = NULL WHERE owner = ?", dead)
        db.execute("UPDATE messages SET state = 'stopped' WHERE owner IS NULL AND state = 'writing'")
        return db.execute(f"UPDATE entries SET state = 'queued' WHERE owner IS NULL AND {WORKING}").rowcount

"""Collections: named sets of documents. One exists as long as it has a document; a document may be in several.

Knows nothing of what collections are used for.
"""

from collections.abc import Iterable

from gistdesk.core.title import shown_title
from gistdesk.library.rows import text_of
from gistdesk.library.store import Store


class Collections:
    """The collections and their entries."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> dict[str, list[int]]:
        """Ids of the entries not in the trash, by collection name, in the order of names."""
        rows = self._store.rows(
            "SELECT name, entry_id FROM collection_entries JOIN entries ON entries.id = entry_id "
            "WHERE entries.trashed IS NULL ORDER BY name, entry_id"
        )
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(text_of(row["name"]), []).append(row["entry_id"])
        return found

    def add(self, name: str, entry_ids: Iterable[int]) -> None:
        """Put entries into a collection, creating it if needed; a blank name does nothing."""
        name = shown_title(name.strip())
        if name:
            with self._store.write() as db:
                db.executemany(
                    "INSERT OR IGNORE INTO collection_entries(name, entry_id) VALUES (?, ?)",
                    [(name, entry_id) for entry_id in entry_ids],
                )

    def take_out(self, name: str, entry_ids: Iterable[int]) -> None:
        """Remove entries from a collection; they stay in the library."""
        with self._store.write() as db:
            db.executemany(
                "DELETE FROM collection_entries WHERE name = ? AND entry_id = ?",
                [(name, entry_id) for entry_id in entry_ids],
            )

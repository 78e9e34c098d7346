"""Measurements of gists: how many facts of its document each gives back, and where in the text they are.

A measurement belongs to the gist's row: shared by all entries that share the gist, gone when it is deleted or remade.
An exported `.gistkv` file does not contain it, and an imported one has none: it is this library's measurement of a
gist together with its text, not a claim that a file could make about itself.
"""

import json
from collections.abc import Mapping
from typing import Any

from gistdesk.library.store import Store


class Recalls:
    """Stores and returns measurements."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, gist_id: int, result: Mapping[str, Any]) -> None:
        """Keep a result, of which `n` and `kept` are shown with the gist; does nothing if the gist is gone."""
        with self._store.write() as db:
            db.execute(
                "UPDATE gists SET recall_n = ?, recall_kept = ?, recall = ? WHERE id = ?",
                (result["n"], result["kept"], json.dumps(result, ensure_ascii=False), gist_id),
            )

    def by_ratio(
        self, model_fingerprint: str, adapter_fingerprint: str, method: str = "adapter"
    ) -> list[tuple[float, int, int]]:
        """For gists that this model and adapter made by this method: ratio, facts asked back, facts recalled."""
        rows = self._store.rows(
            "SELECT ratio, sum(recall_n), sum(recall_kept) FROM gists WHERE model_fingerprint = ? AND "
            "adapter_fingerprint = ? AND method = ? AND recall_n > 0 GROUP BY ratio ORDER BY ratio",
            (model_fingerprint, adapter_fingerprint, method),
        )
        return [(float(row[0]), int(row[1]), int(row[2])) for row in rows]

    def of(self, gist_id: int) -> dict[str, Any] | None:
        """The whole result, by depth and by fact; None if nothing was measured."""
        rows = self._store.rows("SELECT recall FROM gists WHERE id = ? AND recall IS NOT NULL", (gist_id,))
        found: dict[str, Any] | None = json.loads(rows[0]["recall"]) if rows else None
        return found

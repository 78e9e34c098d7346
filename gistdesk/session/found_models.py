"""Models that other programs have put on this computer: `gistdesk models list` in its own process.

Looks only when asked, and downloads nothing. Knows the command's rows; knows nothing of widgets.
"""

from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from PySide6.QtCore import QObject, Signal

from gistdesk.session.child import Child


@dataclass(frozen=True)
class Found:
    """See `gistdesk.discovery.FoundModel`, whose fields these are."""

    name: str
    title: str
    kept_by: str
    kind: str
    file_bytes: int
    needed_bytes: int
    fit: str
    problem: str


class FoundModels(QObject):
    """Attributes: rows from the last look, without the program's own models; is_looking. Signals: changed."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Found] = []
        self._new: list[Found] = []
        self._process: Child | None = None

    @property
    def is_looking(self) -> bool:
        return self._process is not None

    def look(self) -> None:
        """Look where other programs keep their models; takes a second or two."""
        if self._process is not None:
            return
        self._new = []
        self._process = Child(self, "gistdesk", "models", "list", "--json")
        self._process.said.connect(self._on_said)
        self._process.ended.connect(self._on_ended)
        self._process.start()
        self.changed.emit()

    def close(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.stop()

    def _on_said(self, row: dict[str, Any]) -> None:
        with suppress(TypeError):
            found = Found(**{each.name: row.get(each.name) for each in fields(Found)})  # type: ignore[arg-type]
            if found.kept_by != "gistdesk":
                self._new.append(found)

    def _on_ended(self) -> None:
        self._process = None
        self.rows = self._new
        self.changed.emit()

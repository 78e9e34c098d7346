"""Finds a text in many pages without holding up the window. Knows pages; knows nothing of how they are shown."""

import re

from PySide6.QtCore import QObject, QTimer, Signal

_CHARACTERS_A_TURN = 200_000
"""Characters searched in a few milliseconds."""

MOST_MATCHES = 10_000


class Matches(QObject):
    """Every occurrence of a text.

    Attributes:
        places: (page from 0, start, end) in order; complete when `running` is off, or at `MOST_MATCHES`.
        at: index of the current place; None when there is none.
        running: whether the search is still going on.
    Signals: changed.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.places: list[tuple[int, int, int]] = []
        self.at: int | None = None
        self.running = False
        self._pages: list[str] = []
        self._pattern = re.compile("")
        self._overlap = 0
        self._next = (0, 0)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._search_on)

    def start(self, pages: list[str], wanted: str) -> None:
        """Search `pages` for `wanted`, ignoring case; an empty text ends the search."""
        self.places, self.at, self._pages, self._next = [], None, pages, (0, 0)
        self._pattern = re.compile(re.escape(wanted), re.IGNORECASE)
        self._overlap = len(wanted)
        self.running = bool(wanted)
        if self.running:
            self._timer.start(0)
        else:
            self._timer.stop()
        self.changed.emit()

    def _search_on(self) -> None:
        left = _CHARACTERS_A_TURN
        while left > 0 and self._next[0] < len(self._pages):
            page, start = self._next
            text = self._pages[page]
            end = min(len(text), start + left)
            reached = end
            for match in self._pattern.finditer(text, start, min(len(text), end + self._overlap - 1)):
                self.places.append((page, match.start(), match.end()))
                reached = max(reached, match.end())
            left -= end - start + 1
            self._next = (page, reached) if reached < len(text) else (page + 1, 0)
        if self._next[0] >= len(self._pages) or len(self.places) >= MOST_MATCHES:
            del self.places[MOST_MATCHES:]
            self.running = False
            self._timer.stop()
        self.changed.emit()

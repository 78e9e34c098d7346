"""The columns of each place (list, main and inspector): how wide they are, and which fit.

Knows the places' widgets, and saves the window's shape between sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QByteArray, QObject, Qt, Signal
from PySide6.QtWidgets import QSplitter, QWidget

from gistdesk.session.desk import Desk
from gistdesk.ui.widgets import theme

LIBRARY, CHAT, LAB = range(3)
_NARROW = 120 * theme.GRID
"""Below this width there is room for only two columns beside the rail."""
_INSPECTOR, _LIST = 38 * theme.GRID, 32 * theme.GRID


class Place(Protocol):
    """What the window knows of a place: its columns, some of which may be missing, and where Ctrl+F goes."""

    @property
    def list_widget(self) -> QWidget | None: ...

    @property
    def main_widget(self) -> QWidget: ...

    @property
    def inspector_widget(self) -> QWidget | None: ...

    def focus_find(self) -> None: ...


class Columns(QObject):
    """Attributes: splitters, one per place; empty until the place is opened.

    Signals: fitted (whether the current place has an inspector, and whether it is shown).
    """

    fitted = Signal(bool, bool)

    def __init__(self, window: QWidget, desk: Desk, shown_place: Callable[[], int]) -> None:
        """`shown_place` gives the number of the current place."""
        super().__init__(window)
        self._window, self._desk, self._shown_place = window, desk, shown_place
        self._places: dict[int, Place] = {}
        self.splitters = [_splitter() for _ in (LIBRARY, CHAT, LAB)]
        self._inspector_shown = {
            (LIBRARY, False): True,
            (LIBRARY, True): True,
            (CHAT, False): True,
            (CHAT, True): False,
        }
        """By place, and whether the window is narrow: there the inspector takes another column's room."""

    def fill(self, number: int, place: Place) -> None:
        """Put a place's widgets into its columns, at the widths they last had."""
        self._places[number] = place
        splitter, width = self.splitters[number], 150 * theme.GRID
        list_stretch = 2 if number == LIBRARY else 0  # chat titles need no more room in a wide window
        widgets = ((place.list_widget, list_stretch), (place.main_widget, 3), (place.inspector_widget, 0))
        for widget, stretch in widgets:
            if widget is not None:
                splitter.addWidget(widget)
                splitter.setStretchFactor(splitter.count() - 1, stretch)
        if number == LIBRARY:
            splitter.setSizes([width - _INSPECTOR, width // 2, _INSPECTOR])
        elif number == CHAT:
            splitter.setSizes([_LIST, width - _INSPECTOR - _LIST, _INSPECTOR])
        splitter.restoreState(_unpacked(self._kept(number)))

    def show_inspector(self, place: int, shown: bool) -> None:
        """Show or hide a place's inspector; wide and narrow windows remember it separately."""
        self._inspector_shown[place, self._narrow] = shown
        self.fit()

    @property
    def _narrow(self) -> bool:
        return self._window.width() < _NARROW

    def fit(self) -> None:
        """Show as many columns as there is room for: three, or two in a narrow window."""
        narrow, shown = self._narrow, self._inspector_shown
        for number, place in self._places.items():
            if place.inspector_widget is None or place.list_widget is None:
                continue
            has_main = number != LIBRARY or not place.main_widget.isHidden()
            place.inspector_widget.setVisible(shown[number, narrow])
            place.list_widget.setVisible(not (narrow and shown[number, True] and has_main))
        now = self._shown_place()
        self.fitted.emit(now != LAB, shown.get((now, narrow), False))

    def make_room_for_reader(self) -> None:
        """In a narrow window, give the inspector's room to the reader."""
        self._inspector_shown[LIBRARY, True] = self._places[LIBRARY].main_widget.isHidden()
        self.fit()

    def _kept(self, number: int) -> str:
        return next(iter(self._desk.settings.columns[number:]), "")

    def keep(self) -> None:
        """Save the window's shape."""
        columns = [
            _packed(splitter.saveState()) if number in self._places else self._kept(number)
            for number, splitter in enumerate(self.splitters)
        ]
        self._desk.keep_shape(_packed(self._window.saveGeometry()), tuple(columns))

    def restore(self) -> None:
        """Restore the window as it was left."""
        self._window.restoreGeometry(_unpacked(self._desk.settings.window))


def _packed(state: QByteArray) -> str:
    return state.toBase64().toStdString()


def _unpacked(text: str) -> QByteArray:
    """A saved shape as Qt's bytes; what is not Qt's own is ignored by Qt when restoring."""
    return QByteArray.fromBase64(QByteArray(text.encode()))


def _splitter() -> QSplitter:
    splitter = QSplitter(Qt.Orientation.Horizontal)
    splitter.setChildrenCollapsible(False)
    splitter.setHandleWidth(1)
    return splitter

"""The columns of a Lab tab: form, results, and a side panel that opens. In a narrow window, one at a time."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QSplitter, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme

FORM, RESULTS, SIDE = range(3)
_NARROW = 104 * theme.GRID
_WIDTHS = (40 * theme.GRID, 90 * theme.GRID, 42 * theme.GRID)


class LabSplit(QSplitter):
    """Attributes: to_form, to_results (buttons that switch columns in a narrow window)."""

    def __init__(self, columns: tuple[QWidget, ...], parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._front, self._side_open, self._was_narrow = FORM, False, True
        self.to_form, self.to_results = QPushButton(parent), QPushButton(parent)  # a child of it would be a column
        self.to_form.setIcon(theme.icon("settings"))
        self.to_results.setIcon(theme.icon("lab"))
        self.to_form.clicked.connect(lambda: self.show_front(FORM))
        self.to_results.clicked.connect(lambda: self.show_front(RESULTS))
        self.setChildrenCollapsible(False)
        self.setHandleWidth(1)
        for number, widget in enumerate(columns):
            self.addWidget(widget)
            self.setStretchFactor(number, 1 if number == RESULTS else 0)
        self.setSizes(list(_WIDTHS[: len(columns)]))

    @property
    def _is_narrow(self) -> bool:
        return self.width() < _NARROW

    def show_front(self, column: int) -> None:
        """Bring a column to the front; this only matters in a narrow window."""
        self._front = column
        self._fit()

    def open_side(self, is_open: bool) -> None:
        """Open or close the side panel."""
        self._side_open = is_open
        self._front = SIDE if is_open else RESULTS
        self._fit()
        self._share_room()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        narrow = self._is_narrow
        three = self.width() >= sum(_WIDTHS) - 30 * theme.GRID
        for number in range(self.count()):
            wanted = number != SIDE or self._side_open
            room = self._front == number if narrow else three or not (self._side_open and number == FORM)
            self.widget(number).setVisible(wanted and room)
        self.to_form.setVisible(narrow)
        self.to_results.setVisible(narrow)
        if self._was_narrow and not narrow:
            self._share_room()
        self._was_narrow = narrow

    def _share_room(self) -> None:
        """Give the results the room that form and side panel leave."""
        form = 0 if self.widget(FORM).isHidden() else _WIDTHS[FORM]
        side = _WIDTHS[SIDE] if self._side_open else 0
        self.setSizes([form, max(1, self.width() - form - side), side][: self.count()])

    def retranslate(self) -> None:
        self.to_form.setText(tr("Set up a run"))
        self.to_results.setText(tr("Show the run"))

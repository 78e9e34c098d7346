"""The columns of a tab of the Lab: form, results, and a side panel that opens. In a narrow window, one at a time."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QSplitter, QWidget

from gistdesk.ui import theme
from gistdesk.ui.i18n import tr

FORM, RESULTS, SIDE = range(3)
_NARROW = 104 * theme.GRID
_WIDTHS = (40 * theme.GRID, 90 * theme.GRID, 42 * theme.GRID)


class LabSplit(QSplitter):
    """Attributes: to_form, to_results (buttons that change the column in a narrow window)."""

    def __init__(self, columns: tuple[QWidget, ...], parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._front, self._side_open = FORM, False
        self.to_form, self.to_results = QPushButton(self), QPushButton(self)
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
        """Bring a column to the front; it matters in a narrow window."""
        self._front = column
        self._fit()

    def open_side(self, is_open: bool) -> None:
        """Open or close the side panel."""
        self._side_open = is_open
        self._front = SIDE if is_open else RESULTS
        self._fit()
        form, side = (_WIDTHS[FORM] if self.widget(FORM).isVisible() else 0), (_WIDTHS[SIDE] if is_open else 0)
        self.setSizes([form, max(1, self.width() - form - side), side][: self.count()])

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

    def retranslate(self) -> None:
        self.to_form.setText(tr("Set up a run"))
        self.to_results.setText(tr("Show the run"))

"""The table of documents: its keys, its menu, and which columns fit.

Knows entries as the library gives them; others decide what is done with a document.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.ui.library.cells import CellDelegate, row_height
from gistdesk.ui.library.model import (
    ADDED,
    ENTRY,
    HEADERS,
    MODEL,
    RATIO,
    RECALL,
    SIZE,
    SLOTS,
    STATUS,
    TITLE,
    TOKENS,
    WIDTHS,
    AnyIndex,
    EntryModel,
)
from gistdesk.ui.widgets import theme

_WIDER = 1.6
"""How much the status may grow in a wide window, so that a reason fits on one line."""
_HIDDEN_FIRST = (ADDED, MODEL, SIZE, TOKENS, SLOTS, RECALL, RATIO)
"""Columns hidden, in this order, when the table is narrow; the inspector has their figures, too."""


class EntryTable(QTableView):
    """Attributes: model_ (EntryModel).

    Signals:
        chosen: the selection changed.
        opened: Enter or a double click on an entry, by its id.
        retry_pressed: entry id.
        delete_pressed: only while the table has the focus.
        menu_asked: the chosen entries' menu is wanted, at a point on the screen.
    """

    chosen = Signal()
    opened = Signal(int)
    retry_pressed = Signal(int)
    delete_pressed = Signal()
    menu_asked = Signal(QPoint)

    def __init__(self, seconds_left: Callable[[int], float | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_ = EntryModel(seconds_left, self)
        self._widths: dict[int, int] = {}
        self.setModel(self.model_)
        delegate = CellDelegate(self)
        delegate.retry_pressed.connect(self.retry_pressed)
        self.setItemDelegate(delegate)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(row_height(self.fontMetrics()))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(56)
        header.setSectionResizeMode(TITLE, QHeaderView.ResizeMode.Stretch)
        self._fit_columns()
        self.setSortingEnabled(True)
        self.sortByColumn(ADDED, Qt.SortOrder.DescendingOrder)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu_requested)
        self.doubleClicked.connect(self._on_double_clicked)
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    def retranslate(self) -> None:
        self.setAccessibleName(tr("Documents"))
        self.model_.retranslate()
        self._fit_columns()

    def selected(self) -> list[Entry]:
        """The chosen entries, from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        entries = self.model_.entries()
        return [entries[row] for row in rows]

    def select(self, entry_ids: Sequence[int]) -> None:
        """Select these entries, and scroll the first into view."""
        rows = [row for row in (self.model_.row_of(each) for each in entry_ids) if row is not None]
        self.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row in rows:
            self.selectionModel().select(self.model_.index(row, TITLE), flags)
        if rows:
            index = self.model_.index(rows[0], TITLE)
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.scrollTo(index)

    def edit_title(self) -> None:
        """Rename the selected entry, or else the current one, in its row."""
        rows = self.selectionModel().selectedRows(TITLE)
        index = rows[0] if len(rows) == 1 else self.currentIndex().siblingAtColumn(TITLE)
        if index.isValid():
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.edit(index)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Tab lands on a row: if none is selected, the current one gets selected."""
        super().focusInEvent(event)
        self.viewport().update()
        by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        if by_key and self.currentIndex().isValid() and not self.selectionModel().hasSelection():
            self.selectRow(self.currentIndex().row())

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.viewport().update()

    def currentChanged(self, current: AnyIndex, previous: AnyIndex) -> None:  # noqa: N802
        """The focused row is marked in all its cells."""
        super().currentChanged(current, previous)
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key = event.key()
        if key == Qt.Key.Key_F2:
            self.edit_title()
        elif key == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().data(ENTRY).id)
        elif key == Qt.Key.Key_Menu or (
            key == Qt.Key.Key_F10 and event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        ):
            self._on_menu_requested(self.visualRect(self.currentIndex()).bottomLeft())
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._hide_columns()

    def _fit_columns(self) -> None:
        """Widths that hold headers and figures in either language and at any size of the font."""
        metrics = self.horizontalHeader().fontMetrics()
        scale = self.fontMetrics().height() / 15
        for column, width in WIDTHS.items():
            header = metrics.horizontalAdvance(tr(HEADERS[column])) + 5 * theme.GRID
            self._widths[column] = max(round(width * scale), header)
            self.setColumnWidth(column, self._widths[column])
        self._hide_columns()

    def _hide_columns(self) -> None:
        """Hide the columns that matter least until the title has room."""
        width = self.viewport().width()
        room = width - max(30 * theme.GRID, round(0.3 * width))
        needed = sum(self._widths.values())
        for column in _HIDDEN_FIRST:
            hide = needed > room
            needed -= self._widths[column] if hide else 0
            self.setColumnHidden(column, hide)
        status = self._widths[STATUS]
        wider = min(round(_WIDER * status), status + max(0, room - needed))
        self.setColumnWidth(STATUS, min(wider, round(0.45 * width)))

    def _on_menu_requested(self, point: QPoint) -> None:
        if self.selectionModel().hasSelection():
            self.menu_asked.emit(self.viewport().mapToGlobal(point))

    def _on_double_clicked(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(ENTRY).id)

    def _on_selection_changed(self) -> None:
        self.chosen.emit()

"""The table of documents: its model over the library's entries, how its cells are drawn, its keys.

Knows entries as the library gives them; what is done with a document is decided elsewhere.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from gistdesk.library import Entry
from gistdesk.ui import theme
from gistdesk.ui.figures import bytes_text, count_text, ratio_text
from gistdesk.ui.i18n import later, tr
from gistdesk.ui.library_states import ICONS, explanation, fraction, state_words

AnyIndex = QModelIndex | QPersistentModelIndex

TITLE, TOKENS, SLOTS, RATIO, SIZE, MODEL, STATUS, ADDED = range(8)
_HEADERS = (
    later("Title"),
    later("Tokens"),
    later("Gist tokens"),
    later("Ratio"),
    later("Size"),
    later("Model"),
    later("Status"),
    later("Added"),
)
_WIDTHS = {TOKENS: 88, SLOTS: 104, RATIO: 72, SIZE: 88, MODEL: 112, STATUS: 240, ADDED: 112}
_NUMERIC = (TOKENS, SLOTS, RATIO, SIZE)
_HIDDEN_FIRST = (ADDED, MODEL, SIZE, TOKENS, SLOTS, RATIO)
"""Columns that give way, in this order, when the table is narrow; the inspector has their figures, too."""

ENTRY = Qt.ItemDataRole.UserRole
_STATE_ORDER = tuple(ICONS)


class EntryModel(QAbstractTableModel):
    """Rows are entries, in the order that the header asks for."""

    def __init__(self, seconds_left: Callable[[int], float | None], parent: QWidget) -> None:
        """`seconds_left` knows how long an entry, by its id, will still take."""
        super().__init__(parent)
        self._entries: list[Entry] = []
        self._seconds_left = seconds_left
        self._order = (ADDED, Qt.SortOrder.DescendingOrder)

    def entries(self) -> list[Entry]:
        """Every row, in order."""
        return list(self._entries)

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Show these instead; persistent indexes, and with them the selection, stay with their entries."""
        self._rearrange(sorted(entries, key=self._key, reverse=self._reverse))

    def update_entry(self, entry: Entry) -> None:
        """Show an entry's new state; the row keeps its place until the next sort."""
        row = self.row_of(entry.id)
        if row is not None:
            self._entries[row] = entry
            self.dataChanged.emit(self.index(row, 0), self.index(row, ADDED))

    def row_of(self, entry_id: int) -> int | None:
        """The row of an entry, None where it is not shown."""
        return next((row for row, entry in enumerate(self._entries) if entry.id == entry_id), None)

    def retranslate(self) -> None:
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, ADDED)
        if self._entries:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._entries) - 1, ADDED))

    # --- what Qt asks

    def rowCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(_HEADERS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self._entries[index.row()]
        if role == ENTRY:
            return entry
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(entry, index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tool_tip(entry, index.column())
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{tr(_HEADERS[index.column()])}: {self._text(entry, index.column())}"
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._order = (column, order)
        self._rearrange(sorted(self._entries, key=self._key, reverse=self._reverse))

    # --- inside

    @property
    def _reverse(self) -> bool:
        return self._order[1] == Qt.SortOrder.DescendingOrder

    def _rearrange(self, entries: list[Entry]) -> None:
        if [entry.id for entry in entries] == [entry.id for entry in self._entries]:
            self._entries = entries
            self.retranslate()
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        ids = [self._entries[index.row()].id for index in before]
        self._entries = entries
        rows = {entry.id: row for row, entry in enumerate(entries)}
        after = [
            self.index(rows[entry_id], index.column()) if entry_id in rows else QModelIndex()
            for entry_id, index in zip(ids, before, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _key(self, entry: Entry) -> tuple[Any, ...]:
        gist = entry.gist
        value: Any = {
            TITLE: entry.title.casefold(),
            TOKENS: entry.n_tokens or 0,
            SLOTS: gist.n_slots if gist else 0,
            RATIO: gist.ratio if gist else entry.ratio,
            SIZE: gist.file_bytes if gist else 0,
            MODEL: entry.model.casefold(),
            STATUS: (_STATE_ORDER.index(entry.state), fraction(entry) or 0.0),
            ADDED: entry.added,
        }[self._order[0]]
        return (value, entry.id)

    def _text(self, entry: Entry, column: int) -> str:
        gist = entry.gist
        if column == TITLE:
            return entry.title or entry.source_path.name
        if column == TOKENS:
            return count_text(entry.n_tokens) if entry.n_tokens else "–"
        if column == SLOTS:
            return count_text(gist.n_slots) if gist else "–"
        if column == RATIO:
            return ratio_text(gist.ratio if gist else entry.ratio)
        if column == SIZE:
            return bytes_text(gist.file_bytes) if gist else "–"
        if column == MODEL:
            return model_title(entry.model)
        if column == STATUS:
            return state_words(entry, self._seconds_left(entry.id))
        return added_text(entry.added)

    def _tool_tip(self, entry: Entry, column: int) -> str:
        if column == STATUS:
            return explanation(entry) or self._text(entry, column)
        if column == TITLE:
            return f"{self._text(entry, column)}\n{entry.source_path}"
        if column == MODEL:
            return entry.model
        return self._text(entry, column)


def model_title(name: str) -> str:
    """A model's name as a table can hold it: the last part of a folder or hub id."""
    return tr("Starter") if name == "starter" else name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def added_text(iso: str) -> str:
    """A day of the calendar in the window's manner: 2026-03-21."""
    return iso[:10]


def summary(entry: Entry) -> str:
    """What the whole document became, in a line: "48,210 → 1,204 gist tokens (40x)"."""
    gist = entry.gist
    if gist is None:
        return entry.source_path.name
    return tr(
        "{n} → {slots} gist tokens ({ratio})",
        n=count_text(gist.n_tokens),
        slots=count_text(gist.n_slots),
        ratio=ratio_text(gist.ratio),
    )


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMERIC else Qt.AlignmentFlag.AlignLeft
    return Qt.AlignmentFlag(side | Qt.AlignmentFlag.AlignVCenter)


# --- drawing


class _CellDelegate(QStyledItemDelegate):
    """Title with a second line, status with icon, words, bar and Retry; other cells as they are.

    Signals: retry_pressed (entry id). By keyboard it is in the row's menu and in the inspector.
    """

    retry_pressed = Signal(int)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        self.initStyleOption(option, index)
        c = theme.colours()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.fillRect(option.rect, QColor(c.selected if chosen else c.surface))
        painter.setPen(QColor(c.border))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
        inner = option.rect.adjusted(theme.GRID, 0, -theme.GRID, -1)
        entry: Entry = index.data(ENTRY)
        if index.column() == TITLE:
            self._paint_title(painter, inner, entry, option.font)
        elif index.column() == STATUS:
            self._paint_status(painter, inner, entry, option)
        else:
            painter.setPen(QColor(c.text))
            text = option.fontMetrics.elidedText(option.text, Qt.TextElideMode.ElideRight, inner.width())
            painter.drawText(inner, int(option.displayAlignment), text)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:  # noqa: N802
        return QSize(_WIDTHS.get(index.column(), 240), row_height(option.fontMetrics))

    def editorEvent(  # noqa: N802
        self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: AnyIndex
    ) -> bool:
        """A click on "Retry" in a status."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonRelease:
            entry: Entry = index.data(ENTRY)
            inner = option.rect.adjusted(theme.GRID, 0, -theme.GRID, -1)
            if index.column() == STATUS and self._retry_rect(inner, entry, option.fontMetrics).contains(
                event.position().toPoint()
            ):
                self.retry_pressed.emit(entry.id)
                return True
        return super().editorEvent(event, model, option, index)

    def _retry_rect(self, rect: QRect, entry: Entry, metrics: QFontMetrics) -> QRect:
        """Where "Retry" stands in a status; empty where there is nothing to retry."""
        width = metrics.horizontalAdvance(tr("Retry"))
        if entry.state not in ("failed", "cancelled") or entry.trashed or rect.width() < 4 * width:
            return QRect()
        return QRect(rect.right() - width, rect.top(), width + 1, rect.height())

    def _paint_title(self, painter: QPainter, rect: QRect, entry: Entry, font: QFont) -> None:
        c = theme.colours()
        upper, lower = QRect(rect), QRect(rect)
        upper.setBottom(rect.center().y())
        lower.setTop(rect.center().y() + 1)
        bold = QFont(font)
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(QColor(c.text))
        title = QFontMetrics(bold).elidedText(
            entry.title or entry.source_path.name, Qt.TextElideMode.ElideMiddle, rect.width()
        )
        painter.drawText(upper.translated(0, -1), int(Qt.AlignmentFlag.AlignBottom), title)
        painter.setFont(font)
        painter.setPen(QColor(c.muted))
        second = QFontMetrics(font).elidedText(summary(entry), Qt.TextElideMode.ElideMiddle, rect.width())
        painter.drawText(lower.translated(0, 1), int(Qt.AlignmentFlag.AlignTop), second)

    def _paint_status(self, painter: QPainter, rect: QRect, entry: Entry, option: QStyleOptionViewItem) -> None:
        c = theme.colours()
        name, colour = ICONS[entry.state]
        size = theme.SMALL_ICON
        top = rect.center().y() - size // 2
        theme.paint_icon(painter, QRectF(rect.left(), top, size, size), name, getattr(c, colour))
        words = QRect(rect)
        words.setLeft(rect.left() + size + theme.GRID)
        retry = self._retry_rect(rect, entry, option.fontMetrics)
        if not retry.isEmpty():
            painter.setPen(QColor(c.accent))
            painter.drawText(retry, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), tr("Retry"))
            words.setRight(retry.left() - theme.GRID)
        painter.setPen(QColor(c.text if colour in ("good", "accent", "muted") else getattr(c, colour)))
        text = in_two_lines(option.text, option.fontMetrics, words.width())
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
        share = fraction(entry)
        if share is not None:
            bar = QRectF(words.left(), rect.bottom() - 2 * theme.SMALL, words.width(), 3)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.memory_free))
            painter.drawRoundedRect(bar, 1.5, 1.5)
            bar.setWidth(max(3.0, bar.width() * share))
            painter.setBrush(QColor(c.accent))
            painter.drawRoundedRect(bar, 1.5, 1.5)


def in_two_lines(text: str, metrics: QFontMetrics, width: int) -> str:
    """Broken at a space where it is too long for one line, and shortened where it is too long for two."""
    words, n = text.split(" "), 1
    if metrics.horizontalAdvance(text) <= width or len(words) == 1:
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
    while n < len(words) - 1 and metrics.horizontalAdvance(" ".join(words[: n + 1])) <= width:
        n += 1
    lines = (" ".join(words[:n]), " ".join(words[n:]))
    return "\n".join(metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in lines)


def row_height(metrics: QFontMetrics) -> int:
    """Two lines of text and the grid's air around them."""
    return max(theme.ROW_HEIGHT, 2 * metrics.height() + 2 * theme.GRID)


class EntryTable(QTableView):
    """Attributes: model_ (EntryModel).

    Signals:
        chosen: the selection changed.
        opened: Enter or a double click on an entry, by its id.
        retry_pressed: entry id.
        delete_pressed: only while the table has the focus.
        menu_asked: for the chosen entries' menu, at a point of the screen.
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
        delegate = _CellDelegate(self)
        delegate.retry_pressed.connect(self.retry_pressed)
        self.setItemDelegate(delegate)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
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
        return [self.model_.entries()[row] for row in rows]

    def select(self, entry_ids: Sequence[int]) -> None:
        """Choose these entries, and bring the first into view."""
        rows = [row for row in (self.model_.row_of(each) for each in entry_ids) if row is not None]
        self.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row in rows:
            self.selectionModel().select(self.model_.index(row, TITLE), flags)
        if rows:
            index = self.model_.index(rows[0], TITLE)
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.scrollTo(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key = event.key()
        if key == Qt.Key.Key_Delete:
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
        for column, width in _WIDTHS.items():
            header = metrics.horizontalAdvance(tr(_HEADERS[column])) + 5 * theme.GRID
            self._widths[column] = max(round(width * scale), header)
            self.setColumnWidth(column, self._widths[column])
        self._hide_columns()

    def _hide_columns(self) -> None:
        """Leave out the columns that matter least until the title has room."""
        width = self.viewport().width()
        room = width - max(30 * theme.GRID, round(0.3 * width))
        needed = sum(self._widths.values())
        for column in _HIDDEN_FIRST:
            hide = needed > room
            needed -= self._widths[column] if hide else 0
            self.setColumnHidden(column, hide)
        self.setColumnWidth(STATUS, min(self._widths[STATUS], round(0.45 * width)))

    def _on_menu_requested(self, point: QPoint) -> None:
        if self.selectionModel().hasSelection():
            self.menu_asked.emit(self.viewport().mapToGlobal(point))

    def _on_double_clicked(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(ENTRY).id)

    def _on_selection_changed(self) -> None:
        self.chosen.emit()

"""The document table's rows and columns as a Qt model. Knows entries; knows nothing of how cells are drawn."""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QWidget

from gistdesk.core.methods import METHOD_BADGES
from gistdesk.language.figures import bytes_text, count_text, moment_text, percent_text, ratio_text
from gistdesk.language.i18n import later, tr
from gistdesk.library import Entry
from gistdesk.ui.library.states import ICONS, explanation, fraction, state_words
from gistdesk.ui.widgets.labels import tip
from gistdesk.ui.widgets.model_title import model_title

AnyIndex = QModelIndex | QPersistentModelIndex

TITLE, TOKENS, SLOTS, RATIO, RECALL, SIZE, MODEL, STATUS, ADDED = range(9)
HEADERS = (
    later("Title"),
    later("Tokens"),
    later("Gist tokens"),
    later("Ratio"),
    later("Facts kept"),
    later("Size"),
    later("Model"),
    later("Status"),
    later("Added"),
)
WIDTHS = {TOKENS: 88, SLOTS: 104, RATIO: 72, RECALL: 88, SIZE: 88, MODEL: 112, STATUS: 240, ADDED: 112}
_NUMERIC = (TOKENS, SLOTS, RATIO, RECALL, SIZE)
ENTRY = Qt.ItemDataRole.UserRole
_STATE_ORDER = tuple(ICONS)


class EntryModel(QAbstractTableModel):
    """Rows are entries, in the order the header asks for. Signals: renamed (entry id, title)."""

    renamed = Signal(int, str)

    def __init__(self, seconds_left: Callable[[int], float | None], parent: QWidget) -> None:
        """`seconds_left` gives how long an entry, by its id, will still take."""
        super().__init__(parent)
        self._entries: list[Entry] = []
        self._seconds_left = seconds_left
        self._order = (ADDED, Qt.SortOrder.DescendingOrder)

    def entries(self) -> list[Entry]:
        """The entries of all rows, in order."""
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
        """The row of an entry; None if it is not shown."""
        return next((row for row, entry in enumerate(self._entries) if entry.id == entry_id), None)

    def retranslate(self) -> None:
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, ADDED)
        if self._entries:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._entries) - 1, ADDED))

    # --- what Qt calls

    def rowCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(HEADERS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self._entries[index.row()]
        if role == ENTRY:
            return entry
        if role == Qt.ItemDataRole.DisplayRole or (role == Qt.ItemDataRole.EditRole and index.column() == TITLE):
            return self._text(entry, index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(self._tool_tip(entry, index.column()))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{tr(HEADERS[index.column()])}: {self._text(entry, index.column())}"
        return None

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        """Titles can be edited, except in the trash."""
        found = super().flags(index)
        is_title = index.isValid() and index.column() == TITLE and self._entries[index.row()].trashed is None
        return found | Qt.ItemFlag.ItemIsEditable if is_title else found

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        entry, title = self._entries[index.row()], str(value).strip()
        if role != Qt.ItemDataRole.EditRole or not title or title == entry.title:
            return False
        self.renamed.emit(entry.id, title)
        return True

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
            RECALL: _share_kept(entry),
            SIZE: gist.file_bytes if gist else 0,
            MODEL: entry.model.casefold(),
            STATUS: (_STATE_ORDER.index(entry.state), fraction(entry) or 0.0, -_share_kept(entry)),
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
        if column == RECALL:
            return percent_text(gist.recall) if gist and gist.recall is not None else "–"
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
        if column == RECALL:
            return _recall_words(entry)
        return self._text(entry, column)


def _share_kept(entry: Entry) -> float:
    """A sort key that puts what was not measured below a share of zero."""
    return entry.gist.recall if entry.gist is not None and entry.gist.recall is not None else -1.0


def _recall_words(entry: Entry) -> str:
    gist = entry.gist
    if gist is not None and gist.recall_n:
        return tr("Facts of the text that its gist gives back: {kept} of {n}", kept=gist.recall_kept, n=gist.recall_n)
    return tr("Not measured yet: see “What did this gist keep?” in the inspector.")


def added_text(iso: str) -> str:
    """A date as the window writes it, and calendars have it here: 2026-03-21."""
    return moment_text(iso)[:10]


def summary(entry: Entry) -> str:
    """What the whole document became, and how, in one line: "48,210 → 1,204 gist tokens (40x) · adapter"."""
    gist = entry.gist
    if gist is None:
        return entry.source_path.name
    became = tr(
        "{n} → {slots} gist tokens ({ratio})",
        n=count_text(gist.n_tokens),
        slots=count_text(gist.n_slots),
        ratio=ratio_text(gist.ratio),
    )
    return f"{became} · {tr(METHOD_BADGES.get(gist.method, gist.method))}"


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMERIC else Qt.AlignmentFlag.AlignLeft
    return Qt.AlignmentFlag(side | Qt.AlignmentFlag.AlignVCenter)

"""The Library's list: search, filter or collection, and the table; or what to do with an empty library.

Knows the desk's entries; others decide what is done with the chosen ones.
"""

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gistdesk.core.errors import UserError
from gistdesk.language.i18n import later, tr
from gistdesk.library import Entry
from gistdesk.session.desk import Desk
from gistdesk.ui.library.states import NEEDS_ATTENTION, WORKING
from gistdesk.ui.library.table import EntryTable
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import EmptyState, Label

_FILTERS: tuple[tuple[str, tuple[str, ...] | None], ...] = (
    (later("All documents"), None),
    (later("Ready"), ("ready",)),
    (later("In progress"), WORKING),
    (later("Needs attention"), NEEDS_ATTENTION),
    (later("Trash"), None),
)
_TRASH = len(_FILTERS) - 1
_SEARCH_DELAY_MS = 150
_NARROW = 56 * theme.GRID


class LibraryList(QFrame):
    """Attributes: table. Signals: add_pressed, sample_pressed, chat_pressed (a collection's name)."""

    add_pressed = Signal()
    sample_pressed = Signal()
    chat_pressed = Signal(str)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._desk = desk
        self.search = QLineEdit(self)
        self.search.setClearButtonEnabled(True)
        self.search.addAction(theme.icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self._filter = QComboBox(self)
        self._filter.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._filter.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._add = QPushButton(self)
        self._add.setIcon(theme.icon("plus", "on_accent"))
        theme.set_kind(self._add, "primary")
        self.chat = QPushButton(self)
        self.chat.setIcon(theme.icon("chat"))
        self.chat.hide()
        self._collections: dict[str, list[int]] = {}
        self.table = EntryTable(desk.documents.eta_s, self)
        self._empty = EmptyState(
            "drop",
            later("Drop a document to compress it"),
            later("PDF, Word, EPUB, web pages, Markdown and plain text. Everything stays on this computer."),
            (
                (later("Choose files"), self.add_pressed.emit),
                (later("Open sample"), self.sample_pressed.emit),
            ),
            self,
        )
        self._nothing = Label(self)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setWordWrap(True)
        theme.set_role(self._nothing, "muted")
        self._stack = QStackedWidget(self)
        self._timer = QTimer(self, singleShot=True, interval=_SEARCH_DELAY_MS)
        self._arrange()
        self._retranslate()
        self._timer.timeout.connect(self.refresh)
        self.search.textChanged.connect(self._on_search_edited)
        self._filter.currentIndexChanged.connect(self.refresh)
        self._add.clicked.connect(self.add_pressed)
        self.chat.clicked.connect(lambda: self.chat_pressed.emit(self.collection))
        desk.documents.changed.connect(self.refresh)
        desk.documents.one_changed.connect(self._on_entry_changed)
        self.refresh()

    def _arrange(self) -> None:
        self._bar = QWidget(self)
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        row.setSpacing(theme.GRID)
        row.addWidget(self.search, 1)
        row.addWidget(self._filter)
        row.addWidget(self.chat)
        row.addWidget(self._add)
        self.search.setMinimumWidth(12 * theme.GRID)
        for page in (self.table, self._empty, self._nothing):
            self._stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._bar)
        column.addWidget(self._stack, 1)

    @property
    def in_trash(self) -> bool:
        """Whether the trash is being shown."""
        return self._filter.currentIndex() == _TRASH

    @property
    def collection(self) -> str:
        """Name of the collection being shown; "" if none is."""
        name = self._filter.currentData()
        return name if isinstance(name, str) else ""

    def focus_rows(self) -> None:
        """Focus the table; if it is empty, focus what can be done about that."""
        shown = self._stack.currentWidget()
        (
            self._empty.buttons[0] if shown is self._empty else self.table if shown is self.table else self.search
        ).setFocus()

    def show_everything(self) -> None:
        """Clear search and filter, so that any entry can be shown."""
        self.search.clear()
        self._filter.setCurrentIndex(0)
        self.refresh()

    def refresh(self) -> None:
        """Reload from the library. A chosen entry stays chosen as long as it exists."""
        self._timer.stop()
        collections = self._desk.library.collections.all()
        if list(collections) != list(self._collections):
            self._collections = collections
            self._fill_filter()
        self._collections = collections
        search = self.search.text().strip()
        entries = self._desk.library.entries.all(search=search, trashed=self.in_trash)
        shown = [entry for entry in entries if self._still_shown(entry)]
        self.chat.setVisible(bool(self.collection))
        self.table.model_.set_entries(shown)
        self.table.chosen.emit()
        narrowed = bool(search) or self._filter.currentIndex() > 0
        self._bar.setVisible(bool(shown) or narrowed)
        page = self.table if shown else self._nothing if narrowed else self._empty
        had_focus = self.table.hasFocus()
        self._stack.setCurrentWidget(page)
        if had_focus and page is not self.table:
            self.focus_rows()
        self._say_nothing()

    def _on_search_edited(self) -> None:
        self._timer.start()

    def _on_entry_changed(self, entry_id: int) -> None:
        row = self.table.model_.row_of(entry_id)
        if row is None:
            return
        try:
            entry = self._desk.library.entries.get(entry_id)
        except UserError:  # deleted in another window
            self.refresh()
            return
        if self._still_shown(entry):
            self.table.model_.update_entry(entry)
        else:
            self.refresh()

    def _still_shown(self, entry: Entry) -> bool:
        if self.collection:
            return entry.trashed is None and entry.id in self._collections.get(self.collection, ())
        states = _FILTERS[self._filter.currentIndex()][1]
        return (states is None or entry.state in states) and (entry.trashed is not None) == self.in_trash

    def _fill_filter(self) -> None:
        """List kinds of documents, then collections; the choice stays if it still exists."""
        chosen, collection = max(0, self._filter.currentIndex()), self.collection
        self._filter.blockSignals(True)
        self._filter.clear()
        for text, _ in _FILTERS:
            self._filter.addItem(tr(text))
        if self._collections:
            self._filter.insertSeparator(len(_FILTERS))
        for name in self._collections:
            self._filter.addItem(theme.icon("folder", "muted"), name, name)
        at = self._filter.findData(collection) if collection else chosen
        self._filter.setCurrentIndex(max(at, 0))
        self._filter.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._name_add_button()

    def _name_add_button(self) -> None:
        """Show only its icon if the list is narrow."""
        self._add.setText("" if self.width() < _NARROW else tr("Add"))
        self._add.setAccessibleName(tr("Add documents"))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.search.setPlaceholderText(tr("Search titles and texts"))
        self.search.setAccessibleName(tr("Search titles and texts"))
        self._filter.setAccessibleName(tr("Which documents to show"))
        self._fill_filter()
        self.chat.setText(tr("Chat with all"))
        self._name_add_button()
        self._add.setToolTip(tr("Add documents (Ctrl+O)"))
        self.table.retranslate()
        self._say_nothing()

    def _say_nothing(self) -> None:
        search = self.search.text().strip()
        if search:
            self._nothing.setText(tr("Nothing found for “{search}”.", search=search))
        elif self.in_trash:
            self._nothing.setText(tr("The trash is empty."))
        else:
            self._nothing.setText(tr("No documents here at the moment."))

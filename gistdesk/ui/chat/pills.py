"""The documents a chat is about, as pills, and the list from which to choose more.

Knows the library's entries; knows nothing of chats.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QItemSelectionModel, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.ui.chat.look import Card, FlatButton, Muted
from gistdesk.ui.chat.words import pill_words
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.flow import FlowRow
from gistdesk.ui.widgets.labels import ElidedLabel
from gistdesk.ui.widgets.theme import GRID, SMALL

_WIDEST_PX = 400
_MOST_ROWS = 8
_MOST_LINES = 3.5
"""Half a line shows that there are more."""


class Pill(Card):
    """One document: its title and gist tokens, and a button that removes it from the chat.

    Attributes: remove_button.
    """

    removed = Signal(int)

    def __init__(self, entry: Entry) -> None:
        super().__init__("tinted")
        self._entry = entry
        self._wanted_px = _WIDEST_PX
        self.rows.setContentsMargins(GRID + SMALL, 0, SMALL, 0)
        self._label = ElidedLabel()
        self.remove_button = FlatButton("close")
        self.remove_button.clicked.connect(self._on_remove_clicked)
        row = QHBoxLayout()
        row.setSpacing(SMALL)
        row.addWidget(self._label, 1)
        row.addWidget(self.remove_button)
        self.rows.addLayout(row)
        self.show_entry(entry)

    def show_entry(self, entry: Entry) -> None:
        """Show another state of the same document."""
        self._entry = entry
        words = pill_words(entry)
        self.kind = "tinted" if entry.can_answer and entry.trashed is None else "plain"
        self._label.setText(words, ending=words.removeprefix(entry.title))
        self.setAccessibleName(words)
        self.remove_button.set_words(tr("Remove {title} from this chat", title=entry.title))
        width = self._label.fontMetrics().horizontalAdvance(words) + 2
        margins = 2 * GRID + 2 * SMALL + self.remove_button.sizeHint().width()
        self._wanted_px = min(_WIDEST_PX, width + margins)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(self._wanted_px, super().sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.LanguageChange, QEvent.Type.FontChange):
            self.show_entry(self._entry)

    def _on_remove_clicked(self) -> None:
        self.removed.emit(self._entry.id)


class Pills(QWidget):
    """All documents in a chat, and + for more.

    Signals:
        removed: the id of an entry to remove.
        add_pressed: more documents are wanted.
    """

    removed = Signal(int)
    add_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: list[Entry] = []
        self._pills: dict[int, Pill] = {}
        self.add_button = FlatButton("plus")
        self.add_button.clicked.connect(self.add_pressed)
        self._row = FlowRow(gap=SMALL)
        self._row.add(self.add_button)
        self._area = QScrollArea()
        self._area.setWidget(self._row)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._row.height_changed.connect(self._on_height_changed)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self._area)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._retranslate()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these."""
        for entry in entries:
            if entry.id in self._pills:
                self._pills[entry.id].show_entry(entry)
            else:
                self._pills[entry.id] = Pill(entry)
                self._pills[entry.id].removed.connect(self.removed)
        ids = [entry.id for entry in entries]
        self._pills = {entry_id: self._pills[entry_id] for entry_id in ids}
        self._entries = list(entries)
        self._retranslate()
        self._row.replace([*self._pills.values(), self.add_button])

    def _on_height_changed(self, height: int) -> None:
        """As high as the pills, up to some lines; the others are scrolled to."""
        line = self.add_button.sizeHint().height() + SMALL
        self._area.setFixedHeight(min(height, int(_MOST_LINES * line)))

    def focus_chain(self) -> list[QWidget]:
        """What Tab reaches, in order."""
        return [*(pill.remove_button for pill in self._pills.values()), self.add_button]

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.add_button.set_words(tr("Add documents to this chat"))
        style = Qt.ToolButtonStyle
        self.add_button.setToolButtonStyle(
            style.ToolButtonIconOnly if self._entries else style.ToolButtonTextBesideIcon
        )


class DocumentPicker(Card):
    """A popup with the library's documents that are not in the chat yet.

    Signals:
        picked: the ids of the chosen entries.
        files_wanted: none of them: new files should be added.
    """

    picked = Signal(list)
    files_wanted = Signal()

    def __init__(self, entries: Sequence[Entry], parent: QWidget) -> None:
        super().__init__("plain", parent)
        self.setWindowFlag(Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._entries = list(entries)
        self._search = QLineEdit()
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._fill)
        self._search.returnPressed.connect(self._on_return)
        self._list = QListWidget()
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        self._list.itemSelectionChanged.connect(self._on_selection_changed)
        self._list.itemActivated.connect(self._on_activated)
        self._list.itemDoubleClicked.connect(lambda item: item.setSelected(True))
        self._nothing = Muted()
        self._files, self._add = QPushButton(), QPushButton()
        self._files.clicked.connect(self._on_files_clicked)
        self._add.clicked.connect(self._on_add_clicked)
        theme.set_kind(self._add, "primary")
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addWidget(self._files)
        buttons.addStretch(1)
        buttons.addWidget(self._add)
        self.rows.setContentsMargins(GRID, GRID, GRID, GRID)
        self.rows.setSpacing(GRID)
        for widget in (self._search, self._nothing, self._list):
            self.rows.addWidget(widget)
        self.rows.addLayout(buttons)
        self._list.setFixedHeight(min(len(entries), _MOST_ROWS) * self._list.fontMetrics().lineSpacing() * 2 + GRID)
        self._list.setVisible(bool(entries))
        self._search.setVisible(bool(entries))
        self.setFixedWidth(46 * GRID)
        for entry in self._entries:
            item = QListWidgetItem(pill_words(entry))
            item.setData(Qt.ItemDataRole.UserRole, entry.id)
            item.setSizeHint(QSize(0, 2 * self._list.fontMetrics().lineSpacing()))
            self._list.addItem(item)
        self._retranslate()
        self._fill()
        self.adjustSize()
        self._search.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        elif event.key() == Qt.Key.Key_Down and self._search.hasFocus():
            self._list.setFocus()
            if shown := self._shown():
                self._list.setCurrentItem(shown[0], QItemSelectionModel.SelectionFlag.NoUpdate)
        else:
            super().keyPressEvent(event)

    def _retranslate(self) -> None:
        self.setAccessibleName(tr("Add documents to this chat"))
        self._search.setPlaceholderText(tr("Search documents"))
        self._search.setAccessibleName(tr("Search documents"))
        self._list.setAccessibleName(tr("Documents"))
        self._files.setText(tr("New files…"))
        self._add.setText(tr("Add"))

    def _fill(self) -> None:
        wanted = self._search.text().casefold().split()
        for row, entry in enumerate(self._entries):  # what was chosen stays chosen
            self._list.setRowHidden(row, not all(word in entry.title.casefold() for word in wanted))
        self._nothing.setVisible(not self._shown())
        self._nothing.setText(
            tr("No such document.") if self._entries else tr("The library has no other documents. Add new files.")
        )
        self._on_selection_changed()

    def _on_selection_changed(self) -> None:
        self._add.setEnabled(bool(self._list.selectedItems()))

    def _shown(self) -> list[QListWidgetItem]:
        items = [self._list.item(row) for row in range(self._list.count())]
        return [item for item in items if not item.isHidden()]

    def _on_return(self) -> None:
        """What was searched for is meant, too; without a search, what is selected."""
        if (shown := self._shown()) and (self._search.text().strip() or not self._list.selectedItems()):
            shown[0].setSelected(True)
        self._on_add_clicked()

    def _on_activated(self, item: QListWidgetItem) -> None:
        if not self._list.selectedItems():
            item.setSelected(True)
        self._on_add_clicked()

    def _on_add_clicked(self) -> None:
        if not self._list.selectedItems():
            return
        self.picked.emit([item.data(Qt.ItemDataRole.UserRole) for item in self._list.selectedItems()])
        self.close()

    def _on_files_clicked(self) -> None:
        self.close()
        self.files_wanted.emit()

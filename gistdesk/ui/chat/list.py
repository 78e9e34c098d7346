"""The list of chats: search, New chat, rename in place, delete with Undo.

Knows the library's chats; others decide what to show of the chosen one.
"""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QPushButton,
    QStackedWidget,
    QStyle,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.figures import time_words
from gistdesk.language.i18n import tr
from gistdesk.library import Chat
from gistdesk.session.desk import Desk
from gistdesk.ui.chat.look import Muted
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel
from gistdesk.ui.widgets.rename import RenameDelegate
from gistdesk.ui.widgets.theme import GRID, SMALL

_SEARCH_DELAY_MS = 150
_UNDO_MS = 12_000
_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


def chat_title(chat: Chat) -> str:
    """A chat's title, or a placeholder until the first question."""
    return chat.title or tr("New chat")


def _when(chat: Chat) -> str:
    time = time_words(chat.updated)
    return tr("Pinned · {time}", time=time) if chat.pinned else time


class ChatModel(QAbstractListModel):
    """Chats as rows. Signals: renamed (chat id, title)."""

    renamed = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chats: list[Chat] = []

    def set_chats(self, chats: Sequence[Chat]) -> None:
        """Show these. If only contents changed, selection and scroll position stay."""
        if [chat.id for chat in chats] == [chat.id for chat in self.chats]:
            self.chats = list(chats)
            if self.chats:
                self.dataChanged.emit(self.index(0), self.index(len(self.chats) - 1))
            return
        self.beginResetModel()
        self.chats = list(chats)
        self.endResetModel()

    def row_of(self, chat_id: int | None) -> int | None:
        """The chat's row, or None if it is not shown."""
        return next((row for row, chat in enumerate(self.chats) if chat.id == chat_id), None)

    def rowCount(self, parent: _Index = _ROOT) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self.chats)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        chat = self.chats[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return chat_title(chat)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{chat_title(chat)}, {_when(chat)}"
        return chat if role == Qt.ItemDataRole.UserRole else None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        title = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or not title or title == chat_title(self.chats[index.row()]):
            return False
        self.renamed.emit(self.chats[index.row()].id, title)
        return True

    def flags(self, index: _Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable


class _ChatDelegate(RenameDelegate):
    """Draws two lines: the title, and when the chat was last written in."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:  # noqa: N802
        return QSize(20 * GRID, 2 * option.fontMetrics.lineSpacing() + 2 * GRID)

    def paint(self, painter: QPainter, option: Any, index: _Index) -> None:
        chat: Chat = index.data(Qt.ItemDataRole.UserRole)
        c = theme.colours()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect: QRect = option.rect.adjusted(SMALL, 1, -SMALL, -1)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.selected if chosen else c.hover))
            painter.drawRoundedRect(rect, 6, 6)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 6, 6)
        inside = rect.adjusted(GRID + SMALL, 0, -GRID, 0)
        height = option.fontMetrics.lineSpacing()
        top = rect.top() + (rect.height() - 2 * height) // 2
        font = QFont(option.font)
        font.setWeight(QFont.Weight.DemiBold if chosen else QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(QColor(c.text))
        title = painter.fontMetrics().elidedText(chat_title(chat), Qt.TextElideMode.ElideRight, inside.width())
        painter.drawText(QRect(inside.left(), top, inside.width(), height), Qt.AlignmentFlag.AlignLeft, title)
        painter.setFont(option.font)
        painter.setPen(QColor(c.muted))
        second = QRect(inside.left(), top + height, inside.width(), height)
        painter.drawText(second, Qt.AlignmentFlag.AlignLeft, _when(chat))
        painter.restore()

    def updateEditorGeometry(self, editor: QWidget, option: Any, index: _Index) -> None:  # noqa: N802
        editor.setGeometry(option.rect.adjusted(SMALL, SMALL, -SMALL, -SMALL))

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: _Index) -> None:  # noqa: N802
        assert isinstance(editor, QLineEdit)
        model.setData(index, editor.text())


class _ChatView(QListView):
    """Delete deletes while this has the focus; Backspace does not."""

    delete_pressed = Signal()
    menu_asked = Signal(QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(_ChatDelegate(self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QListView.EditTrigger.EditKeyPressed)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)


class ChatList(QFrame):
    """Attributes: search, view.

    Signals:
        opened: the id of the chat to show.
        activated: Enter or a double click on the chosen chat: the user wants to write in it.
        new_pressed: a new chat is wanted.
    """

    opened = Signal(int)
    activated = Signal()
    new_pressed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._desk = desk
        self._shown_id: int | None = None
        self._deleted_id: int | None = None
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        self.search.addAction(theme.icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self._new = QPushButton()
        self._new.setIcon(theme.icon("plus", "on_accent"))
        theme.set_kind(self._new, "primary")
        self._model = ChatModel(self)
        self.view = _ChatView()
        self.view.setModel(self._model)
        self._nothing = Muted()
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._trash = QPushButton()
        self._trash.setIcon(theme.icon("trash", "muted"))
        self._trash.setCheckable(True)
        theme.set_kind(self._trash, "quiet")
        self._undo_strip = QWidget()
        self._undo_words = ElidedLabel()
        self._undo = QPushButton()
        self._search_timer = QTimer(self, singleShot=True, interval=_SEARCH_DELAY_MS)
        self._undo_timer = QTimer(self, singleShot=True, interval=_UNDO_MS)
        self._refresh_timer = QTimer(self, singleShot=True, interval=0)
        self._arrange()
        self._connect()
        self._retranslate()
        self.refresh()

    def _arrange(self) -> None:
        top = QVBoxLayout()
        top.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        top.setSpacing(GRID)
        top.addWidget(self._new)
        top.addWidget(self.search)
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._nothing)
        strip = QHBoxLayout(self._undo_strip)
        strip.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        strip.addWidget(self._undo_words, 1)
        strip.addWidget(self._undo)
        self._undo_strip.hide()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(top)
        rows.addWidget(self._stack, 1)
        rows.addWidget(self._undo_strip)
        rows.addWidget(self._trash)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._on_search_edited)
        self._search_timer.timeout.connect(self.refresh)
        self._refresh_timer.timeout.connect(self.refresh)
        self._new.clicked.connect(self._on_new_pressed)
        self._trash.toggled.connect(self._on_trash_toggled)
        self._undo.clicked.connect(self.undo)
        self._undo_timer.timeout.connect(self._undo_strip.hide)
        self.view.selectionModel().currentChanged.connect(self._on_current_changed)
        self.view.activated.connect(self._on_activated)
        self.view.delete_pressed.connect(self.delete_chosen)
        self.view.customContextMenuRequested.connect(self._on_menu_asked)
        self._model.renamed.connect(self._on_renamed)
        self._desk.chats.changed.connect(self._refresh_timer.start)

    def refresh(self) -> None:
        """Reload from the library; the shown chat stays chosen."""
        wanted = self.search.text().strip()
        n_trashed = len(self._desk.library.chats.all(trashed=True))
        if not n_trashed and self.in_trash:
            self._trash.setChecked(False)  # which reloads
            return
        self._trash.setVisible(bool(n_trashed))
        self._trash.setText(tr("Back to the chats") if self.in_trash else tr("Trash ({n})", n=n_trashed))
        self._model.set_chats(self._desk.library.chats.all(search=wanted, trashed=self.in_trash))
        self.choose(self._shown_id)
        self._stack.setCurrentWidget(self._nothing if wanted and not self._model.chats else self.view)

    @property
    def in_trash(self) -> bool:
        """Whether the trash is being shown."""
        return self._trash.isChecked()

    def show_all(self) -> None:
        """Leave the trash and the search."""
        self._trash.setChecked(False)
        self.search.clear()
        self.refresh()

    def restore(self, chat_id: int) -> None:
        """Take a chat out of the trash, and open it."""
        self._desk.chats.restore(chat_id)
        self._shown_id = chat_id
        self._trash.setChecked(False)
        self._undo_strip.hide()
        self.opened.emit(chat_id)

    def chats(self) -> list[Chat]:
        """The chats in the list, newest first."""
        return list(self._model.chats)

    def choose(self, chat_id: int | None) -> None:
        """Mark this chat as the one shown; does not emit `opened`."""
        self._shown_id = chat_id
        row = self._model.row_of(chat_id)
        selection = self.view.selectionModel()
        if row is None:
            selection.clear()
        elif selection.currentIndex().row() != row or not selection.hasSelection():
            self.view.setCurrentIndex(self._model.index(row))

    def delete_chosen(self) -> None:
        """Move the chosen chat to the trash; a strip offers Undo for a while."""
        row = self._model.row_of(self._shown_id)
        if row is None or self.in_trash:
            return
        chat = self._model.chats[row]
        self._deleted_id = chat.id
        self._undo_words.setText(tr("Deleted: {title}", title=chat_title(chat)))
        self._undo_strip.show()
        self._undo_timer.start()
        rest = self._model.chats[:row] + self._model.chats[row + 1 :]
        self._shown_id = rest[min(row, len(rest) - 1)].id if rest else None
        self._desk.chats.trash(chat.id)
        self.opened.emit(self._shown_id or 0)

    def undo(self) -> None:
        """Restore the last deleted chat, and open it."""
        chat_id, self._deleted_id = self._deleted_id, None
        if chat_id is not None:
            self.restore(chat_id)

    def pin_chosen(self) -> None:
        """Pin the chosen chat to the top, or unpin it."""
        row = self._model.row_of(self._shown_id)
        if row is not None and not self.in_trash:
            chat = self._model.chats[row]
            self._desk.chats.pin(chat.id, not chat.pinned)

    def rename_chosen(self) -> None:
        """Edit the chosen chat's title in its row."""
        self.view.edit(self.view.currentIndex())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
            self._model.set_chats(self._model.chats)

    def _retranslate(self) -> None:
        self.search.setPlaceholderText(tr("Search chats"))
        self.search.setAccessibleName(tr("Search chats"))
        self._new.setText(tr("New chat"))
        self._new.setToolTip(tr("New chat (Ctrl+N)"))
        self.view.setAccessibleName(tr("Chats"))
        self._undo.setText(tr("Undo"))
        self._nothing.setText(tr("No chat has these words."))

    def _on_search_edited(self) -> None:
        self._search_timer.start()

    def _on_current_changed(self, current: QModelIndex) -> None:
        if self.in_trash:
            return  # nothing can be asked there
        if current.isValid() and self._model.chats[current.row()].id != self._shown_id:
            self._shown_id = self._model.chats[current.row()].id
            self.opened.emit(self._shown_id)

    def _on_activated(self, index: QModelIndex) -> None:
        if self.in_trash:
            self.restore(self._model.chats[index.row()].id)
        else:
            self.activated.emit()

    def _on_new_pressed(self) -> None:
        self._trash.setChecked(False)
        self.new_pressed.emit()

    def _on_trash_toggled(self) -> None:
        self.refresh()
        self.view.setFocus()

    def _on_renamed(self, chat_id: int, title: str) -> None:
        self._desk.chats.change(chat_id, title=title)

    def _on_menu_asked(self, place: QPoint) -> None:
        if not self.view.indexAt(place).isValid() and not self.view.currentIndex().isValid():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self.in_trash:
            chat_id = self._model.chats[self.view.currentIndex().row()].id
            menu.addAction(theme.icon("undo"), tr("Restore")).triggered.connect(lambda: self.restore(chat_id))
            menu.popup(self.view.viewport().mapToGlobal(place))
            return
        chat = self._model.chats[self.view.currentIndex().row()]
        pin = tr("Unpin") if chat.pinned else tr("Pin to the top")
        menu.addAction(theme.icon("chevron-up"), pin).triggered.connect(self.pin_chosen)
        menu.addAction(theme.icon("edit"), tr("Rename")).triggered.connect(self.rename_chosen)
        menu.addAction(theme.icon("trash"), tr("Delete")).triggered.connect(self.delete_chosen)
        menu.popup(self.view.viewport().mapToGlobal(place))

"""The middle of the Chat place: the transcript above the composer, or what is shown while there is nothing.

Knows nothing of the desk.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QStackedWidget, QVBoxLayout, QWidget

from gistdesk.language.i18n import later
from gistdesk.session.abilities import Ability
from gistdesk.session.notices import Notice
from gistdesk.ui.chat.composer import Composer
from gistdesk.ui.chat.transcript import Transcript
from gistdesk.ui.widgets.banner import BannerArea
from gistdesk.ui.widgets.labels import EmptyState
from gistdesk.ui.widgets.theme import GRID


class ChatPage(QFrame):
    """The open chat, or what the place is for if there is none.

    Attributes: transcript, composer.

    Signals:
        new_pressed: a new chat is wanted.
        add_pressed: documents should be chosen for the open chat.
        stop_pressed, regenerate_pressed, verify_pressed: keys, unless the window has its own for them.
    """

    new_pressed = Signal()
    add_pressed = Signal()
    stop_pressed = Signal()
    regenerate_pressed = Signal()
    verify_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("surface", "page")
        self.transcript = Transcript()
        self.composer = Composer()
        self._banners = BannerArea(self, self.composer.height)
        self._make_empty_states()
        self._arrange()

    def _make_empty_states(self) -> None:
        self._no_chats = EmptyState(
            "chat",
            later("No chats yet"),
            later("A chat asks one or several documents. Every question and answer is kept on this computer."),
            ((later("New chat"), self.new_pressed.emit),),
        )
        self._no_documents = EmptyState(
            "file",
            later("Answers need a document"),
            later("Choose what this chat is about. Several documents can be asked at once."),
            ((later("Add documents"), self.add_pressed.emit),),
        )
        self._no_messages = EmptyState(
            "chat",
            later("Ask the first question"),
            later(
                "Answers come from the documents' gist tokens, and from passages where those are looked up. "
                "Each answer says which."
            ),
        )

    def _arrange(self) -> None:
        self._middle = QStackedWidget()
        for page in (self.transcript, self._no_documents, self._no_messages):
            self._middle.addWidget(page)
        chat = QWidget()
        rows = QVBoxLayout(chat)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self._middle, 1)
        rows.addWidget(self.composer)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._no_chats)
        self._pages.addWidget(chat)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._pages)
        self.setMinimumWidth(40 * GRID)

    def show_ability(self, of: Ability | None) -> None:
        """Show, before the first question, what the model can be asked."""
        if of is not None:
            self._no_messages.say(of.can, of.cannot)

    def show_none(self) -> None:
        """Show that there is no chat."""
        self._pages.setCurrentIndex(0)

    def show_chat(self, *, has_documents: bool, has_messages: bool) -> None:
        """Show the open chat, or what it still needs."""
        self._pages.setCurrentIndex(1)
        empty = self._no_messages if has_documents else self._no_documents
        self._middle.setCurrentWidget(self.transcript if has_messages else empty)

    def tell(self, notice: Notice) -> None:
        """Show a banner above the composer."""
        self._banners.tell(notice)

    def banners_gone(self) -> None:
        """Remove banners, which are about the chat they appeared in."""
        for banner in list(self._banners.banners):
            banner.closed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """The place's keys, unless the window has its own for them."""
        modifiers, key = event.modifiers(), event.key()
        control = Qt.KeyboardModifier.ControlModifier
        if key == Qt.Key.Key_Escape:
            self.stop_pressed.emit()
        elif modifiers == control and key == Qt.Key.Key_R:
            self.regenerate_pressed.emit()
        elif modifiers == control | Qt.KeyboardModifier.ShiftModifier and key == Qt.Key.Key_F:
            self.verify_pressed.emit()
        elif modifiers == control and key == Qt.Key.Key_L:
            self.composer.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.transcript.scroll_page(-1 if key == Qt.Key.Key_PageUp else 1)
        else:
            super().keyPressEvent(event)

"""One message in the transcript and what can be done with it, by mouse and by keyboard.

Emits what the user wants; knows nothing of the desk or the library.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QBoxLayout, QMenu, QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.library import Grounded, Message, Passage
from gistdesk.ui.chat.answer import AnswerView
from gistdesk.ui.chat.code import CodeView
from gistdesk.ui.chat.look import RADIUS, FlatButton
from gistdesk.ui.chat.prose import ProseView
from gistdesk.ui.chat.question import QuestionView
from gistdesk.ui.chat.sources import PassageCard, SourcesView
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.flow import FlowRow
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.theme import GRID, SMALL

_SIDE_BY_SIDE_PX = 560
"""If narrower than this, a comparison is shown below the answer, not beside it."""
_ICONS = {
    "copy": "copy",
    "edit": "edit",
    "regenerate": "retry",
    "older": "chevron-left",
    "newer": "chevron-right",
    "branch": "branch",
    "verify": "verify",
    "compare": "compare",
}
_KEYS = {"copy": "Ctrl+C", "edit": "F2", "regenerate": "Ctrl+R", "verify": "Ctrl+Shift+F"}
_OF_QUESTION = ("copy", "edit", "older", "newer", "branch")
_OF_ANSWER = ("copy", "regenerate", "older", "newer", "branch", "verify", "compare")
_WHILE_IDLE = ("edit", "regenerate", "compare")
"""Actions that start an answer; they wait while one is being written in this chat."""


class MessageView(QWidget):
    """A question or an answer.

    Signals:
        acted: the message's id and what the user wants: "regenerate", "retry", "older", "newer", "branch",
            "verify", "compare", "models" or "recompress".
        edited: the message's id and the question's new text.
        passage_chosen: a passage that was read or found for this answer.
        focus_moved: -1 or 1: to the message before or after.
        chain_changed: `focus_chain` has changed.
    """

    acted = Signal(int, str)
    edited = Signal(int, str)
    passage_chosen = Signal(object)
    focus_moved = Signal(int)
    chain_changed = Signal()

    def __init__(self, message: Message, width: int) -> None:
        """`width` is its likely width in pixels, since it is laid out before it is shown."""
        super().__init__()
        self.message = message
        self._busy = False
        self._ringed = False
        self._current = False
        self._comparison: AnswerView | None = None
        self._sources: SourcesView | None = None
        self.main: QuestionView | AnswerView
        if message.role == "user":
            self.main = QuestionView(message)
            self.main.edited.connect(self._on_edited)
            self.main.edit_ended.connect(self._on_edit_ended)
        else:
            self.main = AnswerView(message, width - 3 * GRID)
            self.main.retried.connect(self._on_retried)
            self.main.pieces_added.connect(self._on_pieces_added)
            self.main.citations.chosen.connect(self.passage_chosen)
            self.main.evidence.chosen.connect(self.passage_chosen)
            self.main.remedied.connect(self._on_remedied)
        self._actions = FlowRow(at_right=message.role == "user")
        self._buttons: dict[str, FlatButton] = {}
        self._version = Label()
        theme.set_role(self._version, "small")
        self._make_buttons()
        self._columns = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._columns.setSpacing(3 * GRID)
        self._columns.setContentsMargins(GRID, 0, GRID, 0)
        self._columns.addWidget(self.main, 1)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(SMALL // 2, GRID, SMALL // 2, SMALL)
        self._rows.setSpacing(SMALL)
        self._rows.addLayout(self._columns)
        self._rows.addWidget(self._actions)
        self.set_current(False)
        self._retranslate()

    @property
    def id(self) -> int:
        """The message's id."""
        return self.message.id

    def text(self) -> str:
        """The message's text so far."""
        return self.main.text()

    def set_message(self, message: Message) -> None:
        """Show the stored state of the same message."""
        if message != self.message:
            self.message = message
            self.main.set_message(message)
            self.set_current(self._current)
            self._retranslate()

    def set_busy(self, busy: bool) -> None:
        """Set whether an answer is being written in this chat."""
        if busy != self._busy:
            self._busy = busy
            self._show_actions()

    def set_current(self, current: bool) -> None:
        """Set whether Tab reaches this message's buttons; other messages are reached with the arrow keys first."""
        self._current = current
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if current else Qt.FocusPolicy.ClickFocus)
        for button in (*self._copy_buttons(), *self._citations(), *self._buttons.values()):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus if current else Qt.FocusPolicy.NoFocus)
        for prose in self.findChildren(ProseView):
            reached = current and prose.has_links()
            prose.setFocusPolicy(Qt.FocusPolicy.StrongFocus if reached else Qt.FocusPolicy.ClickFocus)

    def focus_chain(self) -> list[QWidget]:
        """What Tab reaches in this message, in order."""
        cards = self._sources.cards if self._sources is not None and self.shows_passages() else []
        return [self, *self._citations(), *self._reached_in_text(), *self._buttons.values(), *cards]

    def _reached_in_text(self) -> list[QWidget]:
        """Prose with links and the buttons that copy code, in order."""
        found: list[QWidget] = []
        for view in self.findChildren(QWidget):
            if isinstance(view, CodeView):
                found.append(view.copy_button)
            elif isinstance(view, ProseView) and view.has_links() and not view.isHidden():
                found.append(view)
        return found

    def _copy_buttons(self) -> list[FlatButton]:
        return [code.copy_button for code in self.findChildren(CodeView)]

    def _citations(self) -> list[PassageCard]:
        """The sentence above the answer, and the passages below it."""
        return [*self.main.evidence.cards, *self.main.citations.cards] if isinstance(self.main, AnswerView) else []

    def answers(self) -> list[AnswerView]:
        """The answer and what it is compared with, if any."""
        shown = [self.main] if isinstance(self.main, AnswerView) else []
        return shown if self._comparison is None else [*shown, self._comparison]

    def show_comparison(self, message: Message | None) -> None:
        """Show an answer from the full text beside this one; None hides it."""
        if self._comparison is not None and (message is None or message.id != self._comparison.message.id):
            self._columns.removeWidget(self._comparison)
            self._comparison.hide()
            self._comparison.deleteLater()
            self._comparison = None
        if message is not None and self._comparison is None:
            self._comparison = AnswerView(message, self.width() // 2)
            self._comparison.retried.connect(self._on_comparison_retried)
            self._comparison.pieces_added.connect(self._on_pieces_added)
            self._columns.addWidget(self._comparison, 1)
            self._comparison.show()
        elif message is not None and self._comparison is not None:
            self._comparison.set_message(message)
        self._retranslate()

    def compared_id(self) -> int | None:
        """The id of the answer beside this one."""
        return None if self._comparison is None else self._comparison.message.id

    def show_passages(self, passages: Sequence[Passage], searched: str, grounded: Grounded | None) -> None:
        """Show the passages found for this answer, and move the focus there; see `SourcesView`."""
        if self._sources is None:
            self._sources = SourcesView()
            self._sources.chosen.connect(self.passage_chosen)
            self._sources.closed.connect(self.hide_passages)
            self._rows.addWidget(self._sources)
        self._sources.show_passages(passages, searched, grounded)
        self._sources.show()
        self._sources.focus_first()

    def hide_passages(self) -> None:
        """Close the found passages; the focus returns to the message."""
        if self._sources is not None:
            self._sources.hide()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def shows_passages(self) -> bool:
        """Whether the found passages are shown."""
        return self._sources is not None and not self._sources.isHidden()

    def act(self, action: str) -> bool:
        """Do one of the actions if possible now; returns whether it was."""
        button = self._buttons.get(action)
        if button is None or button.isHidden() or not button.isEnabled():
            return False
        if action == "copy":
            QGuiApplication.clipboard().setText(self._selected_text() or self.text())
        elif action == "edit" and isinstance(self.main, QuestionView):
            self.edit()
        else:
            self.acted.emit(self.id, action)
        return True

    @property
    def draft(self) -> str | None:
        """What a question that is being edited has become; None of any other message."""
        return self.main.draft if isinstance(self.main, QuestionView) else None

    def edit(self, draft: str | None = None) -> None:
        """Edit a question, from this draft of it."""
        if isinstance(self.main, QuestionView):
            self._actions.hide()
            self.main.edit(draft)

    def _selected_text(self) -> str:
        cursors = [prose.textCursor() for prose in self.findChildren(ProseView)]
        return "\n".join(cursor.selection().toPlainText() for cursor in cursors if cursor.hasSelection())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is not None and self.hasFocus():
            self.focus_moved.emit(step)
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.act("copy")
        elif event.key() == Qt.Key.Key_F2:
            self.act("edit")
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.hasFocus():
            self._open_menu(self.mapToGlobal(QPoint(GRID, self.height() // 2)))
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        self._open_menu(event.globalPos())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        beside = self.width() >= _SIDE_BY_SIDE_PX
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if direction != self._columns.direction():
            self._columns.setDirection(direction)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        if self._ringed:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.colours().accent), 2))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), RADIUS, RADIUS)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Draw a ring where the keyboard focus is; a click needs none."""
        self._ringed = event.reason() != Qt.FocusReason.MouseFocusReason
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        self._ringed = False
        self.update()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _make_buttons(self) -> None:
        asked = self.message.role == "user"
        for action in _OF_QUESTION if asked else _OF_ANSWER:
            button = FlatButton(_ICONS[action])
            if action in ("verify", "compare"):
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setObjectName(action)
            button.clicked.connect(self._on_button_clicked)
            self._buttons[action] = button
            self._actions.add(button)
            if action == "older":
                self._actions.add(self._version)

    def _retranslate(self) -> None:
        words = self._action_words()
        for action, button in self._buttons.items():
            button.set_words(words[action])
            if action in _KEYS:
                button.setToolTip(f"{words[action]} ({_KEYS[action]})")
            if action == "regenerate":
                button.setToolTip(tr("Regenerate (Ctrl+R): another version, at a temperature of 0.70 or more"))
        message = self.message
        self._version.setText(f"{message.version} / {message.n_versions}")
        self._version.setAccessibleName(tr("Version {n} of {of}", n=message.version, of=message.n_versions))
        start = self.text()[:200]
        question = message.role == "user"
        self.setAccessibleName(tr("Question: {words}", words=start) if question else tr("Answer: {words}", words=start))
        self._show_actions()

    def _action_words(self) -> dict[str, str]:
        compared = self._comparison is not None
        return {
            "copy": tr("Copy"),
            "edit": tr("Edit"),
            "regenerate": tr("Regenerate"),
            "older": tr("Previous version"),
            "newer": tr("Next version"),
            "branch": tr("Branch into a new chat"),
            "verify": tr("Verify in source"),
            "compare": tr("Hide the comparison") if compared else tr("Compare with full text"),
        }

    def _show_actions(self) -> None:
        message = self.message
        writing = message.state == "writing"
        for action, button in self._buttons.items():
            versioned = message.n_versions > 1 or action not in ("older", "newer")
            visible = versioned and not writing
            if message.state == "failed" and not message.text:
                visible = action in ("older", "newer", "regenerate") and versioned
            button.setVisible(visible)
            compared = action == "compare" and self._comparison is not None
            button.setEnabled(compared or not (self._busy and action in _WHILE_IDLE))
        self._version.setVisible(message.n_versions > 1 and not writing)
        if "older" in self._buttons:
            self._buttons["older"].setEnabled(message.version > 1)
            self._buttons["newer"].setEnabled(message.version < message.n_versions)

    def _open_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        for action, button in self._buttons.items():
            if not button.isHidden():
                entry = menu.addAction(button.icon(), button.text())
                entry.setData(action)
                entry.setEnabled(button.isEnabled())
        menu.triggered.connect(self._on_menu_triggered)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)

    def _on_menu_triggered(self, entry: object) -> None:
        self.act(entry.data())  # type: ignore[attr-defined]

    def _on_button_clicked(self) -> None:
        self.act(self.sender().objectName())

    def _on_edited(self, text: str) -> None:
        self.edited.emit(self.id, text)

    def _on_edit_ended(self) -> None:
        self._actions.show()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_pieces_added(self) -> None:
        if self._current:
            self.set_current(True)
            self.chain_changed.emit()

    def _on_retried(self) -> None:
        self.acted.emit(self.id, "retry")

    def _on_remedied(self, action: str) -> None:
        self.acted.emit(self.id, action)

    def _on_comparison_retried(self) -> None:
        self.acted.emit(self.id, "compare again")

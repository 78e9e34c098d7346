"""One question: a card at the right, which turns into a field for editing. Knows nothing of the desk."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.library import Message
from gistdesk.ui.chat.look import Card
from gistdesk.ui.chat.prompt import PromptEdit
from gistdesk.ui.chat.prose import ProseView
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.theme import GRID, SMALL

_WIDEST = 0.85
"""Share of the column."""


class QuestionView(QWidget):
    """What the user asked.

    Signals:
        edited: the question's new text, neither empty nor the old one.
        edit_ended: the field is gone again, saved or not.
    """

    edited = Signal(str)
    edit_ended = Signal()

    def __init__(self, message: Message, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.message = message
        self._text = ProseView()
        self._text.set_plain(message.text)
        self._card = Card("tinted")
        self._card.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._card.rows.addWidget(self._text)
        self._editor: _Editor | None = None
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.addWidget(self._card, 0, Qt.AlignmentFlag.AlignRight)
        self._retranslate()

    def text(self) -> str:
        """The question."""
        return self.message.text

    def set_message(self, message: Message) -> None:
        """Show another state of the same question."""
        self.message = message

    @property
    def draft(self) -> str | None:
        """What the field holds; None if it is not shown."""
        return self._editor.text if self._editor is not None else None

    def edit(self, draft: str | None = None) -> None:
        """Show the field, with the question, and put the focus into it; or with what became of it, wherever that is."""
        if self._editor is None:
            self._editor = _Editor(self.message.text if draft is None else draft)
            self._editor.saved.connect(self._on_saved)
            self._editor.ended.connect(self._on_ended)
            self._rows.addWidget(self._editor)
            self._card.hide()
        if draft is None:
            self._editor.focus()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        margins = self._card.rows.contentsMargins()
        padding = margins.left() + margins.right()
        most = int(self.width() * _WIDEST) - padding
        self._text.document().setTextWidth(most)
        self._card.setFixedWidth(self._text.wanted_width(most) + padding)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._text.setAccessibleName(tr("Your question"))

    def _on_saved(self, text: str) -> None:
        self._on_ended()
        if text and text != self.message.text:
            self.edited.emit(text)

    def _on_ended(self) -> None:
        if self._editor is not None:
            self._editor.hide()
            self._editor.deleteLater()
            self._editor = None
        self._card.show()
        self.edit_ended.emit()


class _Editor(Card):
    """The field for editing a question: Enter saves and asks again, Esc leaves it as it was."""

    saved = Signal(str)
    ended = Signal()

    def __init__(self, text: str) -> None:
        super().__init__("plain")
        self._field = PromptEdit(most_lines=20)
        self._field.setPlainText(text)
        self._field.entered.connect(self._on_save)
        self._field.escaped.connect(self.ended)
        self._field.focus_changed.connect(self.set_ringed)
        self._save, self._cancel = QPushButton(), QPushButton()
        theme.set_kind(self._save, "primary")
        self._save.clicked.connect(self._on_save)
        self._cancel.clicked.connect(self.ended)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addStretch(1)
        buttons.addWidget(self._cancel)
        buttons.addWidget(self._save)
        self.rows.setContentsMargins(GRID, GRID, GRID, GRID)
        self.rows.setSpacing(SMALL)
        self.rows.addWidget(self._field)
        self.rows.addLayout(buttons)
        self._retranslate()

    @property
    def text(self) -> str:
        return self._field.toPlainText()

    def focus(self) -> None:
        self._field.setFocus(Qt.FocusReason.OtherFocusReason)
        self._field.moveCursor(self._field.textCursor().MoveOperation.End)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._field.setAccessibleName(tr("Edit the question"))
        self._save.setText(tr("Ask again"))
        self._cancel.setText(tr("Cancel"))

    def _on_save(self) -> None:
        self._field.finish_composing()
        self.saved.emit(self._field.toPlainText().strip())

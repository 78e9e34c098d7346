"""Where questions are written: the documents' pills, the field, and Send, which is Stop while an answer is written.

Knows nothing of the desk; is told what the chat is about and whether it is busy.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gistdesk.library import Entry
from gistdesk.ui import theme
from gistdesk.ui.chat_look import Card
from gistdesk.ui.chat_pills import Pills
from gistdesk.ui.chat_prompt import PromptEdit
from gistdesk.ui.i18n import tr
from gistdesk.ui.theme import GRID, SMALL

_WIDEST_PX = 880


class Composer(QWidget):
    """Attributes: field, pills.

    Signals:
        sent: the question.
        stop_pressed: the answer that is being written shall end.
    """

    sent = Signal(str)
    stop_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._busy = False
        self._n_documents = 0
        self.pills = Pills()
        self.field = PromptEdit()
        self.field.entered.connect(self.send)
        self.field.escaped.connect(self._on_escaped)
        self.field.textChanged.connect(self._show_state)
        self._card = Card("plain")
        self._card.rows.setContentsMargins(GRID, SMALL, SMALL + 2, SMALL)
        self.field.focus_changed.connect(self._card.set_ringed)
        self._send = QPushButton()
        self._send.setIconSize(QSize(theme.SMALL_ICON, theme.SMALL_ICON))
        self._send.clicked.connect(self._on_send_clicked)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self.field, 1)
        row.addWidget(self._send, 0, Qt.AlignmentFlag.AlignBottom)
        self._card.rows.addLayout(row)
        self._rows = QVBoxLayout(self)
        self._rows.setSpacing(SMALL)
        self._rows.addWidget(self.pills)
        self._rows.addWidget(self._card)
        self._retranslate()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show the chat's documents."""
        self.pills.show_entries(entries)
        self._n_documents = len(entries)
        self._retranslate()

    def set_busy(self, busy: bool) -> None:
        """Whether an answer is being written in this chat."""
        if busy != self._busy:
            self._busy = busy
            self._retranslate()

    def send(self) -> None:
        """Send what is written, unless there is nothing, no document, or an answer on its way."""
        self.field.finish_composing()
        text = self.field.toPlainText().strip()
        if text and self._n_documents and not self._busy:
            self.sent.emit(text)

    def focus_chain(self) -> list[QWidget]:
        """What Tab reaches, in order."""
        return [*self.pills.focus_chain(), self.field, self._send]

    def resizeEvent(self, event: object) -> None:  # noqa: N802
        super().resizeEvent(event)  # type: ignore[arg-type]
        side = max(2 * GRID, (self.width() - _WIDEST_PX) // 2)
        self._rows.setContentsMargins(side, GRID, side, 2 * GRID)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.field.setAccessibleName(tr("Question"))
        self.field.setPlaceholderText(
            tr("Ask about the documents") if self._n_documents else tr("Add a document first, then ask about it")
        )
        self._send.setText(tr("Stop") if self._busy else tr("Send"))
        self._send.setToolTip(tr("Stop the answer (Esc)") if self._busy else tr("Send (Enter)"))
        self._send.setIcon(theme.icon("stop") if self._busy else theme.icon("send", "on_accent"))
        theme.set_kind(self._send, "" if self._busy else "primary")
        self._show_state()

    def _show_state(self) -> None:
        has_text = not self.field.document().isEmpty()
        self._send.setEnabled(self._busy or (has_text and self._n_documents > 0))

    def _on_send_clicked(self) -> None:
        if self._busy:
            self.stop_pressed.emit()
        else:
            self.send()

    def _on_escaped(self) -> None:
        if self._busy:
            self.stop_pressed.emit()

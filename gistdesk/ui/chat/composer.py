"""Where questions are written: the documents' pills, whether to look up passages in them, the field, and Send,
which is Stop while an answer is being written.

Knows nothing of the desk; the place sets what the chat is about and whether it is busy.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gistdesk.language.figures import count_text
from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.ui.chat.look import Card, Muted
from gistdesk.ui.chat.pills import Pills
from gistdesk.ui.chat.presets import PresetButton
from gistdesk.ui.chat.prompt import PromptEdit
from gistdesk.ui.chat.words import about_tokens, reliance_words
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import tip
from gistdesk.ui.widgets.theme import GRID, SMALL

_WIDEST_PX = 880


class Composer(QWidget):
    """Attributes: field, pills, look_up (the box), presets.

    Signals:
        look_up_chosen: whether to look up passages for the next answers.
        sent: the question.
        stop_pressed: the answer being written should stop.
    """

    look_up_chosen = Signal(bool)
    sent = Signal(str)
    stop_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._busy = False
        self._n_documents = 0
        self._without_text: list[str] = []
        self._entries: Sequence[Entry] = ()
        self.pills = Pills()
        self.look_up = QCheckBox()
        self.look_up.clicked.connect(self._on_look_up_clicked)
        self._note = Muted()
        theme.set_role(self._note, "small")
        self.field = PromptEdit()
        self.field.entered.connect(self.send)
        self.field.escaped.connect(self._on_escaped)
        self.field.textChanged.connect(self._show_state)
        self._keys, self._count = Muted(), Muted()
        for label in (self._keys, self._count):
            theme.set_role(label, "small")
        self._count.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._card = Card("plain")
        self._card.rows.setContentsMargins(GRID, SMALL, SMALL + 2, SMALL)
        self.field.focus_changed.connect(self._card.set_ringed)
        self.presets = PresetButton()
        self.presets.chosen.connect(self._on_preset_chosen)
        self._send = QPushButton()
        self._send.setIconSize(QSize(theme.SMALL_ICON, theme.SMALL_ICON))
        self._send.clicked.connect(self._on_send_clicked)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self.field, 1)
        row.addWidget(self.presets, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self._send, 0, Qt.AlignmentFlag.AlignBottom)
        self._card.rows.addLayout(row)
        self._rows = QVBoxLayout(self)
        self._rows.setSpacing(SMALL)
        above = QHBoxLayout()
        above.setSpacing(GRID)
        above.addWidget(self.pills, 1)
        above.addWidget(self.look_up, 0, Qt.AlignmentFlag.AlignTop)
        self._rows.addLayout(above)
        self._rows.addWidget(self._note)
        self._rows.addWidget(self._card)
        below = QHBoxLayout()
        below.addWidget(self._keys, 1)
        below.addWidget(self._count)
        self._rows.addLayout(below)
        self._retranslate()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show the chat's documents."""
        self.pills.show_entries(entries)
        self._n_documents = len(entries)
        self._entries = entries
        self._without_text = [entry.title for entry in entries if entry.gist is not None and entry.text_sha256 is None]
        self._retranslate()

    def show_look_up(self, wanted: bool) -> None:
        """Show whether this chat looks up passages."""
        self.look_up.setChecked(wanted)
        self._show_note()

    def set_busy(self, busy: bool) -> None:
        """Set whether an answer is being written in this chat."""
        if busy != self._busy:
            self._busy = busy
            self._retranslate()

    def send(self) -> None:
        """Send the question, unless it is empty, there is no document, or an answer is being written."""
        self.field.finish_composing()
        text = self.field.toPlainText().strip()
        if text and self._n_documents and not self._busy:
            self.sent.emit(text)

    def focus_chain(self) -> list[QWidget]:
        """What Tab reaches, in order."""
        return [*self.pills.focus_chain(), self.look_up, self.field, self.presets, self._send]

    def resizeEvent(self, event: object) -> None:  # noqa: N802
        super().resizeEvent(event)  # type: ignore[arg-type]
        side = max(2 * GRID, (self.width() - _WIDEST_PX) // 2)
        self._rows.setContentsMargins(side, GRID, side, GRID)

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
        self._keys.setText(tr("Enter sends · Shift+Enter begins a new line"))
        self.look_up.setText(tr("Look up passages"))
        self.look_up.setAccessibleName(tr("Look up passages"))
        self._show_note()
        self._show_state()

    def _show_note(self) -> None:
        """Say why the box has no effect, or not for all documents."""
        what = tr("The passages of the text that fit a question best are read after the gist, and cited.")
        why = ""
        if self._without_text:
            titles = ", ".join(self._without_text)
            why = tr("Nothing can be looked up in {titles}: it came as a gist file, without its text.", titles=titles)
        notes = [reliance_words(self._entries), why if self.look_up.isChecked() else ""]
        self._note.setText(" ".join(note for note in notes if note))
        self._note.setVisible(bool(self._note.text()))
        self.look_up.setToolTip(tip(f"{what} {why}".strip()))
        self.look_up.setAccessibleDescription(self.look_up.toolTip())

    def _on_look_up_clicked(self, wanted: bool) -> None:
        self._show_note()
        self.look_up_chosen.emit(wanted)

    def _show_state(self) -> None:
        has_text = not self.field.document().isEmpty()
        self.presets.show_written(self.field.toPlainText())
        n_tokens = about_tokens(self.field.toPlainText())
        self._count.setText(tr("about {n} tokens", n=count_text(n_tokens)) if n_tokens else "")
        self._send.setEnabled(self._busy or (has_text and self._n_documents > 0))

    def _on_preset_chosen(self, prompt: str) -> None:
        self.field.setPlainText(prompt)
        self.field.moveCursor(self.field.textCursor().MoveOperation.End)
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_send_clicked(self) -> None:
        if self._busy:
            self.stop_pressed.emit()
        else:
            self.send()

    def _on_escaped(self) -> None:
        if self._busy:
            self.stop_pressed.emit()

"""A chat's inspector: its title, system prompt, sampling (rare settings folded away), and export.

Edits are stored half a second after the last keystroke, and before anything else happens. Knows the library's chats;
knows nothing of answers.
"""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFrame,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gistdesk.atomic import replacing
from gistdesk.core.errors import UserError
from gistdesk.core.title import file_name
from gistdesk.language.i18n import tr
from gistdesk.library import Chat
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.ui.chat.list import chat_title
from gistdesk.ui.chat.look import Muted
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.theme import GRID, SMALL

_SAVE_MS = 500
_DEFAULTS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 512, "top_p": 0.95, "seed": 0}
"""The engine's defaults; a chat stores only what differs."""
_MOST_SEED = 2**31 - 1


class ChatInspector(QFrame):
    """Signals: failed, with a notice saying why the chat could not be exported."""

    failed = Signal(object)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._desk = desk
        self._chat: Chat | None = None
        self.title = QLineEdit()
        self.system = QPlainTextEdit()
        self.system.setTabChangesFocus(True)
        self.system.setFixedHeight(14 * GRID)
        self.temperature = QDoubleSpinBox(minimum=0.0, maximum=2.0, singleStep=0.1, decimals=2)
        self.max_tokens = QSpinBox(minimum=1, maximum=32768, singleStep=64)
        self.top_p = QDoubleSpinBox(minimum=0.0, maximum=1.0, singleStep=0.05, decimals=2)
        self.seed = QSpinBox(minimum=0, maximum=_MOST_SEED)
        for box in (self.temperature, self.max_tokens, self.top_p, self.seed):
            theme.inset(box)
        self._fold = QPushButton()
        theme.set_kind(self._fold, "link")
        self._fold.setCheckable(True)
        self._fold.setIcon(theme.icon("chevron-right", "accent"))
        self._markdown, self._json = QPushButton(), QPushButton()
        names = ("title", "system", "sampling", "temperature", "max_tokens", "top_p", "seed", "export")
        self._labels = {name: Label() for name in names}
        self._notes = {name: Muted() for name in ("system", "temperature", "max_tokens", "top_p", "seed")}
        self._nothing = Muted()
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._timer = QTimer(self, singleShot=True, interval=_SAVE_MS)
        self._arrange()
        self._connect()
        self._retranslate()
        self.show_chat(None)

    def _arrange(self) -> None:
        self._body = QWidget()
        rows = QVBoxLayout(self._body)
        rows.setContentsMargins(*(2 * GRID,) * 4)
        rows.setSpacing(SMALL)
        for name in ("sampling", "export"):
            theme.set_role(self._labels[name], "heading")
        self._add_field(rows, "title", self.title)
        self._add_field(rows, "system", self.system)
        rows.addWidget(self._labels["sampling"])
        rows.addSpacing(SMALL)
        self._add_field(rows, "temperature", self.temperature)
        self._add_field(rows, "max_tokens", self.max_tokens)
        rows.addWidget(self._fold, 0, Qt.AlignmentFlag.AlignLeft)
        self._folded = QWidget()
        folded = QVBoxLayout(self._folded)
        folded.setContentsMargins(0, 0, 0, 0)
        folded.setSpacing(SMALL)
        self._add_field(folded, "top_p", self.top_p)
        self._add_field(folded, "seed", self.seed)
        self._folded.hide()
        rows.addWidget(self._folded)
        rows.addSpacing(GRID)
        rows.addWidget(self._labels["export"])
        rows.addSpacing(SMALL)
        for button in (self._markdown, self._json):
            button.setIcon(theme.icon("export"))
            rows.addWidget(button)
            rows.addSpacing(SMALL)
        rows.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self._body)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        outer.addWidget(self._nothing, 1)
        self._area = area
        self.setMinimumWidth(32 * GRID)

    def _add_field(self, rows: QVBoxLayout, name: str, field: QWidget) -> None:
        rows.addWidget(self._labels[name])
        rows.addWidget(field)
        self._labels[name].setBuddy(field)
        if name in self._notes:
            theme.set_role(self._notes[name], "small")
            rows.addWidget(self._notes[name])
        rows.addSpacing(GRID + SMALL)

    def _connect(self) -> None:
        self._timer.timeout.connect(self.save)
        self.title.textEdited.connect(self._on_edited)
        self.system.textChanged.connect(self._on_edited)
        for box in self._sampling_boxes().values():
            box.valueChanged.connect(self._on_edited)
        self._fold.toggled.connect(self._on_fold_toggled)
        self._markdown.clicked.connect(self._on_markdown_clicked)
        self._json.clicked.connect(self._on_json_clicked)

    def show_chat(self, chat: Chat | None) -> None:
        """Show this chat's settings; what was being edited is stored first."""
        if chat is not None and self._chat is not None and chat.id == self._chat.id and self._timer.isActive():
            return
        self.save()
        self._chat = chat
        self._area.setVisible(chat is not None)
        self._nothing.setVisible(chat is None)
        fields: list[QWidget] = [self.title, self.system, *self._sampling_boxes().values()]
        for field in fields:
            field.blockSignals(True)
        title, system = (chat.title, chat.system or "") if chat else ("", "")
        if self.title.text().strip() != title:  # spaces at the end of what is being typed are not stored
            self.title.setText(title)
            self.title.setCursorPosition(0)
        if self.system.toPlainText().strip() != system:
            self.system.setPlainText(system)
        sampling = _DEFAULTS | (chat.sampling if chat else {})
        for name, box in self._sampling_boxes().items():
            box.setValue(sampling[name])
        for field in fields:
            field.blockSignals(False)

    def save(self) -> None:
        """Store what was edited, if anything was."""
        self._timer.stop()
        if self._chat is None:
            return
        chat, title, system = self._chat, self.title.text().strip(), self.system.toPlainText().strip()
        known = {name: box.value() for name, box in self._sampling_boxes().items()}
        known = {name: round(value, 2) for name, value in known.items() if round(value, 2) != _DEFAULTS[name]}
        sampling = {name: value for name, value in chat.sampling.items() if name not in _DEFAULTS} | known
        if (title or chat.title, system, sampling) == (chat.title, chat.system or "", chat.sampling):
            return
        self._desk.chats.change(chat.id, title=title or None, system=system, sampling=sampling)
        self._chat = self._desk.library.chats.get(chat.id)

    def export(self, form: str, target: Path) -> None:
        """Write the chat to a file, as "markdown" or "json". Raises UserError: it cannot be written."""
        assert self._chat is not None
        text = self._desk.library.chats.export(self._chat.id, form, _headings())
        try:
            with replacing(target) as part:
                part.write_text(text, encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                "{file} could not be written: {reason}.", "Choose another folder.", file=target.name, reason=reason
            ) from error

    def _export_to_chosen_file(self, form: str) -> None:
        assert self._chat is not None
        ending = {"markdown": ".md", "json": ".json"}[form]
        start = str(Path.home() / (file_name(chat_title(self._chat)) + ending))
        target, _ = QFileDialog.getSaveFileName(self, tr("Export the chat"), start, f"*{ending}")
        if not target:
            return
        try:
            self.export(form, Path(target))
        except UserError as error:
            self.failed.emit(Notice(error.message, error.hint))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        words = {
            "title": tr("Title"),
            "system": tr("System prompt"),
            "sampling": tr("Sampling"),
            "temperature": tr("Temperature"),
            "max_tokens": tr("Longest answer (tokens)"),
            "top_p": tr("Top-p"),
            "seed": tr("Seed"),
            "export": tr("Export"),
        }
        for name, label in self._labels.items():
            label.setText(words[name])
            if label.buddy() is not None:
                label.buddy().setAccessibleName(words[name])
        notes = {
            "system": tr("What the model is told before the documents. Applies from the next answer on."),
            "temperature": tr("0 always takes the most likely word; more gives more variety."),
            "max_tokens": tr("An answer is cut off at this length."),
            "top_p": tr("Only the most likely words that add up to this share are drawn from."),
            "seed": tr("The same seed draws the same answer again."),
        }
        for name, note in self._notes.items():
            note.setText(notes[name])
        self._nothing.setText(tr("The settings of the open chat are shown here."))
        self._fold.setText(tr("Advanced"))
        self._markdown.setText(tr("Export as Markdown…"))
        self._json.setText(tr("Export as JSON…"))

    def _sampling_boxes(self) -> dict[str, QSpinBox | QDoubleSpinBox]:
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "top_p": self.top_p,
            "seed": self.seed,
        }

    def _on_edited(self) -> None:
        if self._chat is not None:
            self._timer.start()

    def _on_fold_toggled(self, open_: bool) -> None:
        self._folded.setVisible(open_)
        self._fold.setIcon(theme.icon("chevron-down" if open_ else "chevron-right", "accent"))

    def _on_markdown_clicked(self) -> None:
        self._export_to_chosen_file("markdown")

    def _on_json_clicked(self) -> None:
        self._export_to_chosen_file("json")


def _headings() -> dict[str, str]:
    """The headings in an exported chat, in the window's language."""
    return {
        "Chat": tr("Chat"),
        "Question": tr("Question"),
        "Answer": tr("Answer"),
        "Passages read": tr("Passages read"),
        "{title}, page {n}": tr("{title}, page {n}"),
        "{title}, section {n}": tr("{title}, section {n}"),
        "stopped": tr("stopped"),
        "failed": tr("failed"),
        "writing": tr("unfinished"),
    }

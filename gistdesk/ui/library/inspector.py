"""The Library's inspector: what is known about the chosen documents, and what can be done with them.

Knows entries and emits what the user asks for; does nothing itself.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from gistdesk.core.methods import METHOD_TITLES
from gistdesk.language.figures import bytes_text, count_text, duration_text, ratio_text
from gistdesk.language.i18n import tr
from gistdesk.library import Entry, GistRow
from gistdesk.ui.library.model import added_text
from gistdesk.ui.library.recall_card import RecallCard
from gistdesk.ui.library.states import WORKING, explanation, fraction, look, state_words
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.model_title import model_title

_ACTIONS = (
    "chat",
    "read",
    "rename",
    "collect",
    "next",
    "recompress",
    "retry",
    "retry_small",
    "keep",
    "cancel",
    "reveal",
    "export",
    "restore",
    "trash",
)
_ICONS = {
    "chat": "chat",
    "read": "reader",
    "rename": "edit",
    "collect": "folder",
    "next": "chevron-up",
    "recompress": "compress",
    "retry": "retry",
    "retry_small": "memory",
    "keep": "undo",
    "cancel": "stop",
    "reveal": "reveal",
    "export": "export",
    "restore": "undo",
    "trash": "trash",
}
_SAME = 1.05


def possible(entries: Sequence[Entry]) -> set[str]:
    """What can be done with these entries, taken together."""
    if not entries:
        return set()
    if any(entry.trashed for entry in entries):
        return {"restore"}
    found = {"trash", "collect"}
    working = [entry.state in WORKING for entry in entries]
    if all(entry.can_answer for entry in entries):
        found.add("chat")
    if any(working):
        found.add("cancel")
    if all(entry.state in ("failed", "cancelled") for entry in entries):
        found.add("retry")
        if all(entry.problem is not None and entry.problem.kind == "out_of_memory" for entry in entries):
            found |= {"retry_small", "recompress"}
        elif all(entry.gist is not None and entry.text_sha256 for entry in entries):
            found.add("recompress")
    elif not any(working) and all(entry.text_sha256 for entry in entries):
        found.add("recompress")
    if len(entries) == 1:
        entry = entries[0]
        if entry.text_sha256 is not None:
            found.add("read")
        found.add("rename")
        if entry.state == "queued":
            found.add("next")
        if entry.gist is not None:
            found.add("export")
            found |= {"keep"} if entry.state in ("failed", "cancelled") else set()
        found.add("reveal")
    return found


class LibraryInspector(QFrame):
    """Attributes: recall.

    Signals: asked (one of the names in `_ACTIONS`), password_given (entry id, password),
    fingerprint_copied (text)."""

    asked = Signal(str)
    password_given = Signal(int, str)
    fingerprint_copied = Signal(str)

    def __init__(self, recall: RecallCard, parent: QWidget | None = None) -> None:
        """`recall`: the card with a gist's measurements, shown with its figures."""
        super().__init__(parent)
        self.setProperty("surface", "page")
        self.recall = recall
        self._entries: list[Entry] = []
        self._title = Label(self)
        self._title.setWordWrap(True)
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._title, "heading")
        self._source = ElidedLabel(parent=self)
        theme.set_role(self._source, "muted")
        self._state_icon, self._state = Label(self), Label(self)
        self._state.setWordWrap(True)
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._why = Label(self)
        self._why.setWordWrap(True)
        self._why.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._why, "muted")
        self._password = QLineEdit(self)
        self._password.setEchoMode(QLineEdit.EchoMode.Password)
        self._password.returnPressed.connect(self._on_password)
        self._buttons = {name: QPushButton(self) for name in _ACTIONS}
        self._facts = QGridLayout()
        self._shown_facts: list[tuple[str, str]] = []
        self._size_note = Label(self)
        self._size_note.setWordWrap(True)
        theme.set_role(self._size_note, "muted")
        self._fingerprint_copy = QPushButton(self)
        self._fingerprint_copy.setIcon(theme.icon("copy"))
        theme.set_kind(self._fingerprint_copy, "quiet")
        self._fingerprint_copy.clicked.connect(self._on_copy_fingerprint)
        self._nothing = Label(self)
        self._nothing.setWordWrap(True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        theme.set_role(self._nothing, "muted")
        self._arrange()
        self._retranslate()

    def _arrange(self) -> None:
        state = QHBoxLayout()
        state.setSpacing(theme.GRID)
        state.addWidget(self._state_icon, 0, Qt.AlignmentFlag.AlignTop)
        state.addWidget(self._state, 1)
        self._facts.setHorizontalSpacing(2 * theme.GRID)
        self._facts.setVerticalSpacing(theme.GRID)
        self._facts.setColumnStretch(1, 1)
        self._body = QWidget(self)
        column = QVBoxLayout(self._body)
        column.setContentsMargins(*(2 * theme.GRID,) * 4)
        column.setSpacing(theme.GRID)
        for widget in (self._title, self._source):
            column.addWidget(widget)
        column.addLayout(state)
        column.addWidget(self._bar)
        column.addWidget(self._why)
        column.addWidget(self._password)
        column.addSpacing(theme.GRID)
        for name, button in self._buttons.items():
            button.setIcon(theme.icon(_ICONS[name], "on_accent" if name == "chat" else None))
            theme.set_kind(button, {"chat": "primary", "trash": "danger"}.get(name, ""))
            button.clicked.connect(lambda _=False, name=name: self.asked.emit(name))
            column.addWidget(button)
        column.addSpacing(2 * theme.GRID)
        column.addWidget(self.recall)
        column.addSpacing(theme.GRID)
        column.addLayout(self._facts)
        column.addWidget(self._size_note)
        column.addWidget(self._fingerprint_copy, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch()
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self._body)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self._nothing.setContentsMargins(*(2 * theme.GRID,) * 4)
        outer.addWidget(self._nothing, 1)
        self._area = area
        self.setMinimumWidth(32 * theme.GRID)

    def show_entries(self, entries: Sequence[Entry], seconds_left: float | None = None) -> None:
        """Show the chosen entries: none, one or several."""
        self._entries = list(entries)
        self._area.setVisible(bool(entries))
        self._nothing.setVisible(not entries)
        if not entries:
            return
        if len(entries) == 1:
            self._show_one(entries[0], seconds_left)
        else:
            self._show_several()
        allowed = possible(entries)
        for name, button in self._buttons.items():
            button.setVisible(name in allowed)

    def button(self, name: str) -> QPushButton:
        """The button of an action."""
        return self._buttons[name]

    def actions_for(self, entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
        """Name, text and icon of what can be done with these entries."""
        allowed = possible(entries)
        return [(name, self._buttons[name].text(), _ICONS[name]) for name in _ACTIONS if name in allowed]

    def _show_one(self, entry: Entry, seconds_left: float | None) -> None:
        self._title.setText(entry.title or entry.source_path.name)
        self._source.setText(str(entry.source_path))
        icon, colour = look(entry)
        self._state_icon.setPixmap(theme.icon(icon, colour).pixmap(theme.SMALL_ICON, theme.SMALL_ICON))
        failed = entry.state == "failed"
        self._state.setText(tr("Failed") if failed else state_words(entry, seconds_left))
        why = explanation(entry)
        self._why.setText(why)
        self._why.setVisible(bool(why))
        share = fraction(entry)
        self._bar.setVisible(share is not None)
        self._bar.setValue(round(1000 * (share or 0)))
        self._bar.setAccessibleName(tr("Progress"))
        for widget in (self._source, self._state, self._state_icon):
            widget.show()
        locked = failed and entry.problem is not None and entry.problem.kind == "password"
        self._password.setVisible(locked)
        self.recall.show_entry(entry)
        self._show_facts(_facts(entry))
        self._size_note.setText(_size_words(entry))
        self._size_note.setVisible(bool(self._size_note.text()))
        self._fingerprint_copy.setVisible(entry.gist is not None)

    def _show_several(self) -> None:
        self.recall.show_entry(None)
        entries = self._entries
        self._title.setText(tr("Documents chosen: {n}", n=len(entries)))
        for widget in (self._source, self._state, self._state_icon, self._bar, self._why, self._password):
            widget.hide()
        self._fingerprint_copy.hide()
        self._size_note.hide()
        gists = [entry.gist for entry in entries if entry.gist is not None]
        self._show_facts(
            [
                (tr("Ready"), count_text(sum(entry.state == "ready" for entry in entries))),
                (tr("Tokens"), count_text(sum(entry.n_tokens or 0 for entry in entries))),
                (tr("Gist tokens"), count_text(sum(gist.n_slots for gist in gists))),
                (tr("Size"), bytes_text(sum(gist.file_bytes for gist in gists))),
            ]
        )

    def _show_facts(self, facts: list[tuple[str, str]]) -> None:
        """Create labels only for new facts, since progress arrives several times a second."""
        if facts == self._shown_facts:
            return
        self._shown_facts = facts
        while (item := self._facts.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
                widget.hide()
        for row, (name, value) in enumerate(facts):
            label, figure = Label(name, self._body), ElidedLabel(value, self._body)
            theme.set_role(label, "muted")
            figure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            figure.setAccessibleName(f"{name}: {value}")
            self._facts.addWidget(label, row, 0)
            self._facts.addWidget(figure, row, 1)
            label.show()
            figure.show()

    def _on_password(self) -> None:
        if self._entries and self._password.text():
            self.password_given.emit(self._entries[0].id, self._password.text())
            self._password.clear()

    def _on_copy_fingerprint(self) -> None:
        if self._entries and self._entries[0].gist is not None:
            self.fingerprint_copied.emit(" ".join(self._entries[0].gist.identity))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
        elif event.type() == QEvent.Type.PaletteChange and hasattr(self, "_area"):
            self.show_entries(self._entries)

    def _retranslate(self) -> None:
        texts = {
            "chat": tr("Chat"),
            "read": tr("Read the kept text"),
            "rename": tr("Rename"),
            "collect": tr("Collections…"),
            "next": tr("Compress next"),
            "recompress": tr("Recompress…"),
            "retry": tr("Retry"),
            "retry_small": tr("Retry with less memory"),
            "keep": tr("Keep the gist as it is"),
            "cancel": tr("Cancel compression"),
            "reveal": tr("Show in folder"),
            "export": tr("Export .gistkv…"),
            "restore": tr("Restore"),
            "trash": tr("Move to trash"),
        }
        for name, text in texts.items():
            self._buttons[name].setText(text)
        self._password.setPlaceholderText(tr("Password, then Enter"))
        self._password.setAccessibleName(tr("Password"))
        self._fingerprint_copy.setText(tr("Copy fingerprint"))
        self._nothing.setText(tr("Choose a document to see its figures and what can be done with it."))
        self.setAccessibleName(tr("Inspector"))
        self.show_entries(self._entries)


def _facts(entry: Entry) -> list[tuple[str, str]]:
    facts = []
    if entry.n_tokens:
        facts.append((tr("Tokens"), count_text(entry.n_tokens)))
    gist = entry.gist
    if gist is not None:
        facts += [
            (tr("Gist tokens"), count_text(gist.n_slots)),
            (tr("Ratio"), f"{ratio_text(gist.n_tokens / max(1, gist.n_slots))}"),
            (tr("Method"), tr(METHOD_TITLES.get(gist.method, gist.method))),
            *_agreement(gist),
            (tr("Gist file"), bytes_text(gist.file_bytes)),
            (tr("In memory"), bytes_text(gist.kv_bytes)),
        ]
    else:
        facts.append((tr("Ratio"), ratio_text(entry.ratio)))
    if entry.n_pages and entry.page_label is not None:
        name = tr("Pages") if entry.page_label == "page" else tr("Sections")
        facts.append((name, count_text(entry.n_pages)))
    if entry.n_chars:
        facts.append((tr("Characters"), count_text(entry.n_chars)))
    facts.append((tr("Source size"), bytes_text(entry.source_bytes)))
    facts.append((tr("Model"), model_title(gist.model_id if gist else entry.model)))
    if gist is not None and gist.seconds:
        facts.append((tr("Time taken"), _took_words(gist)))
        facts.append((tr("Speed"), tr("{n} tokens/s", n=count_text(gist.tokens_per_second))))
    facts.append((tr("Added"), added_text(entry.added)))
    if gist is not None:
        facts.append((tr("Model fingerprint"), gist.model_fingerprint))
        facts.append((tr("Adapter fingerprint"), gist.adapter_fingerprint))
        facts.append((tr("Tokenizer fingerprint"), gist.tokenizer_fingerprint))
    return facts


def _agreement(gist: GistRow) -> list[tuple[str, str]]:
    """What training achieved, beside the figure before it."""
    if gist.agreement is None:
        return []
    after, before = (f"{100 * (share or 0.0):.0f}" for share in (gist.agreement, gist.agreement_before))
    return [
        (tr("Recites"), tr("{after}% of its text; {before}% before training", after=after, before=before)),
    ]


def _size_words(entry: Entry) -> str:
    """Why a gist is larger than its document; "" if it is not."""
    gist = entry.gist
    if gist is None or gist.file_bytes <= entry.source_bytes or not gist.n_slots:
        return ""
    return tr(
        "Larger than the document: each gist token keeps keys and values of every layer of the model, {size}. A higher "
        "ratio keeps fewer; Settings, Storage has 8 bits for about half the file.",
        size=bytes_text(gist.file_bytes // gist.n_slots),
    )


def _took_words(gist: GistRow) -> str:
    """The total time: the stored figure, like the speed, covers only the last run, and interrupted runs are resumed."""
    whole_s = gist.n_tokens / gist.tokens_per_second if gist.tokens_per_second else gist.seconds
    if whole_s <= gist.seconds * _SAME:
        return duration_text(gist.seconds)
    return tr("about {figure}", figure=duration_text(whole_s))

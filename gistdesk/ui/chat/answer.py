"""One answer: what it was written from, its phase, its text, why it failed, the passages it cites, its figures.

Two are shown side by side when an answer from the gist is compared with one from the full text. Knows nothing of the
desk; is given messages and pieces of text.
"""

from PySide6.QtCore import QEvent, QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.language.i18n import later, tr
from gistdesk.library import Message
from gistdesk.session.notices import Notice
from gistdesk.ui.chat.banner import ChatBanner
from gistdesk.ui.chat.evidence import EvidenceView
from gistdesk.ui.chat.look import Muted
from gistdesk.ui.chat.markdown import MarkdownView
from gistdesk.ui.chat.sources import CitationsView
from gistdesk.ui.chat.words import footer_words, origin_words, phase_percent, phase_words
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip
from gistdesk.ui.widgets.speech import announce
from gistdesk.ui.widgets.theme import GRID, SMALL


class AnswerView(QWidget):
    """An answer that may be growing.

    Attributes: evidence, the sentence it is about; citations, the passages that were read for it.

    Signals:
        retried: a failed answer should be tried again.
        pieces_added: there may be more to reach with Tab.
        remedied: "models" or "recompress": the user chose this remedy for the problem.
    """

    retried = Signal()
    remedied = Signal(str)
    pieces_added = Signal()

    def __init__(self, message: Message, width: int) -> None:
        """`width` is the likely width, in pixels."""
        super().__init__()
        self.message = message
        self._phase = "queued" if message.state == "writing" else ""
        self._grown: list[str] = []
        self._dirty = False
        self._origin = Label()
        theme.set_role(self._origin, "small")
        self._origin_sign = Label()
        self._stopped = Label()
        theme.set_role(self._stopped, "warning")
        self._phase_label = Muted()
        self._phase_label.setWordWrap(False)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(12 * GRID)
        self._text = MarkdownView(width)
        self._text.pieces_added.connect(self.pieces_added)
        self._banner: ChatBanner | None = None
        self.evidence = EvidenceView()
        self.evidence.changed.connect(self.pieces_added)
        self.citations = CitationsView()
        self._footer = Muted()
        theme.set_role(self._footer, "small")
        self._lay_out()
        self._show_message()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(10 * GRID, super().minimumSizeHint().height())

    def text(self) -> str:
        """The text so far."""
        return self.message.text if self.message.state != "writing" else "".join(self._grown)

    def set_message(self, message: Message) -> None:
        """Show the stored state of the same answer; a growing text is not replaced by an older one."""
        was_writing = self.message.state == "writing"
        self.message = message
        if message.state == "writing" and was_writing and len(message.text) <= len("".join(self._grown)):
            self.evidence.show_message(message)
            return
        self._show_message()
        if was_writing and message.state != "writing":
            self._phase = ""
            self._announce_end()

    def set_phase(self, phase: str) -> None:
        """Show what is being done; a screen reader hears each kind of phase once."""
        if self.message.state != "writing":
            return
        before, self._phase = self._phase, phase
        self._show_phase()
        if phase.rstrip("0123456789 ") != before.rstrip("0123456789 "):
            announce(self, phase_words(phase))

    def add(self, delta: str) -> None:
        """Append to the text; it is drawn at the next `flush`."""
        self._grown.append(delta)
        self._dirty = True

    def flush(self) -> bool:
        """Draw what was added, unless that would take too much time; returns whether something is left to draw."""
        if self._dirty and self.message.state == "writing":
            grown = "".join(self._grown)
            self._grown = [grown]
            self._dirty = not self._text.grow(grown)
        return self._dirty

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
        elif event.type() == QEvent.Type.PaletteChange:
            self._show_origin()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SMALL)
        head.addWidget(self._origin_sign)
        head.addWidget(self._origin)
        head.addSpacing(GRID)
        head.addWidget(self._stopped)
        head.addWidget(self._phase_label)
        head.addSpacing(SMALL)
        head.addWidget(self._bar)
        head.addStretch(1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GRID)
        rows.addLayout(head)
        rows.addWidget(self.evidence)
        rows.addWidget(self._text)
        rows.addWidget(self.citations)
        rows.addWidget(self._footer)
        rows.addStretch(1)
        self._rows = rows
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def _show_message(self) -> None:
        message = self.message
        self._grown, self._dirty = [message.text], False
        self._text.set_text(message.text)
        self._text.setVisible(bool(message.text) or message.state == "writing")
        self._retranslate()

    def _retranslate(self) -> None:
        message = self.message
        self._show_origin()
        cut = {"length": tr("Cut at the length limit"), "loop": tr("Ended, as it only repeated itself")}.get(
            str(message.figures.get("stopped"))
        )
        self._stopped.setText(cut or tr("Stopped"))
        self._stopped.setVisible(message.state == "stopped" or (message.state == "complete" and cut is not None))
        self._show_phase()
        self._show_problem()
        self.evidence.show_message(message)
        is_with_gist = message.figures.get("n_slots") != 0
        passages = message.passages if message.state != "writing" else None
        self.citations.show_passages(passages, message.text, is_with_gist=is_with_gist)
        footer = footer_words(message.figures) if message.state in ("complete", "stopped") else ""
        self._footer.setText(footer)
        self._footer.setVisible(bool(footer))

    def _show_origin(self) -> None:
        words = origin_words(self.message)
        self._origin.setText(words[0])
        self._origin.setToolTip(tip(words[1]))
        is_read = self.message.kind == "full" or not self.message.figures.get("n_slots", 1)
        icon = theme.icon("reader" if is_read else "compress", "muted")
        self._origin_sign.setVisible(bool(words[0]))
        self._origin_sign.setPixmap(icon.pixmap(theme.SMALL_ICON, theme.SMALL_ICON))

    def _show_phase(self) -> None:
        writing = self.message.state == "writing"
        percent = phase_percent(self._phase)
        self._phase_label.setText(phase_words(self._phase) if writing else "")
        self._phase_label.setVisible(writing)
        self._bar.setVisible(writing and percent is not None)
        self._bar.setAccessibleName(self._phase_label.text())
        self._bar.setValue(percent or 0)

    def _show_problem(self) -> None:
        if (self.message.state == "failed") == (self._banner is not None):
            return
        if self._banner is not None:
            self._banner.hide()
            self._banner.deleteLater()
            self._banner = None
            return
        problem = self.message.figures.get("problem") or {}
        notice = Notice(
            problem.get("message") or later("The answer was not finished."),
            problem.get("hint") or "",
            problem.get("details") or "",
        )
        self._banner = ChatBanner(notice, kind=problem.get("kind") or "")
        self._banner.retried.connect(self.retried)
        self._banner.remedied.connect(self.remedied)
        self._rows.insertWidget(self._rows.indexOf(self.citations), self._banner)

    def _announce_end(self) -> None:
        words = {"stopped": tr("Stopped"), "failed": tr("The answer failed")}
        announce(self, words.get(self.message.state, tr("The answer is complete")))

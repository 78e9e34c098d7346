"""The document's sentence that an answer is about, above the answer: found before it is written, judged afterwards.

An answer whose names, numbers or dates are nowhere in the text is flagged, and so is one to a question with words
that the text does not have. Knows messages; looks nothing up.
"""

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gistdesk.core.lexical import terms_of
from gistdesk.language.i18n import tr
from gistdesk.library import Grounded, Message, Passage
from gistdesk.ui.chat.sources import PassageCard
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.theme import SMALL


class EvidenceView(QWidget):
    """Attributes: cards, none or one; a click on it, Enter or the space bar opens the place.

    Signals: chosen (a passage), changed (the card was replaced).
    """

    chosen = Signal(object)
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards: list[PassageCard] = []
        self._shown: tuple[Passage | None, str] = (None, "")
        self._message: Message | None = None
        self._sign, self._words = Label(), Label()
        self._words.setWordWrap(True)
        head = QHBoxLayout()
        head.setSpacing(SMALL)
        head.addWidget(self._sign)
        head.addWidget(self._words, 1)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(SMALL)
        self._rows.addLayout(head)
        self.hide()

    def show_message(self, message: Message) -> None:
        """Show what is known about an answer so far."""
        self._message = message
        is_over = message.state in ("complete", "stopped")
        grounded = message.grounded if is_over else None
        passage = message.sentence
        if grounded is not None and grounded.found:
            passage = grounded.passage or passage
        self._show_card(passage, message.text if is_over else "")
        role, icon, words = _judged(grounded, passage is not None)
        theme.set_role(self._words, role)
        self._words.setText(words)
        colour = role if role in ("warning", "good") else "muted"
        self._sign.setPixmap(theme.icon(icon, colour).pixmap(theme.SMALL_ICON, theme.SMALL_ICON))
        self.setVisible(bool(words))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.LanguageChange, QEvent.Type.PaletteChange) and self._message is not None:
            self.show_message(self._message)

    def _show_card(self, passage: Passage | None, answer: str) -> None:
        if (passage, answer) == self._shown:
            return
        self._shown = (passage, answer)
        for card in self.cards:
            card.hide()
            card.deleteLater()
        self.cards = []
        if passage is not None:
            card = PassageCard(passage, terms_of(answer))
            card.kind = "tinted"
            card.chosen.connect(self.chosen)
            self.cards.append(card)
            self._rows.addWidget(card)
        self.changed.emit()


def _judged(grounded: Grounded | None, has_passage: bool) -> tuple[str, str, str]:
    """Role, icon and words of the line above the sentence; no words if there is nothing to say."""
    if grounded is None:
        return "muted", "reader", tr("Relevant sentence:") if has_passage else ""
    asked = ", ".join(grounded.unmatched)
    if grounded.found:
        if grounded.unmatched:
            return "warning", "warning", tr("Found in the document, which does not mention: {words}", words=asked)
        return "good", "ready", tr("Found in the document:")
    if grounded.missing:
        words = tr("Not found in the document: {words}", words=", ".join(grounded.missing))
    elif grounded.unmatched:
        words = tr("The document does not mention: {words}", words=asked)
    else:
        words = tr("Not found in the document: no sentence says this.")
    if has_passage:
        words = tr("{sentence} Relevant sentence:", sentence=words.rstrip(".") + ".")
    return "warning", "warning", words

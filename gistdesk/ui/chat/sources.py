"""Passages from the kept texts that open with a click: those read for an answer, and those from Verify in source.

Nothing is claimed about the passages that Verify in source shows: a full-text search found them. Knows passages, not
how they were found.
"""

import html
import re
from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.core.lexical import Term, terms_of
from gistdesk.language.i18n import tr
from gistdesk.library import Grounded, Passage
from gistdesk.ui.chat.look import Card, FlatButton, Muted
from gistdesk.ui.chat.words import place_words
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.theme import GRID, SMALL

_EXCERPT_CHARS = 320
_LINE_CHARS = 90
"""Characters of one line that are sure to be visible."""


def marked(text: str, terms: Sequence[Term], n_chars: int = _EXCERPT_CHARS) -> str:
    """An excerpt of `text` as HTML, with the search terms marked; starts near the first one."""
    pattern = _pattern(terms)
    start = _start(text, pattern, n_chars)
    excerpt = text[start : _end(text, start + n_chars)]
    shown, at = [], 0
    style = f"background-color: {theme.colours().selected}; font-weight: 600;"
    for found in pattern.finditer(excerpt):
        shown.append(html.escape(excerpt[at : found.start()]))
        shown.append(f'<span style="{style}">{html.escape(found[0])}</span>')
        at = found.end()
    shown.append(html.escape(excerpt[at:]))
    before, after = "… " if start else "", " …" if start + len(excerpt) < len(text) else ""
    return before + "".join(shown).replace("\n", " ") + after


def _start(text: str, pattern: re.Pattern[str], n_chars: int) -> int:
    """Where an excerpt begins: at a word, some way before the first search term."""
    first = pattern.search(text)
    if first is None or first.start() <= n_chars // 2:
        return 0
    space = re.compile(r"\s").search(text, first.start() - n_chars // 3, first.start())
    return space.end() if space else first.start()


def _end(text: str, at: int) -> int:
    """Where an excerpt that should end near `at` ends: before the last word that would be cut."""
    if at >= len(text) or text[at].isspace():
        return at
    space = max(text.rfind(" ", 0, at), text.rfind("\n", 0, at))
    return space if space > at // 2 else at


def _pattern(terms: Sequence[Term]) -> re.Pattern[str]:
    forms = sorted({form for term in terms for form in term.forms if len(form) > 1}, key=len, reverse=True)
    return re.compile("|".join(_form_pattern(form) for form in forms) or r"(?!)", re.IGNORECASE)


def _form_pattern(form: str) -> str:
    """Korean words match anywhere, numbers only whole, others at the start of a word, which is marked to its end."""
    pattern = re.escape(form)
    if not form.isascii():
        return pattern
    return rf"\b{pattern}(?![.,]?\w)" if form[-1].isdecimal() else rf"\b{pattern}\w*"


class PassageCard(Card):
    """One passage: where it is, and an excerpt; a click, Enter or the space bar opens it in the reader."""

    chosen = Signal(object)

    def __init__(self, passage: Passage, terms: Sequence[Term]) -> None:
        super().__init__("plain")
        self._passage, self._terms = passage, terms
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._place, self._excerpt = self._lay_out()
        self._place.setTextFormat(Qt.TextFormat.PlainText)
        font = self._place.font()
        font.setBold(True)
        self._place.setFont(font)
        self._retranslate()

    def _lay_out(self) -> tuple[QLabel, QLabel]:
        """Labels for the place and the excerpt."""
        place, excerpt = Label(), Label()
        excerpt.setTextFormat(Qt.TextFormat.RichText)
        excerpt.setWordWrap(True)
        self.rows.addWidget(place)
        self.rows.addWidget(excerpt)
        return place, excerpt

    def _excerpt_text(self) -> str:
        return marked(self._passage.text, self._terms)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.chosen.emit(self._passage)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self._passage)
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.LanguageChange, QEvent.Type.PaletteChange):
            self._retranslate()

    def _retranslate(self) -> None:
        place = place_words(self._passage)
        self._place.setText(place)
        self._excerpt.setText(self._excerpt_text())
        self.setAccessibleName(tr("Open {place}", place=place))
        self.setAccessibleDescription(self._passage.text[:_EXCERPT_CHARS])


class Citation(PassageCard):
    """A passage on one line. If there is little room the title is elided, and the page stays readable."""

    def _lay_out(self) -> tuple[QLabel, QLabel]:
        place, excerpt = ElidedLabel(), ElidedLabel(where=Qt.TextElideMode.ElideRight)
        place.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        excerpt.setTextFormat(Qt.TextFormat.PlainText)
        theme.set_role(excerpt, "muted")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(place)
        row.addWidget(excerpt, 1)
        self.rows.setContentsMargins(GRID, SMALL, GRID, SMALL)
        self.rows.addLayout(row)
        return place, excerpt

    def _excerpt_text(self) -> str:
        text = " ".join(self._passage.text.split())
        start = _start(text, _pattern(self._terms), _LINE_CHARS)
        return ("… " if start else "") + text[start:]


class CitationsView(QWidget):
    """The passages of the kept texts that were read for an answer.

    Attributes: cards, one for each passage.

    Signals: chosen, with a passage.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[Citation] = []
        self._passages: Sequence[Passage] | None = None
        self._is_with_gist = True
        self._title = Muted()
        theme.set_role(self._title, "small")
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(SMALL)
        self._rows.addWidget(self._title)

    def show_passages(self, passages: Sequence[Passage] | None, answer: str, *, is_with_gist: bool = True) -> None:
        """Show these, each from where it shares words with the answer; None: nothing was looked up.

        `is_with_gist`: the gist was in the context before them.
        """
        self.setVisible(passages is not None)
        if (passages, is_with_gist) == (self._passages, self._is_with_gist):
            return
        self._passages, self._is_with_gist = passages, is_with_gist
        for card in self.cards:
            card.hide()
            card.deleteLater()
        terms = terms_of(answer)
        self.cards = [Citation(passage, terms) for passage in passages or ()]
        for card in self.cards:
            card.chosen.connect(self.chosen)
            self._rows.addWidget(card)
        self._retranslate()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        n = len(self.cards)
        if not n and self._is_with_gist:
            self._title.setText(tr("No passage has words of the question: written from the gist alone."))
        elif not n:
            self._title.setText(tr("No passage has words of the question: nothing was read."))
        elif self._is_with_gist:
            self._title.setText(tr("Passages read after the gist: {n}", n=n))
        else:
            self._title.setText(tr("Passages read in place of the gist: {n}", n=n))


class SourcesView(QWidget):
    """The passages found for one answer.

    Attributes: cards, one for each.

    Signals:
        chosen: a passage was clicked.
        closed: the user has seen enough.
    """

    chosen = Signal(object)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = Label()
        theme.set_role(self._title, "heading")
        self._close = FlatButton("close")
        self._close.clicked.connect(self.closed)
        self._note = Muted()
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self._close)
        self.cards: list[PassageCard] = []
        self._grounded: Grounded | None = None
        self._column = QVBoxLayout()
        self._column.setSpacing(GRID)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(GRID, GRID, GRID, SMALL)
        rows.setSpacing(SMALL)
        rows.addLayout(head)
        rows.addWidget(self._note)
        rows.addSpacing(SMALL)
        rows.addLayout(self._column)
        self._retranslate()

    def show_passages(self, passages: Sequence[Passage], searched: str, grounded: Grounded | None = None) -> None:
        """Show what was found, with the words of `searched` marked.

        If `grounded` says that the answer is not in the texts, they are where the question's words occur.
        """
        self._grounded = grounded
        for card in self.cards:
            card.hide()
            card.deleteLater()
        terms = terms_of(searched)
        self.cards = [PassageCard(passage, terms) for passage in passages]
        for card in self.cards:
            card.chosen.connect(self.chosen)
            self._column.addWidget(card)
        self._retranslate()

    def focus_first(self) -> None:
        """Put the keyboard focus on the first passage, or on the close button."""
        (self.cards[0] if self.cards else self._close).setFocus(Qt.FocusReason.OtherFocusReason)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._close.set_words(tr("Close the places found"))
        is_lost = self._grounded is not None and not self._grounded.found
        theme.set_role(self._title, "warning" if is_lost else "heading")
        if is_lost:
            self._title.setText(tr("The answer is not in the text"))
            self._note.setText(_lost_words(self._grounded, len(self.cards)))
            return
        self._title.setText(tr("Places in the documents: {n}", n=len(self.cards)))
        self._note.setText(
            tr("Found by full-text search for the words of the question and the answer. Read them to check the answer.")
            if self.cards
            else tr("These words were not found anywhere in the documents. Be careful with this answer.")
        )


def _lost_words(grounded: Grounded | None, n_places: int) -> str:
    missing = ", ".join(grounded.missing) if grounded is not None else ""
    first = tr("Nowhere in it: {words}.", words=missing) if missing else tr("No sentence says what the answer says.")
    if not n_places:
        return first
    return f"{first} {tr('These places have words of the question, not the answer:')}"

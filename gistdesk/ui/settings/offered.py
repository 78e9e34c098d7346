"""Models not on the list yet: recommended ones to download, and what other programs keep on this computer.

Knows the desk; knows nothing of how a model is downloaded or found.
"""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gistdesk.language.figures import PRECISIONS, bytes_text, parameters_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.abilities import ability
from gistdesk.session.desk import Desk, ModelRow
from gistdesk.session.found_models import Found
from gistdesk.session.recommended import Recommended
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.fit_badge import FitBadge, numbers
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.model_title import model_title

_FITS = {
    "fits": later("Fits"),
    "in 4 bits": later("Fits in 4 bits"),
    "too large": later("Too large"),
    "unknown": later("Size not known yet"),
}


class OfferedModels(QWidget):
    """Attributes: cards, by the name of what they offer; look, the button that searches this computer again.

    Signals: download_asked (a hub id, or a GGUF file to prepare), add_asked (a model in the hub's cache).
    """

    download_asked = Signal(str)
    add_asked = Signal(str)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.cards: dict[str, _Card] = {}
        self._recommended, self._found = Label(self), Label(self)
        self._note = Label(self)
        self._note.setWordWrap(True)
        theme.set_role(self._note, "muted")
        for title in (self._recommended, self._found):
            theme.set_role(title, "heading")
        self.look = QPushButton(self)
        theme.set_kind(self.look, "link")
        self._lists = [QVBoxLayout(), QVBoxLayout()]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self._recommended)
        column.addLayout(self._lists[0])
        column.addSpacing(theme.GRID)
        head = QHBoxLayout()
        head.addWidget(self._found)
        head.addStretch()
        head.addWidget(self.look)
        column.addLayout(head)
        column.addLayout(self._lists[1])
        column.addWidget(self._note)
        for rows in self._lists:
            rows.setSpacing(theme.GRID)
        self.look.clicked.connect(desk.found_models.look)
        desk.found_models.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show the current offers."""
        known = {row.name for row in self._desk.models()}
        found = [each for each in self._desk.found_models.rows if each.name not in known]
        offers: list[tuple[int, str, tuple[str, Sequence[str], str, str]]] = []
        badges: dict[str, ModelRow] = {}
        for each, row in self._desk.recommended_models():
            offers.append((0, each.hub_id, (model_title(each.hub_id), _recommended_facts(each, row), "", "download")))
            badges[each.hub_id] = row
        offers += [(1, one.name, (one.title, _found_facts(one), tr(one.problem), "add")) for one in found]
        for name in self.cards.keys() - {name for _, name, _ in offers}:
            card = self.cards.pop(name)
            card.hide()
            card.deleteLater()
        for number, name, (title, facts, problem, kind) in offers:
            if name not in self.cards:
                self.cards[name] = _Card(name)
                self.cards[name].pressed.connect(self._on_pressed)
                self._lists[number].addWidget(self.cards[name])
            self.cards[name].show_offer(title, facts, problem, kind, badges.get(name))
        self._retranslate(bool(found))

    def _on_pressed(self, name: str) -> None:
        """A model in the hub's cache needs no download or preparation."""
        is_in_cache = not Path(name).is_absolute() and any(each.name == name for each in self._desk.found_models.rows)
        (self.add_asked if is_in_cache else self.download_asked).emit(name)

    def _retranslate(self, has_found: bool) -> None:
        is_looking = self._desk.found_models.is_looking
        self._recommended.setText(tr("Recommended"))
        self._recommended.setVisible(bool(self._desk.recommended_models()))
        self._found.setText(tr("Found on this computer"))
        self.look.setText(tr("Looking…") if is_looking else tr("Look again"))
        self.look.setEnabled(not is_looking)
        self._note.setText(
            tr("Nothing else: no GGUF file or model of LM Studio, Ollama, GPT4All or the Hugging Face cache.")
        )
        self._note.setVisible(not has_found and not is_looking)


class _Card(QFrame):
    """Something to download or add. Signals: pressed (its name)."""

    pressed = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setProperty("surface", "card")
        self._title, self._facts = ElidedLabel(), Label()
        theme.set_role(self._title, "heading")
        theme.set_role(self._facts, "muted")
        self._facts.setWordWrap(True)
        self._badge: FitBadge | None = None
        self.button = QPushButton()
        self._top = QHBoxLayout()
        self._top.setSpacing(2 * theme.GRID)
        self._top.addWidget(self._title, 1)
        self._top.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.SMALL)
        column.addLayout(self._top)
        column.addWidget(self._facts)
        self.button.clicked.connect(lambda: self.pressed.emit(name))

    def show_offer(self, title: str, facts: Sequence[str], problem: str, kind: str, row: ModelRow | None) -> None:
        self._title.setText(title)
        self._facts.setText(problem or "  ·  ".join(facts))
        self.button.setIcon(theme.icon("download" if kind == "download" else "check"))
        self.button.setText(tr("Download") if kind == "download" else tr("Add"))
        self.button.setEnabled(not problem)
        self.button.setAccessibleName(f"{self.button.text()}: {title}")
        if row is not None and self._badge is None:
            self._badge = FitBadge(row)
            self._top.insertWidget(1, self._badge)
        if row is not None and self._badge is not None:
            self._badge.show_row(row)


def _recommended_facts(each: Recommended, row: ModelRow) -> list[str]:
    facts = [
        parameters_text(each.n_parameters),
        tr("{size} to download", size=bytes_text(each.download_bytes)),
        tr("loaded as {precision}", precision=tr(PRECISIONS[row.precision])),
        numbers(row),
        tr("licence: {name}", name=each.licence),
    ]
    if each.must_accept:
        facts.append(tr("requires accepting its terms on huggingface.co first"))
    facts.append(tr("no adapter: it compresses by the text's own keys"))
    can = ability(each.hub_id, each.n_parameters)
    return [*facts, tr(can.can)] if can is not None else facts


def _found_facts(found: Found) -> list[str]:
    facts = [found.kept_by, found.kind, tr("{size} on disk", size=bytes_text(found.file_bytes)), tr(_FITS[found.fit])]
    if found.needed_bytes:
        facts.append(tr("Needs {needed}", needed=bytes_text(found.needed_bytes)))
    return facts

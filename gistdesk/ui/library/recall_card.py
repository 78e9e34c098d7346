"""What did this gist keep? Facts from the document asked back from its gist, and the share recalled, by depth.

Shows what the library stores and what is being measured, and starts or stops that; generates no facts.
"""

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.session.desk import Desk
from gistdesk.session.recall_checks import Check
from gistdesk.session.run import Row
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.ramp import ramp
from gistdesk.ui.widgets.speech import announce


class _Depths(QWidget):
    """The five fifths of the document, from beginning to end: how much of what was asked was kept."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parts: list[Row] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(20 * theme.GRID, 6 * theme.GRID)

    def show_parts(self, parts: list[Row]) -> None:
        self._parts = parts
        told = "; ".join(
            tr("{start}–{end}% of the text: {kept} of {n}", start=p["from"], end=p["to"], kept=p["kept"], n=p["n"])
            for p in parts
        )
        self.setAccessibleName(tr("Kept, by depth in the text"))
        self.setAccessibleDescription(told)
        self.setToolTip(told.replace("; ", "\n"))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter, width = QPainter(self), self.width() / max(1, len(self._parts))
        for number, part in enumerate(self._parts):
            cell = QRectF(number * width, 0, width - 2, 3.5 * theme.GRID)
            colour = ramp(part["kept"] / part["n"]) if part["n"] else QColor(theme.colours().memory_free)
            painter.fillRect(cell, colour)
            light = 0.2126 * colour.redF() + 0.7152 * colour.greenF() + 0.0722 * colour.blueF() > 0.45
            painter.setPen(QColor("#101218" if light else "#ffffff"))
            painter.drawText(
                cell, int(Qt.AlignmentFlag.AlignCenter), f"{part['kept']}/{part['n']}" if part["n"] else ""
            )
            painter.setPen(QColor(theme.colours().muted))
            below = QRectF(cell.left(), cell.bottom(), cell.width(), self.height() - cell.bottom())
            painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), f"{part['from']}%")


class RecallCard(QWidget):
    """Attributes: measure (the button)."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._entry: Entry | None = None
        self._title, self._figure, self._note = Label(self), Label(self), Label(self)
        self._depths = _Depths(self)
        self.measure = QPushButton(self)
        self.measure.setIcon(theme.icon("verify"))
        self.measure.clicked.connect(self._on_pressed)
        desk.recall_checks.changed.connect(self._on_changed)
        for label, role in ((self._title, "heading"), (self._figure, ""), (self._note, "muted")):
            label.setWordWrap(True)
            theme.set_role(label, role)
        row = QHBoxLayout()
        row.addWidget(self.measure)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        for widget in (self._title, self._figure, self._depths, self._note):
            column.addWidget(widget)
        column.addLayout(row)
        self._retranslate()

    def show_entry(self, entry: Entry | None) -> None:
        """Show the figures of an entry's gist; nothing if it has none, or if its document is not here."""
        self._entry = entry if entry is not None and entry.gist is not None and entry.text_sha256 is not None else None
        self.setVisible(self._entry is not None)
        self._show()

    def _show(self) -> None:
        entry = self._entry
        if entry is None or entry.gist is None:
            return
        found = self._desk.library.recalls.of(entry.gist.id)
        check = self._desk.recall_checks.check(entry.id)
        self._depths.setVisible(found is not None)
        self._figure.setVisible(found is not None)
        if found is not None:
            self._figure.setText(_figure_words(found))
            self._depths.show_parts(found["by_depth"])
        self._note.setText(self._note_of(entry, check, found))
        self._note.setVisible(bool(self._note.text()))
        self.measure.setText(tr("Cancel") if check else tr("Measure again") if found else tr("Measure"))

    def _note_of(self, entry: Entry, check: Check | None, found: Row | None) -> str:
        if check is not None and check.total:
            return tr("Asked {done} of {total} facts", done=check.done, total=check.total)
        if check is not None:
            return tr("Measured as soon as the engine is free")
        problem = self._desk.recall_checks.problem(entry.id)
        if problem:
            return tr(problem)
        if found is None:
            return tr("Numbers, dates, names and codes of the document are asked back from its gist.")
        if entry.gist is not None and entry.gist.verdict in ("partly", "unreliable"):
            return tr("Keep Look up passages on for this document, or recompress it at a lower ratio.")
        return ""

    def _on_pressed(self) -> None:
        if self._entry is None:
            return
        checks = self._desk.recall_checks
        if checks.check(self._entry.id) is not None:
            checks.stop(self._entry.id)
        else:
            checks.start(self._entry.id)

    def _on_changed(self, entry_id: int) -> None:
        if self._entry is not None and entry_id == self._entry.id:
            self._show()
            if self._desk.recall_checks.check(entry_id) is None:
                announce(self, self._figure.text() or self._note.text())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._title.setText(tr("What did this gist keep?"))
        self.setAccessibleName(tr("What did this gist keep?"))
        self._show()


def _figure_words(found: Row) -> str:
    return tr(
        "{share} of {n} facts kept (95% interval {low}–{high}%); guessed without the document: {guessed}",
        share=f"{100 * found['recall']:.0f}%",
        n=found["n"],
        low=f"{100 * found['low']:.0f}",
        high=f"{100 * found['high']:.0f}",
        guessed=found["guessed"],
    )

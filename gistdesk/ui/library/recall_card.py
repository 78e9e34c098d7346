"""What did this gist keep? Facts of the document asked back from its gist, and the share that came back, by depth.

Measured by `gistdesk recall` in a process of its own, while the engine lends it the device; the library keeps it with
the gist. Knows its figures; draws no facts.
"""

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.core.errors import UserError
from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.session.child import Child, End
from gistdesk.session.desk import Desk
from gistdesk.session.run import Row
from gistdesk.ui.lab.grid import ramp
from gistdesk.ui.lab.words import bug_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.speech import announce

_N_FACTS = 40
_WAIT_MS = 1000


class _Depths(QWidget):
    """Five fifths of the document, from its beginning to its end: what was kept of what was asked."""

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
        self._measuring: Entry | None = None
        self._process: Child | None = None
        self._progress: Row = {}
        self._problem: dict[int, str] = {}
        self._title, self._figure, self._note = Label(self), Label(self), Label(self)
        self._depths = _Depths(self)
        self.measure = QPushButton(self)
        self.measure.setIcon(theme.icon("verify"))
        self.measure.clicked.connect(self._on_pressed)
        self._soon = QTimer(self)
        self._soon.setInterval(_WAIT_MS)
        self._soon.timeout.connect(self._begin)
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
        """The figures of an entry's gist; nothing for one that has none, or whose document is not here."""
        self._entry = entry if entry is not None and entry.gist is not None and entry.text_sha256 is not None else None
        self.setVisible(self._entry is not None)
        self._show()

    def close_process(self) -> None:
        """Give up what is being measured."""
        self._soon.stop()
        if self._process is not None:
            process, self._process = self._process, None
            process.stop()
            self._desk.lend_device("")
        self._measuring = None

    def _show(self) -> None:
        entry = self._entry
        if entry is None or entry.gist is None:
            return
        found = self._desk.library.recall(entry.gist.id)
        mine = self._measuring is not None and self._measuring.id == entry.id
        self._depths.setVisible(found is not None)
        self._figure.setVisible(found is not None)
        if found is not None:
            self._figure.setText(
                tr(
                    "{share} of {n} facts kept (95% interval {low}–{high}%); guessed without the document: {guessed}",
                    share=f"{100 * found['recall']:.0f}%",
                    n=found["n"],
                    low=f"{100 * found['low']:.0f}",
                    high=f"{100 * found['high']:.0f}",
                    guessed=found["guessed"],
                )
            )
            self._depths.show_parts(found["by_depth"])
        self._note.setText(self._note_of(mine, found))
        self._note.setVisible(bool(self._note.text()))
        self.measure.setText(tr("Cancel") if mine else tr("Measure again") if found else tr("Measure"))
        self.measure.setEnabled(mine or self._measuring is None)

    def _note_of(self, mine: bool, found: Row | None) -> str:
        if mine and self._process is None:
            return tr("Waiting for the device")
        if mine and self._progress:
            return tr("Asked {done} of {total} facts", done=self._progress["done"], total=self._progress["total"])
        if mine:
            return tr("Loading the model")
        problem = self._problem.get(self._entry.id if self._entry else 0, "")
        if problem:
            return tr(problem)
        return "" if found else tr("Numbers, dates, names and codes of the document are asked back from its gist.")

    def _on_pressed(self) -> None:
        if self._measuring is not None:
            self.close_process()
        elif self._entry is not None:
            self._measuring, self._progress = self._entry, {}
            self._problem.pop(self._entry.id, None)
            self._soon.start()
            self._begin()
        self._show()

    def _begin(self) -> None:
        """As soon as the engine lends the device."""
        entry = self._measuring
        if entry is None or entry.gist is None:
            return
        if not self._desk.lend_device(tr("What did this gist keep?")):
            return
        self._soon.stop()
        text = self._desk.library.texts_folder / f"{entry.text_sha256}.txt"  # the document itself may be gone
        words = ["recall", str(entry.gist.path), str(text), "--kept-text", "--facts", str(_N_FACTS), "--events"]
        words += ["--model", entry.model, "--device", self._desk.settings.device]
        words += ["--precision", self._desk.settings.precision]
        self._process = Child(self, "gistdesk", *words, threads=self._desk.settings.threads)
        self._process.said.connect(self._on_said)
        self._process.ended.connect(self._on_ended)
        self._process.start()
        self._show()

    def _on_said(self, row: Row) -> None:
        if "by_depth" in row:
            self._keep(row)
        else:
            self._progress = row
        self._show()

    def _keep(self, row: Row) -> None:
        entry = self._measuring
        if entry is None or entry.gist is None:
            return
        try:
            self._desk.library.set_recall(entry.gist.id, row)
            self._desk.entries_changed.emit()  # other entries may share the gist
        except UserError as error:
            self._problem[entry.id] = error.message

    def _on_ended(self, end: End) -> None:
        entry, self._process, self._measuring = self._measuring, None, None
        if end.code and entry is not None:
            last = end.said or tr("The check gave no result.")
            self._problem[entry.id] = bug_text(last) if end.is_bug else last
        self._desk.lend_device("")
        self._show()
        announce(self, self._figure.text() or self._note.text())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._title.setText(tr("What did this gist keep?"))
        self.setAccessibleName(tr("What did this gist keep?"))
        self._show()

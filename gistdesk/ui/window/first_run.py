"""The welcome page: what this computer has, which model is recommended for it, and the way to a first answer.

Knows the desk's models and memory.
"""

import os
import platform

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.catalogs import languages
from gistdesk.language.figures import bytes_text
from gistdesk.language.i18n import language, language_name, tr
from gistdesk.session.abilities import ability
from gistdesk.session.desk import Desk, ModelRow
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.fit_badge import FitBadge, numbers
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.model_title import model_title


def recommended(rows: list[ModelRow]) -> ModelRow | None:
    """The largest model that can compress and fits; the starter if no other does."""
    fitting = [row for row in rows if row.fit == "fits" and row.has_adapter and row.download is None]
    starter = next((row for row in rows if row.name == "starter"), None)
    return max(fitting, key=lambda row: row.n_parameters or 0, default=starter)


class FirstRun(QFrame):
    """Signals: started (begin with the sample), skipped (begin with an empty library)."""

    started = Signal()
    skipped = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._desk = desk
        self._picture = Label(self)
        self._title, self._text = Label(self), Label(self)
        theme.set_role(self._title, "title")
        theme.set_role(self._text, "muted")
        self._text.setWordWrap(True)
        self._names = [Label(self) for _ in range(5)]
        self._values = [Label(self) for _ in range(5)]
        self._badge: FitBadge | None = None
        self._badge_row = QHBoxLayout()
        self._numbers = Label(self)
        self.start, self.skip = QPushButton(self), QPushButton(self)
        theme.set_kind(self.start, "primary")
        theme.set_kind(self.skip, "quiet")
        self.start.setDefault(True)
        self.language = QComboBox(self)
        for name in languages():
            self.language.addItem(language_name(name), name)
        self._private = Label(self)
        self._private.setWordWrap(True)
        theme.set_role(self._private, "muted")
        self._arrange()
        self.start.clicked.connect(self.started)
        self.skip.clicked.connect(self.skipped)
        self.language.activated.connect(self._on_language)
        desk.models_changed.connect(self.refresh)
        desk.memory_changed.connect(self._show_hardware)
        self._retranslate()

    def _arrange(self) -> None:
        card = QFrame(self)
        card.setProperty("surface", "card")
        grid = QGridLayout(card)
        grid.setContentsMargins(*(2 * theme.GRID,) * 4)
        grid.setHorizontalSpacing(3 * theme.GRID)
        grid.setVerticalSpacing(theme.GRID)
        grid.setColumnStretch(1, 1)
        for row, (name, value) in enumerate(zip(self._names, self._values, strict=True)):
            theme.set_role(name, "muted")
            value.setWordWrap(True)
            grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
        self._numbers.setWordWrap(True)
        theme.set_role(self._numbers, "muted")
        self._badge_row.addStretch()
        grid.addLayout(self._badge_row, len(self._names), 1)
        grid.addWidget(self._numbers, len(self._names) + 1, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        buttons.addWidget(self.start)
        buttons.addWidget(self.skip)
        buttons.addStretch()
        inner = QWidget(self)
        inner.setMaximumWidth(72 * theme.GRID)
        column = QVBoxLayout(inner)
        column.setContentsMargins(*(3 * theme.GRID,) * 4)
        column.setSpacing(2 * theme.GRID)
        top = QHBoxLayout()
        top.addWidget(self._picture)
        top.addStretch()
        top.addWidget(self.language, 0, Qt.AlignmentFlag.AlignTop)
        column.addStretch(1)
        column.addLayout(top)
        for widget in (self._title, self._text, card):
            column.addWidget(widget)
        column.addLayout(buttons)
        column.addWidget(self._private)
        column.addStretch(2)
        middle = QWidget(self)
        line = QHBoxLayout(middle)
        line.setContentsMargins(0, 0, 0, 0)
        line.addStretch(1)
        line.addWidget(inner, 8)
        line.addStretch(1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(middle)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self._picture.setPixmap(theme.application_icon().pixmap(9 * theme.GRID, 9 * theme.GRID))

    def refresh(self) -> None:
        """Show what is currently known about models and hardware."""
        self._show_hardware()
        row = recommended(self._desk.models())
        if row is None:
            self._values[3].setText(tr("Looking…"))
            return
        size = tr("{size} on disk", size=bytes_text(row.file_bytes)) if row.file_bytes else ""
        title = model_title(row.name) if row.name == "starter" else row.title
        self._values[3].setText("  ·  ".join(part for part in (title, size) if part))
        of = ability(row.name, row.n_parameters)
        self._values[4].setText(f"{tr(of.can)} {tr(of.cannot)}" if of is not None else "–")
        if self._badge is None:
            self._badge = FitBadge(row, self)
            self._badge_row.insertWidget(0, self._badge)
        self._badge.show_row(row)
        self._numbers.setText(numbers(row))

    def _show_hardware(self) -> None:
        memory = self._desk.memory
        cores = os.cpu_count() or 1
        self._values[0].setText(tr("{name}, cores: {n}", name=platform.processor() or platform.machine(), n=cores))
        graphics = memory.source == "VRAM"
        self._values[1].setText(tr("Found; it will be used") if graphics else tr("None usable; running on the CPU"))
        self._values[2].setText(
            tr("{free} free of {total}", free=bytes_text(memory.free), total=bytes_text(memory.total))
        )

    def _on_language(self) -> None:
        self._desk.change_settings(language=self.language.currentData())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.language.setCurrentIndex(self.language.findData(language()))
        self.language.setAccessibleName(tr("Language"))
        self._title.setText(tr("Ask questions of long documents"))
        self._text.setText(
            tr(
                "gistdesk compresses a document into a few gist tokens, and answers from them and from passages of its "
                "text, on this computer."
            )
        )
        names = (tr("Processor"), tr("Graphics card"), tr("Memory"), tr("Recommended model"), tr("What it can do"))
        for label, text in zip(self._names, names, strict=True):
            label.setText(text)
        self.start.setText(tr("Start with the bundled model"))
        self.skip.setText(tr("Start with an empty library"))
        self._private.setText(tr("Works with the network off. No document leaves this computer."))
        self.refresh()

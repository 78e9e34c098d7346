"""The samples of one cell: the text before the question, the question, the expected answer and the given one."""

import html
from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QTextBrowser, QToolButton, QVBoxLayout, QWidget

from gistdesk.benchmark_names import length_class
from gistdesk.language.i18n import tr
from gistdesk.session.run import Row, points
from gistdesk.ui.lab.grid import Cell, Series, place_text
from gistdesk.ui.lab.words import interval_text, language_name, method_name, share_text, task_name
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label


class SamplePanel(QFrame):
    """Signals: closed."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._shown: tuple[Cell, Series] | None = None
        self._title, self._figures = Label(self), Label(self)
        theme.set_role(self._title, "heading")
        theme.set_role(self._figures, "muted")
        self._title.setWordWrap(True)
        self._figures.setWordWrap(True)
        self._close = QToolButton(self)
        self._close.setIcon(theme.icon("close"))
        self._close.clicked.connect(self.closed)
        self.text = QTextBrowser(self)
        self.text.setOpenLinks(False)
        self.text.setFrameShape(QFrame.Shape.NoFrame)
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.SMALL)
        column.addLayout(head)
        column.addWidget(self._figures)
        column.addWidget(self.text, 1)
        self.setMinimumWidth(32 * theme.GRID)
        self._retranslate()

    def show_cell(self, cell: Cell, series: Series) -> None:
        """Show the samples in a grid's cell."""
        self._shown = cell, series
        first = cell.trials[0]
        where = f"{language_name(series.language)}, {task_name(series.task)}"
        self._title.setText(f"{method_name(series.method, series.ratio)}  ·  {where}")
        depth = first.get("depth_percent")
        n_tokens = first["context_tokens"]
        place = place_text(length_class(n_tokens) if depth is None else n_tokens, depth)
        share = share_text(cell.points, cell.n)
        interval = interval_text(cell.points, cell.n)
        figures = tr("{share}, n = {n}, 95% interval {interval}", share=share, n=cell.n, interval=interval)
        self._figures.setText(f"{place}\n{figures}")
        self.text.setHtml(_page(cell.trials))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
        elif event.type() == QEvent.Type.PaletteChange and self._shown is not None:
            self.show_cell(*self._shown)

    def _retranslate(self) -> None:
        self.setAccessibleName(tr("Samples"))
        self.text.setAccessibleName(tr("Samples"))
        self._close.setAccessibleName(tr("Close the samples"))
        self._close.setToolTip(tr("Close the samples"))
        if self._shown is not None:
            self.show_cell(*self._shown)


def _page(trials: Sequence[Row]) -> str:
    return "<hr>".join(_sample(number, trial) for number, trial in enumerate(trials, 1))


def _sample(number: int, trial: Row) -> str:
    colours = theme.colours()
    right = points(trial) > 1 - 1e-6
    mark, colour = ("✓ " + tr("Right"), colours.good) if right else ("✗ " + tr("Wrong"), colours.bad)
    if trial.get("score") is not None and 0 < points(trial) < 1:
        mark, colour = tr("Score {n}", n=f"{points(trial):.2f}"), colours.warning
    parts = [f'<p><b>{number}.</b> <span style="color:{colour}"><b>{mark}</b></span></p>']
    for name, value in (
        (tr("Expected"), trial.get("expected", "")),
        (tr("Given"), trial.get("given", "")),
        (tr("Question"), trial.get("prompt_tail", "")),
        (tr("Before the question"), trial.get("prompt", "")),
    ):
        text = html.escape(str(value)).replace("\n", "<br>") or "–"
        parts.append(f'<p><span style="color:{colours.muted}">{name}</span><br>{text}</p>')
    figures = tr("TTFT {seconds} s", seconds=f"{trial.get('ttft_s', 0):.2f}")
    return "".join([*parts, f'<p style="color:{colours.muted}">{figures}</p>'])

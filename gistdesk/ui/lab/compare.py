"""Two to four runs side by side: their curves in one plot, and a table of their differences."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.figures import duration_text
from gistdesk.language.i18n import tr
from gistdesk.session.run import Run, points
from gistdesk.ui.lab.plot import Line, Plot, smoothed
from gistdesk.ui.lab.train import loss_points
from gistdesk.ui.lab.words import interval_text, kind_text, method_name, share_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip
from gistdesk.ui.widgets.model_title import model_title

FEWEST, MOST = 2, 4


def letter(number: int) -> str:
    """A run's name in the plot: A, B, C, D."""
    return "ABCD"[number]


def by_length(run: Run, method: str = "gist") -> list[tuple[float, float]]:
    """(tokens, accuracy from 0 to 1) for one of a benchmark's methods, or for its first if it lacks that one."""
    methods = [trial["method"] for trial in run.trials]
    chosen = method if method in methods else next(iter(methods), "")
    groups: dict[int, list[float]] = {}
    for trial in run.trials:
        if trial["method"] == chosen and trial.get("depth_percent") is not None:
            groups.setdefault(trial["context_tokens"], []).append(points(trial))
    return [(float(length), sum(own) / len(own)) for length, own in sorted(groups.items())]


def differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """What was measured for each run, then the configuration fields that differ: (name, one text per run)."""
    rows = [
        (tr("Kind"), [kind_text(run) for run in runs]),
        (tr("Model"), [model_title(run.model) for run in runs]),
        (tr("Accuracy"), [_accuracy(run) for run in runs]),
        (tr("Time taken"), [duration_text(run.seconds) if run.seconds else "–" for run in runs]),
        (tr("Steps"), [f"{run.step:,} / {run.steps:,}" for run in runs]),
    ]
    methods = dict.fromkeys(trial["method"] for run in runs for trial in run.trials if not run.is_training)
    rows += [(method_name(method), [_share(run, method) for run in runs]) for method in methods]
    names = dict.fromkeys(name for run in runs for name in run.config)
    for name in names:
        values = [run.config.get(name) for run in runs]
        if any(value != values[0] for value in values):
            rows.append((name, [_short(value) for value in values]))
    return rows


def _accuracy(run: Run) -> str:
    score = run.score
    return "–" if score is None else f"{100 * score:.0f}%"


def _share(run: Run, method: str) -> str:
    own = [points(trial) for trial in run.trials if trial["method"] == method]
    if not own:
        return "–"
    return f"{share_text(sum(own), len(own))}  ({interval_text(sum(own), len(own))}, n {len(own)})"


def _short(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class Comparison(QFrame):
    """Curves at the left, differences at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._runs: list[Run] = []
        self.plot, self.table, self._title = Plot(self), QTableWidget(self), Label(self)
        theme.set_role(self._title, "heading")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(4 * theme.GRID)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setSpacing(theme.SMALL)
        column.addWidget(self._title)
        column.addWidget(self.table, 1)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setChildrenCollapsible(False)
        split.addWidget(self.plot)
        split.addWidget(right)
        column.setContentsMargins(2 * theme.GRID, 0, 0, 0)
        split.setSizes([1000, 1000])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(*(2 * theme.GRID,) * 4)
        outer.addWidget(split)

    def show_runs(self, runs: Sequence[Run]) -> None:
        """Compare these runs; differences are from the first."""
        self._runs = list(runs)
        self._title.setText(tr("Differences"))
        self.table.setAccessibleName(tr("Differences"))
        self._show_plot()
        rows = differences(runs) if runs else []
        heads = [f"{letter(n)}  {run.start.title}" for n, run in enumerate(runs)]
        self.table.clear()
        self.table.setColumnCount(len(runs) + 1)
        self.table.setRowCount(len(rows))
        self.table.setHorizontalHeaderLabels(["", *heads])
        for column, head in enumerate(heads, start=1):
            self.table.horizontalHeaderItem(column).setToolTip(tip(head))
        for row, (name, values) in enumerate(rows):
            for column, text in enumerate((name, *values)):
                item = QTableWidgetItem(text)
                item.setToolTip(tip(text))
                if column > 1 and text != values[0]:
                    font = self.table.font()
                    font.setBold(True)
                    item.setFont(font)
                self.table.setItem(row, column, item)

    def _show_plot(self) -> None:
        runs = self._runs
        names = [f"{letter(n)} {run.start.title}" if len(runs) < 3 else letter(n) for n, run in enumerate(runs)]
        empty = tr("Curves are overlaid for runs of one kind.")
        if runs and all(run.is_training for run in runs):
            lines = [
                Line(name, smoothed(loss_points(run.events)), n)
                for n, (name, run) in enumerate(zip(names, runs, strict=True))
            ]
            self.plot.show_lines(tr("Loss (nats), smoothed"), lines, empty=empty, y_range=(0, None))
            return
        lines = []
        if not any(run.is_training for run in runs):
            lines = [
                Line(name, by_length(run), n, dots=True) for n, (name, run) in enumerate(zip(names, runs, strict=True))
            ]
        title = tr("Accuracy from the gist, by length in tokens")
        self.plot.show_lines(title, lines, empty=empty, y_text=lambda y: f"{100 * y:.0f}%", y_range=(0, 1))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange and hasattr(self, "_title"):
            self.show_runs(self._runs)

"""The Benchmark tab: what to measure at the left; the grids as they fill, figures per method, a cell's samples.

Knows the runs; measures nothing.
"""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.figures import bytes_text, count_text, ratio_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.run import BENCHMARK, Row, Run, points
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.bench_form import BenchForm
from gistdesk.ui.lab.commands import BenchChoice
from gistdesk.ui.lab.grid import Cell, GridBoard, Series
from gistdesk.ui.lab.header import RunHeader
from gistdesk.ui.lab.samples import SamplePanel
from gistdesk.ui.lab.split import RESULTS, LabSplit
from gistdesk.ui.lab.words import interval_text, method_name, share_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import EmptyState

Index = QModelIndex | QPersistentModelIndex
_COLUMNS = (
    later("Method"),
    later("Accuracy"),
    later("95% interval"),
    later("n"),
    later("Ratio"),
    later("TTFT"),
    later("Peak memory"),
    later("Kept per document"),
)


def method_rows(trials: list[Row], *, several_ratios: bool) -> list[tuple[str, ...]]:
    """Figures per method over all of a run's samples, as texts in the order of `_COLUMNS`."""
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for trial in trials:
        groups.setdefault((trial["method"], trial.get("ratio_asked") if several_ratios else None), []).append(trial)
    rows = []
    for (method, asked), own in groups.items():
        n, right = len(own), sum(map(points, own))
        ratios = [trial["ratio"] for trial in own if trial.get("ratio")]
        times = sorted(trial["ttft_s"] for trial in own)
        rows.append(
            (
                method_name(method, asked),
                share_text(right, n),
                interval_text(right, n),
                count_text(n),
                ratio_text(sum(ratios) / len(ratios)) if ratios else "–",
                tr("{n} s", n=f"{times[len(times) // 2]:.2f}"),
                bytes_text(max(trial["peak_memory_bytes"] for trial in own)),
                bytes_text(sum(trial["kept_bytes"] for trial in own) / n),
            )
        )
    return rows


class MethodModel(QAbstractTableModel):
    """The figures per method."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, ...]] = []

    def show_rows(self, rows: list[tuple[str, ...]]) -> None:
        if len(rows) != len(self._rows):
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()
        elif rows:
            self._rows = rows
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(_COLUMNS) - 1))

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return tr(_COLUMNS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignVCenter | _side(section))
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignVCenter | _side(index.column()))
        return None


def _side(column: int) -> Qt.AlignmentFlag:
    return Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft


class BenchmarkTab(QWidget):
    """Attributes: form, header, board, samples, table; report (a button).

    Signals: export_asked (a Run).
    """

    export_asked = Signal(object)

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = runs
        self._shown_config: Row | None = None
        self._shown_run = ""
        self.form = BenchForm(desk, runs, self)
        self.header = RunHeader(runs, BENCHMARK, self)
        self.board, self.samples = GridBoard(self), SamplePanel(self)
        self.table, self._methods = QTableView(self), MethodModel(self)
        self.report, self._export = QPushButton(self), QPushButton(self)
        self.report.setIcon(theme.icon("reader"))
        self._export.setIcon(theme.icon("export"))
        for button in (self.report, self._export):
            self.header.add_button(button)
        self._opened_from: QWidget | None = None
        self._empty = EmptyState(
            "grid",
            later("No benchmark yet"),
            later(
                "Facts are hidden in long texts and asked back, from the gist and from its rivals, on the same samples."
            ),
            ((later("Run the two-minute CPU check"), self.run_check),),
            self,
        )
        self._arrange()
        self.form.started.connect(self._on_started)
        self.header.chosen.connect(self.show_run)
        self.board.opened.connect(self._on_opened)
        self.samples.closed.connect(self.close_samples)
        self.report.clicked.connect(self._on_report)
        self._export.clicked.connect(self._on_export)
        runs.changed.connect(self._on_changed)
        runs.listed.connect(self._on_listed)
        self._retranslate()
        self._on_listed()

    def _arrange(self) -> None:
        self.table.setModel(self._methods)
        self.table.setShowGrid(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(4 * theme.GRID)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.addWidget(self.board)
        split.addWidget(self.table)
        self.table.setMinimumHeight(10 * theme.GRID)
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 1)
        split.setSizes([60 * theme.GRID, 28 * theme.GRID])
        results = QFrame(self)
        results.setProperty("surface", "page")
        column = QVBoxLayout(results)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(split, 1)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(results)
        self._split = LabSplit((self.form, self._pages, self.samples), self)
        self.header.actions.insertWidget(0, self._split.to_form)
        self.form.foot.addWidget(self._split.to_results)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._split)

    @property
    def run(self) -> Run | None:
        """The run being shown."""
        return self.header.run

    def run_check(self) -> None:
        """Measure what the starter can do, in two minutes on a CPU."""
        self.form.choose_quick()
        choice = self.form.choice()
        if choice is not None:
            self._on_started(choice)

    def show_run(self, name: str) -> None:
        """Follow a run, or show a finished one."""
        run = self._runs.run(name)
        if run is None:
            return
        self.header.show_run(run)
        self._pages.setCurrentIndex(1)
        self._split.show_front(RESULTS)
        self._refresh()

    def _refresh(self) -> None:
        run = self.run
        if run is None:
            return
        config = run.config or _config_of(run)
        if run.name != self._shown_run or config != self._shown_config:
            self._shown_run, self._shown_config = run.name, config
            self.board.start_over(config)
            self.close_samples()
        self.board.show_trials(run.trials)
        ratio = config.get("ratio")
        self._methods.show_rows(method_rows(run.trials, several_ratios=isinstance(ratio, list) and len(ratio) > 1))
        self.report.setEnabled(_report_of(run).is_file())
        self._export.setEnabled(bool(run.trials))
        self.header.refresh()

    def _on_started(self, choice: BenchChoice) -> None:
        run = self._runs.begin(BENCHMARK, self.form.title(), choice.words())
        if run is not None:
            self.show_run(run.name)
            self.header.box.setFocus()

    def _on_changed(self, name: str) -> None:
        if self.run is not None and (self.run.name == name or self.run.state == "queued"):
            self._refresh()

    def _on_listed(self) -> None:
        self._pages.setCurrentIndex(1 if self.run else 0)
        self._split.to_results.setEnabled(self.run is not None)
        self._refresh()

    def _on_opened(self, cell: Cell, series: Series) -> None:
        self._opened_from = self.board.focusWidget()
        for grid in self.board.grids:
            grid.is_open = grid is self._opened_from
            grid.viewport().update()
        self.samples.show_cell(cell, series)
        self._split.open_side(True)
        self.samples.text.setFocus()

    def close_samples(self) -> None:
        """Go back to the cell."""
        holder = self.window().focusWidget()
        had_focus = holder is not None and self.samples.isAncestorOf(holder)
        if not self.samples.isHidden():
            self._split.open_side(False)
        for grid in self.board.grids:
            grid.is_open = False
            grid.viewport().update()
        if had_focus and self._opened_from is not None and self._opened_from in self.board.grids:
            self._opened_from.setFocus()

    def _on_report(self) -> None:
        if self.run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(_report_of(self.run))))

    def _on_export(self) -> None:
        if self.run is not None:
            self.export_asked.emit(self.run)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.report.setText(tr("Report"))
        self.report.setToolTip(tr("Open report.html of this run: figures, pictures and samples on one page."))
        self._export.setText(tr("Export…"))
        self._split.retranslate()
        self.table.setAccessibleName(tr("Figures per method"))
        self._methods.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(_COLUMNS) - 1)
        self.header.retranslate()
        self._refresh()


def _report_of(run: Run) -> Path:
    return run.folder / "report.html"


def _config_of(run: Run) -> Row:
    """What a run will measure, taken from its command until it has written its configuration."""
    options = dict(zip(run.start.words[1::2], run.start.words[2::2], strict=False))

    def numbers(name: str) -> list[Any]:
        return [float(part) if "." in part else int(part) for part in options.get(name, "").split(",") if part]

    return {
        "lengths": numbers("--lengths"),
        "depths": numbers("--depths"),
        "languages": options.get("--languages", "").split(","),
        "methods": options.get("--methods", "").split(","),
        "kinds": [kind for kind in options.get("--kinds", "").split(",") if kind],
        "ratio": numbers("--ratio") or [100.0],
        "samples": int(options.get("--samples", 1)),
    }

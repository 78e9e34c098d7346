"""The Train tab: what to train at the left; a run's loss, accuracy with its controls, memory and log at the right.

Knows the runs' events; trains nothing.
"""

import time
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gistdesk.complaints import said_in
from gistdesk.language.figures import bytes_text, count_text, duration_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.run import TRAIN, Row, Run
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.header import RunHeader
from gistdesk.ui.lab.plot import Line, Plot, smoothed
from gistdesk.ui.lab.split import RESULTS, LabSplit
from gistdesk.ui.lab.train_form import TrainForm
from gistdesk.ui.lab.words import METHODS, interval_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import EmptyState, Label

CONTROLS = ("gist", "full", "wrong-gist", "none")
_LOG_LINES = 300


def loss_points(events: list[Row]) -> list[tuple[float, float]]:
    """(step, mean loss over the parts in nats) of every report."""
    found = []
    for row in events:
        if row.get("event") == "progress":
            parts = [value for name, value in row.items() if name.endswith(" loss")]
            if parts:
                found.append((float(row["step"]), sum(parts) / len(parts)))
    return found


def accuracy_points(events: list[Row], method: str) -> list[tuple[float, float]]:
    """(step, held-out accuracy from 0 to 1) of every evaluation, by needles or, without them, by held-out records."""
    needles = [row for row in events if row.get("event") == "needles"]
    if needles:
        return [(float(row["step"]), row[f"{method} accuracy"]) for row in needles if f"{method} accuracy" in row]
    checks = [row for row in events if row.get("event") == "check" and row.get("n")]
    return [(float(row["step"]), row.get(f"{method} right", 0) / row["n"]) for row in checks]


class TrainTab(QWidget):
    """Attributes: form, header.

    Signals: export_asked, use_asked (a Run).
    """

    export_asked = Signal(object)
    use_asked = Signal(object)

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = runs
        self.form = TrainForm(desk, runs, self)
        self.header = RunHeader(runs, TRAIN, self)
        self.use, self._export = QPushButton(self), QPushButton(self)
        self.use.setIcon(theme.icon("check"))
        self._export.setIcon(theme.icon("export"))
        for button in (self.use, self._export):
            self.header.add_button(button)
        self._figures = [(Label(self), Label(self)) for _ in range(5)]
        self._warning = Label(self)
        self.loss, self.accuracy, self.memory = Plot(self), Plot(self), Plot(self)
        self._log_title, self.log = Label(self), QPlainTextEdit(self)
        self._logged = ("", 0, "")
        self._empty = EmptyState(
            "train",
            later("No training yet"),
            later("Train a gist adapter for one of your models. A run continues when the window is closed."),
            ((later("Run the check of training"), self.run_check),),
            self,
        )
        self._arrange()
        self.form.started.connect(self._on_started)
        self.header.chosen.connect(self.show_run)
        self.use.clicked.connect(lambda: self.use_asked.emit(self.run))
        self._export.clicked.connect(lambda: self.export_asked.emit(self.run))
        runs.changed.connect(self._on_changed)
        runs.listed.connect(self._on_listed)
        self._retranslate()
        self._on_listed()

    def _arrange(self) -> None:
        figures = QHBoxLayout()
        figures.setContentsMargins(2 * theme.GRID, 0, 2 * theme.GRID, theme.GRID)
        figures.setSpacing(3 * theme.GRID)
        for name, value in self._figures:
            theme.set_role(name, "muted")
            theme.set_role(value, "heading")
            pair = QVBoxLayout()
            pair.setSpacing(0)
            pair.addWidget(name)
            pair.addWidget(value)
            figures.addLayout(pair)
        figures.addStretch()
        self._warning.setWordWrap(True)
        self._warning.setContentsMargins(2 * theme.GRID, 0, 2 * theme.GRID, theme.GRID)
        self._warning.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._warning, "warning")
        theme.set_role(self._log_title, "heading")
        self.log.setReadOnly(True)
        self.log.setTabChangesFocus(True)
        self.log.setMaximumBlockCount(_LOG_LINES)
        self.log.setFont(theme.mono_font(self.log))
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.log.setMinimumHeight(14 * theme.GRID)
        log = QVBoxLayout()
        log.setSpacing(theme.SMALL)
        log.addWidget(self._log_title)
        log.addWidget(self.log, 1)
        plots = QWidget(self)
        grid = QGridLayout(plots)
        grid.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        grid.setSpacing(3 * theme.GRID)
        grid.addWidget(self.loss, 0, 0)
        grid.addWidget(self.accuracy, 0, 1)
        grid.addWidget(self.memory, 1, 0)
        grid.addLayout(log, 1, 1)
        for number in range(2):
            grid.setColumnStretch(number, 1)
            grid.setRowStretch(number, 1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(plots)
        results = QFrame(self)
        results.setProperty("surface", "page")
        column = QVBoxLayout(results)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addLayout(figures)
        column.addWidget(self._warning)
        column.addWidget(area, 1)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(results)
        self._split = LabSplit((self.form, self._pages), self)
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
        """Start the smallest training run, on the starter."""
        self.form.choose_check()
        words = self.form.words()
        if words is not None:
            self._on_started(words, self.form.title())

    def show_run(self, name: str) -> None:
        """Follow a run, or show a finished one."""
        run = self._runs.run(name)
        if run is not None:
            self.header.show_run(run)
            self._pages.setCurrentIndex(1)
            self._split.show_front(RESULTS)
            self._refresh()

    def _on_started(self, words: list[str], title: str) -> None:
        run = self._runs.begin(TRAIN, title, words)
        if run is not None:
            self.show_run(run.name)
            self.header.box.setFocus()

    def _on_changed(self, name: str) -> None:
        if self.run is not None and (self.run.name == name or self.run.state == "queued"):
            self._refresh()
        run = self._runs.run(name)
        if run is not None and not run.is_live:
            self.form.preflight.check_again()

    def _on_listed(self) -> None:
        self._pages.setCurrentIndex(1 if self.run else 0)
        self._split.to_results.setEnabled(self.run is not None)
        self._refresh()

    def _refresh(self) -> None:
        run = self.run
        if run is None:
            return
        self.header.refresh()
        self.use.setVisible(run.adapter is not None)
        self._show_figures(run)
        self._show_plots(run)
        self._show_log(run)
        warnings = dict.fromkeys(row["message"] for row in run.events if row.get("event") == "warning")
        self._warning.setText("\n".join(f"⚠ {tr(message)}" for message in warnings))
        self._warning.setVisible(bool(warnings))

    def _show_figures(self, run: Run) -> None:
        progress = run.last("progress")
        accuracy = run.last("needles")
        best = run.score
        share = "–" if best is None else f"{100 * best:.0f}%"
        if best is not None and accuracy.get("n"):
            share += f"  ({interval_text(best * accuracy['n'], accuracy['n'])}, n {accuracy['n']})"
        values = (
            (tr("Step"), f"{count_text(run.step)} / {count_text(run.steps)}"),
            (tr("Tokens/s"), count_text(progress["tokens_per_s"]) if progress else "–"),
            (tr("Time left"), duration_text(run.left_s) if run.left_s is not None else "–"),
            (tr("Memory"), bytes_text(progress["allocated_bytes"]) if progress else "–"),
            (tr("Best held-out accuracy"), share),
        )
        for (name, value), (title, text) in zip(self._figures, values, strict=True):
            name.setText(title)
            value.setText(text)
            value.setAccessibleName(f"{title}: {text}")

    def _show_plots(self, run: Run) -> None:
        raw = loss_points(run.events)
        empty = tr("Appears with the first report.")
        self.loss.show_lines(
            tr("Loss (nats)"),
            [Line(tr("raw"), raw, 0, faint=True), Line(tr("smoothed"), smoothed(raw), 0)],
            empty=empty,
            y_range=(0, None),
        )
        lines = [
            Line(tr(METHODS[method]), accuracy_points(run.events, method), number, dots=True)
            for number, method in enumerate(CONTROLS)
        ]
        self.accuracy.show_lines(
            tr("Held-out accuracy"), lines, empty=empty, y_text=lambda y: f"{100 * y:.0f}%", y_range=(0, 1)
        )
        rows = [row for row in run.events if row.get("event") == "progress"]
        names = (("allocated_bytes", tr("allocated")), ("reserved_bytes", tr("reserved")))
        is_large = any(row.get("reserved_bytes", 0) >= 2**30 for row in rows)
        unit, unit_name = (2**30, "GB") if is_large else (2**20, "MB")
        memory = [
            Line(name, [(float(row["step"]), row[key] / unit) for row in rows if key in row], number)
            for number, (key, name) in enumerate(names)
        ]
        if len(memory) == 2 and memory[0].points == memory[1].points:  # on a CPU there is only one figure
            memory = [Line(tr("in use"), memory[0].points, 0)]
        self.memory.show_lines(
            tr("Memory by step"), memory, empty=empty, y_text=lambda y: f"{y:.3g} {unit_name}", y_range=(0, None)
        )

    def _show_log(self, run: Run) -> None:
        name, n_lines, state = self._logged
        if name != run.name or n_lines > len(run.events):
            self.log.clear()
            n_lines = 0
        for row in run.events[max(n_lines, len(run.events) - _LOG_LINES) :]:
            self.log.appendPlainText(log_line(row))
        self._logged = run.name, len(run.events), run.state
        if run.state == "failed" and (name, state) != (run.name, "failed"):
            for line in run.log_tail(20):
                self.log.appendPlainText(tr(said_in(line)))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.use.setText(tr("Use this adapter"))
        self._split.retranslate()
        self._export.setText(tr("Export…"))
        self._log_title.setText(tr("Log"))
        self.log.setAccessibleName(tr("Log"))
        self.header.retranslate()
        self._refresh()


def log_line(row: Row) -> str:
    """An event as one line: time of day, step, name, its figures."""
    clock = time.strftime("%H:%M:%S", time.localtime(row.get("time", 0)))
    left_out = ("event", "time", "rows", "step", "path", "seconds")
    figures = " ".join(f"{name}={_short(value)}" for name, value in row.items() if name not in left_out)
    return f"{clock}  {row.get('step', ''):>6}  {row.get('event', '')}  {figures}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""The header of a tab that follows one run: which run, what it is doing, its progress, and what can be done with it."""

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.figures import moment_text
from gistdesk.language.i18n import tr
from gistdesk.session.run import Run
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.words import STATE_ICONS, resume_text, state_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.speech import announce

_SPOKEN = ("running", "paused", "stopped", "finished", "failed")


class RunHeader(QFrame):
    """Attributes: box (which run), pause, stop, resume (buttons), actions (their row).

    Signals: chosen (a run's name).
    """

    chosen = Signal(str)

    def __init__(self, runs: Runs, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs, self._kind = runs, kind
        self.run: Run | None = None
        self._spoken = ("", "")
        self.box = QComboBox(self)
        self.box.setMinimumContentsLength(18)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.activated.connect(self._on_activated)
        self._icon, self._words = Label(self), ElidedLabel(parent=self)
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self.pause, self.stop, self.resume = QPushButton(self), QPushButton(self), QPushButton(self)
        for button, icon in ((self.pause, "pause"), (self.stop, "stop"), (self.resume, "play")):
            button.setIcon(theme.icon(icon))
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self._on_stop)
        self.resume.clicked.connect(self._on_resume)
        self._why = Label(self)
        self._why.setWordWrap(True)
        theme.set_role(self._why, "muted")
        self._arrange()
        runs.listed.connect(self.refresh_list)
        self.refresh_list()

    def _arrange(self) -> None:
        self.actions = QHBoxLayout()
        self.actions.setSpacing(theme.GRID)
        for button in (self.resume, self.pause, self.stop):
            self.actions.addWidget(button)
        self.actions.addStretch()
        self._top = QHBoxLayout()
        self._top.setSpacing(theme.GRID)
        self._top.addWidget(self.box, 1)
        self._top.addLayout(self.actions)
        state = QHBoxLayout()
        state.setSpacing(theme.GRID)
        state.addWidget(self._icon)
        state.addWidget(self._words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID)
        column.addLayout(self._top)
        column.addLayout(state)
        column.addWidget(self._bar)
        column.addWidget(self._why)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # a button was shown or hidden
            self._fit()
        return super().event(event)

    def _fit(self) -> None:
        """Move the buttons to a row of their own if they do not fit beside the box."""
        wide, narrow = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        chosen = self.box.fontMetrics().horizontalAdvance(self.box.currentText()) + 5 * theme.GRID  # and its arrow
        needed = self.actions.sizeHint().width() + chosen + 5 * theme.GRID
        self._top.setDirection(wide if needed <= self.width() else narrow)

    def add_button(self, button: QPushButton) -> None:
        """Add one more thing that can be done with the run."""
        self.actions.insertWidget(self.actions.count() - 1, button)

    def refresh_list(self) -> None:
        """Update which runs can be chosen; the current one stays."""
        names = [run.name for run in self._runs.of(self._kind)]
        chosen = self.run.name if self.run and self.run.name in names else names[0] if names else ""
        self.box.clear()
        for run in self._runs.of(self._kind):
            self.box.addItem(f"{run.start.title}  ·  {moment_text(run.start.created)}", run.name)
        self.box.setCurrentIndex(self.box.findData(chosen))
        self.show_run(self._runs.run(chosen) if chosen else None)

    def show_run(self, run: Run | None) -> None:
        """Follow a run."""
        self.run = run
        if run is not None and self.box.currentData() != run.name:
            self.box.setCurrentIndex(self.box.findData(run.name))
        self.refresh()

    def refresh(self) -> None:
        """Show what the run is doing now."""
        run = self.run
        self.setVisible(run is not None)
        if run is None:
            return
        icon, colour = STATE_ICONS[run.state]
        self._icon.setPixmap(theme.icon(icon, colour).pixmap(theme.SMALL_ICON, theme.SMALL_ICON))
        told = state_text(run)
        self._words.setText(told)
        theme.set_role(self._words, {"failed": "bad"}.get(run.state, ""))
        self._bar.setRange(0, 0 if run.state in ("starting", "stopping") else 1000)
        self._bar.setValue(round(1000 * run.step / run.steps) if run.steps else 0)
        self._bar.setVisible(run.state not in ("finished", "queued"))
        self._bar.setAccessibleName(told)
        self.pause.setVisible(run.state in ("starting", "running") and (run.is_training or run.state == "running"))
        self.pause.setEnabled(run.state == "running")
        self.stop.setVisible((run.is_live and (run.is_training or run.state == "starting")) or run.state == "queued")
        self.stop.setText(
            tr("Stop at once") if run.is_ending else tr("Cancel") if run.state == "queued" else tr("Stop")
        )
        self.resume.setVisible(run.can_resume or run.state == "paused")
        self.resume.setText(resume_text(run))
        self._why.setVisible(run.state == "queued")
        live = self._runs.live()
        self._why.setText(
            tr(
                "Only one run can use the device at a time. It starts when this one has finished: {title}",
                title=live.start.title,
            )
            if live
            else tr("Only one process can use the device at a time. It starts when the engine has finished its work.")
        )
        self._fit()
        if run.state in _SPOKEN and (run.name, run.state) != self._spoken:
            self._spoken = (run.name, run.state)
            announce(self, f"{run.start.title}: {told}", urgent=run.state == "failed")

    def _on_activated(self) -> None:
        self.chosen.emit(self.box.currentData())

    def _on_pause(self) -> None:
        if self.run is not None:
            self._runs.pause(self.run)

    def _on_stop(self) -> None:
        if self.run is not None:
            self._runs.stop(self.run)

    def _on_resume(self) -> None:
        if self.run is not None:
            self._runs.resume(self.run)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.box.setAccessibleName(tr("Run"))
        self.pause.setText(tr("Pause"))
        self.pause.setToolTip(tr("Progress so far is kept; it resumes from there."))
        self.refresh()

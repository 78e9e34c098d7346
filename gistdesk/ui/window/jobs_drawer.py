"""The jobs drawer: all long-running work, each with its progress and Cancel. `jobs` knows what there is."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gistdesk.core.errors import UserError
from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.session.runs import Runs
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.window.jobs import Job, all_jobs, entry_job

_MOST_ROWS = 50


class _JobRow(QWidget):
    def __init__(self, job: Job, parent: QWidget) -> None:
        super().__init__(parent)
        self._job = job
        self._title, self._words = ElidedLabel(parent=self), Label(self)
        theme.set_role(self._words, "muted")
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(24 * theme.GRID)
        self._cancel = QToolButton(self)
        self._cancel.setIcon(theme.icon("close"))
        self._cancel.clicked.connect(self._on_cancelled)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * theme.GRID, 0, theme.GRID, 0)
        row.setSpacing(2 * theme.GRID)
        row.addWidget(self._title, 1)
        row.addWidget(self._words)
        row.addWidget(self._bar)
        row.addWidget(self._cancel)
        self.show_job(job)

    def show_job(self, job: Job) -> None:
        self._job = job
        self._title.setText(job.title)
        self._words.setText(job.words)
        self._bar.setRange(0, 0 if job.is_open else 1000)
        self._bar.setValue(round(1000 * (job.share or 0)))
        self._bar.setAccessibleName(f"{job.title}: {job.words}")
        name = tr("Cancel: {title}", title=job.title)
        self._cancel.setToolTip(name)
        self._cancel.setAccessibleName(name)

    def _on_cancelled(self) -> None:
        self._job.cancel()


class JobsDrawer(QFrame):
    """Signals: closed."""

    closed = Signal()

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "bar")
        self._desk, self._runs = desk, runs
        self._rows: dict[str, _JobRow] = {}
        self._title, self._nothing, self._more = Label(self), Label(self), Label(self)
        theme.set_role(self._title, "heading")
        theme.set_role(self._nothing, "muted")
        theme.set_role(self._more, "muted")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._close = QToolButton(self)
        self._close.setIcon(theme.icon("chevron-down"))
        self._close.clicked.connect(self.closed)
        self._list = QWidget(self)
        self._column = QVBoxLayout(self._list)
        self._column.setContentsMargins(0, 0, 0, theme.GRID)
        self._column.setSpacing(theme.SMALL)
        self._column.addWidget(self._nothing)
        self._more.setContentsMargins(2 * theme.GRID, 0, 0, 0)
        self._column.addWidget(self._more)
        self._column.addStretch()
        self._arrange()
        desk.documents.changed.connect(self.refresh)
        desk.models_changed.connect(self.refresh)
        desk.file_jobs.changed.connect(self.refresh)
        desk.documents.one_changed.connect(self._on_entry_changed)
        desk.recall_checks.changed.connect(self._on_changed)
        runs.listed.connect(self.refresh)
        runs.changed.connect(self._on_changed)
        self._retranslate()

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, 0)
        head.addWidget(self._title, 1)
        head.addWidget(self._close)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self._list)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SMALL)
        column.addLayout(head)
        column.addWidget(area, 1)
        self.setFixedHeight(23 * theme.GRID)

    def refresh(self) -> None:
        """Show the current jobs; does nothing while the drawer is closed."""
        if self.isHidden():
            return
        jobs = all_jobs(self._desk, self._runs)
        for key in self._rows.keys() - {job.key for job in jobs[:_MOST_ROWS]}:
            row = self._rows.pop(key)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        for number, job in enumerate(jobs[:_MOST_ROWS]):
            if job.key in self._rows:
                self._rows[job.key].show_job(job)
            else:
                self._rows[job.key] = _JobRow(job, self._list)
            if self._column.indexOf(row := self._rows[job.key]) != number:
                self._column.removeWidget(row)
                self._column.insertWidget(number, row)
        self._nothing.setVisible(not jobs)
        self._more.setVisible(len(jobs) > _MOST_ROWS)
        self._more.setText(tr("And more: {n}", n=len(jobs) - _MOST_ROWS))

    def _on_changed(self, _: object) -> None:
        self.refresh()

    def _on_entry_changed(self, entry_id: int) -> None:
        """Progress changes a row; a job that starts or ends changes the list."""
        row = self._rows.get(f"entry {entry_id}")
        try:
            entry = self._desk.library.entries.get(entry_id)
        except UserError:  # deleted in another window
            self.refresh()
            return
        if row is not None and entry.state in ("extracting", "compressing"):
            row.show_job(entry_job(self._desk, entry))
        else:
            self.refresh()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._title.setText(tr("Jobs"))
        self.setAccessibleName(tr("Jobs"))
        self._nothing.setText(tr("Nothing is running."))
        self._close.setToolTip(tr("Close the jobs"))
        self._close.setAccessibleName(tr("Close the jobs"))
        self.refresh()

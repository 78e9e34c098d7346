"""Long-running file work, one job after another in a thread: searching folders, copying gists in and out, moving.

Work is a generator that yields its progress; at each yield it can be cancelled, and then it cleans up after itself.
Its result is given to its handler in the window's thread. Knows nothing of what the work is.

While the thread runs, Python's cycle collector is off: it could run in either thread, and Qt does not survive timers
and processes that the window has let go of being deleted in a thread other than their own.
"""

import gc
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.core.errors import UserError

Work = Callable[[], Generator[float | None, None, object]]
"""Yields 0 to 1, or None where the total is unknown. Started, run and ended in the thread."""

CANCELLED = object()
"""The result of cancelled work."""

_TELL_S = 0.05
_SLOW_MS = 700
_PATIENCE_S = 5.0


@dataclass
class FileJob:
    """A waiting or running job.

    Attributes:
        words: what it does, for `tr`.
        title: what it works on.
        share: progress from 0 to 1; None while unknown.
    """

    id: int
    words: str
    title: str
    work: Work
    handler: Callable[[object], None]
    share: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class FileJobs(QObject):
    """Attributes: jobs (the first one runs).

    Signals: changed (a job was added, progressed or ended), slow (a job is taking long enough to be shown).
    """

    changed = Signal()
    slow = Signal()
    _stepped = Signal(int, object)
    _ended = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[FileJob] = []
        self._last_id = 0
        self._thread: threading.Thread | None = None
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.timeout.connect(self.slow)
        self._stepped.connect(self._on_stepped)
        self._ended.connect(self._on_ended)

    def start(self, words: str, title: str, work: Work, handler: Callable[[object], None]) -> int:
        """Queue work -> the job's id. `handler` gets its return value, the UserError that ended it, or CANCELLED."""
        self._last_id += 1
        self.jobs.append(FileJob(self._last_id, words, title, work, handler))
        if self._thread is None:
            self._begin()
        self.changed.emit()
        return self._last_id

    def cancel(self, job_id: int) -> None:
        """Cancel a job: it ends at its next step, or never starts."""
        for job in self.jobs:
            if job.id == job_id:
                job.cancelled.set()

    def close(self) -> None:
        """Cancel all jobs, and wait until anything half done is cleaned up."""
        self._slow.stop()
        thread, self._thread = self._thread, None
        for job in self.jobs:
            job.cancelled.set()
        self.jobs.clear()
        if thread is not None:
            thread.join(_PATIENCE_S)
            if not thread.is_alive():
                gc.enable()

    def _begin(self) -> None:
        gc.disable()
        self._thread = threading.Thread(target=self._run, args=(self.jobs[0],), name="files", daemon=True)
        self._thread.start()
        self._slow.start(_SLOW_MS)

    def _run(self, job: FileJob) -> None:
        """Runs in the thread."""
        try:
            outcome = self._worked(job)
        except Exception as error:  # shown in the window's thread: a UserError, or our bug
            outcome = error
        with suppress(RuntimeError):  # the window is gone
            self._ended.emit(job.id, outcome)

    def _worked(self, job: FileJob) -> object:
        steps, told_s = job.work(), 0.0
        try:
            while not job.cancelled.is_set():
                share = next(steps)
                if time.monotonic() - told_s >= _TELL_S:
                    told_s = time.monotonic()
                    self._stepped.emit(job.id, share)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
        return CANCELLED

    def _on_stepped(self, job_id: int, share: float | None) -> None:
        if self.jobs and self.jobs[0].id == job_id:
            self.jobs[0].share = share
            self.changed.emit()

    def _on_ended(self, job_id: int, outcome: object) -> None:
        if not self.jobs or self.jobs[0].id != job_id:  # closed meanwhile
            return
        job = self.jobs.pop(0)
        self._thread = None
        gc.enable()
        self._slow.stop()
        bug = outcome if isinstance(outcome, Exception) and not isinstance(outcome, UserError) else None
        job.handler(outcome if bug is None else CANCELLED)  # the next job waits, since this may close the library
        if self.jobs and self._thread is None:
            self._begin()
        self.changed.emit()
        if bug is not None:
            raise bug

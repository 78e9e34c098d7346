"""Notifies the desktop when long work ends while nobody is looking: runs, downloads, and the last document of a queue.

Knows the desk and the runs. What the window can show itself is left to it.
"""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.session.runs import Runs
from gistdesk.ui.library.states import WORKING
from gistdesk.ui.widgets import theme

LONG_S = 20.0
"""Work shorter than this is not worth a notification."""
_SHOWN_MS = 10_000


class Notifications(QObject):
    """Signals: told (title, text), whether or not the desktop can show it."""

    told = Signal(str, str)

    def __init__(self, window: QWidget, desk: Desk, runs: Runs) -> None:
        super().__init__(window)
        self._window, self._desk, self._runs = window, desk, runs
        self._live: set[str] = set()
        self._downloading: set[str] = set()
        self._busy_since: float | None = None
        self._tray: QSystemTrayIcon | None = None
        self._soon = QTimer(self, singleShot=True, interval=500)
        self._soon.timeout.connect(self._look_at_documents)
        self._runs.changed.connect(self._look_at_runs)
        self._runs.listed.connect(self._look_at_runs)
        self._desk.documents.one_changed.connect(self._on_entries)
        self._desk.documents.changed.connect(self._on_entries)
        self._desk.models_changed.connect(self._look_at_downloads)

    def _look_at_runs(self) -> None:
        live = {run.name for run in self._runs.all() if run.is_live}
        for name in self._live - live:
            run = self._runs.run(name)
            if run is not None and run.state in ("finished", "failed"):
                failed = run.state == "failed"
                self._tell(run.start.title, tr("The run has failed.") if failed else tr("The run has finished."))
        self._live = live

    def _look_at_downloads(self) -> None:
        rows = self._desk.models()
        downloading = {row.name for row in rows if row.download is not None}
        here = {row.name: row.title for row in rows if row.download is None}
        for name in self._downloading - downloading:
            if name in here:
                self._tell(here[name], tr("The model has been downloaded."))
        self._downloading = downloading

    def _on_entries(self, _: int = 0) -> None:
        self._soon.start()

    def _look_at_documents(self) -> None:
        busy = bool(self._desk.library.entries.all(states=WORKING))
        if busy and self._busy_since is None:
            self._busy_since = time.monotonic()
        elif not busy and self._busy_since is not None:
            took_s, self._busy_since = time.monotonic() - self._busy_since, None
            if took_s >= LONG_S:
                self._tell("gistdesk", tr("All documents are done."))

    def _tell(self, title: str, text: str) -> None:
        if self._window.isActiveWindow():
            return
        self.told.emit(title, text)
        QApplication.alert(self._window)
        if QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages():
            if self._tray is None:
                self._tray = QSystemTrayIcon(theme.application_icon(), self)
                self._tray.messageClicked.connect(self._on_clicked)
            self._tray.show()
            self._tray.showMessage(title, text, QSystemTrayIcon.MessageIcon.Information, _SHOWN_MS)
            QTimer.singleShot(_SHOWN_MS, self._tray.hide)

    def _on_clicked(self) -> None:
        self._window.showNormal()
        self._window.raise_()
        self._window.activateWindow()

"""Quitting: at once when nothing is running; otherwise after a question, the one place where a dialog asks.

Knows the desk's idleness and the Lab's live run.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QMenu, QMessageBox, QSystemTrayIcon, QWidget

from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.words import state_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.window.jobs import all_jobs, left_words

_LOOK_MS = 1000


class Quitting(QObject):
    """Attributes: decided (whether the window may close without a question)."""

    def __init__(self, window: QWidget, desk: Desk, runs: Runs) -> None:
        super().__init__(window)
        self._window, self._desk, self._runs = window, desk, runs
        self.decided = False
        self._tray: QSystemTrayIcon | None = None
        self._box: QMessageBox | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_look)

    def may_close(self) -> bool:
        """Whether the window may close now; if not, the user is asked and it closes later, or stays."""
        if self.decided:
            return True
        run = self._runs.live()
        if run is not None and run.state != "stopping":
            self._ask_about_run(run.start.title, state_text(run))
            return False
        if self._desk.idle():
            return True
        self._ask()
        return False

    def quit_now(self) -> None:
        """Close the window without questions."""
        self.decided = True
        self._window.close()

    def _ask_about_run(self, title: str, state_words: str) -> None:
        """A Lab run needs no window: it goes on, or stops where it can be resumed."""
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setWindowTitle(tr("Quit gistdesk"))
        box.setText(tr("“{title}” is still running.", title=title))
        lines = (
            state_words,
            tr("It can keep running without the window, which finds it again when it is next opened."),
        )
        box.setInformativeText("\n\n".join(lines))
        leave = box.addButton(tr("Quit, and keep it running"), QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton(tr("Stop it with a checkpoint, and quit"), QMessageBox.ButtonRole.DestructiveRole)
        cancel = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(leave)
        box.setEscapeButton(cancel)
        leave.clicked.connect(self.quit_now)
        stop.clicked.connect(self._stop_run)
        self._box = box
        box.open()

    def _stop_run(self) -> None:
        self._runs.stop_live()
        self.quit_now()

    def _ask(self) -> None:
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setWindowTitle(tr("Quit gistdesk"))
        box.setText(tr("Work is still in progress."))
        told = tr("Progress so far is kept either way, and work resumes from there.")
        if self._desk.file_jobs.jobs:
            told = tr("A copy of a file that is stopped leaves nothing behind.")
        jobs = all_jobs(self._desk, self._runs)
        box.setInformativeText(f"{left_words(jobs)}\n\n{told}" if jobs else told)
        finish = box.addButton(tr("Finish in the tray"), QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton(tr("Stop and keep what is done"), QMessageBox.ButtonRole.DestructiveRole)
        cancel = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        if not QSystemTrayIcon.isSystemTrayAvailable():
            finish.setText(tr("Finish, then quit"))
        box.setDefaultButton(finish)
        box.setEscapeButton(cancel)
        finish.clicked.connect(self.finish_first)
        stop.clicked.connect(self.quit_now)
        self._box = box
        box.open()

    def finish_first(self) -> None:
        """Hide the window, and quit as soon as nothing is running."""
        if QSystemTrayIcon.isSystemTrayAvailable():
            self._show_tray()
            self._window.hide()
        else:
            self._window.showMinimized()
        self._timer.start(_LOOK_MS)

    def _show_tray(self) -> None:
        self._tray = QSystemTrayIcon(theme.application_icon(), self)
        self._tray.setToolTip(tr("gistdesk is finishing its work"))
        menu = QMenu(self._window)
        menu.addAction(tr("Open the window"), self._on_back)
        menu.addAction(tr("Stop and quit"), self.quit_now)
        self._tray.setContextMenu(menu)
        self._tray.activated.connect(self._on_back)
        self._tray.show()

    def _on_back(self) -> None:
        self._timer.stop()
        if self._tray is not None:
            self._tray.hide()
            self._tray = None
        self._window.showNormal()

    def _on_look(self) -> None:
        if self._window.isVisible() and not self._window.isMinimized():
            self._timer.stop()
        elif self._desk.idle():
            self.quit_now()

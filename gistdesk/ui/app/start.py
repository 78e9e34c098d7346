"""Starts the window: one per library, with the files given.

The only place that puts the window's parts together.
"""

import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QFileOpenEvent, QIcon
from PySide6.QtWidgets import QApplication, QMessageBox

from gistdesk.core.errors import UserError
from gistdesk.folders import folders, resource
from gistdesk.language import i18n
from gistdesk.library import Library
from gistdesk.library.backup import newest_backup, restore
from gistdesk.library.damage import DamagedLibraryError
from gistdesk.models import default_model
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.settings import read_settings
from gistdesk.ui.app import failures
from gistdesk.ui.app.instance import Instance
from gistdesk.ui.widgets import theme
from gistdesk.ui.window.main import MainWindow

_SIGNAL_LOOK_MS = 200


def run_window(paths: Sequence[Path]) -> int:
    """Show the window, or hand `paths` to the one already open. Returns the exit code."""
    app = Application(sys.argv[:1])
    app.setApplicationName("gistdesk")
    app.setApplicationDisplayName("gistdesk")
    app.setDesktopFileName("gistdesk")
    app.setWindowIcon(QIcon(str(resource("icons/gistdesk.svg"))))
    try:
        instance = Instance(folders().data)
        if not instance.first and instance.hand_over(paths):
            return 0
        if not instance.become_first():
            return _no_answer()
        program = _opened(app, instance)
    except UserError as error:
        theme.use_language("auto")
        _say(QMessageBox.Icon.Critical, f"{i18n.tr(error.message)}\n\n{i18n.tr(error.hint)}")
        return 2
    app.opened.connect(program.window.open_paths)
    failures.catch(program.desk, folders().log)
    program.show(paths)
    _end_on_signals(program.window)
    code = app.exec()
    program.close()
    return code


class Application(QApplication):
    """Signals: opened (paths): macOS passes files as events to the application, not as arguments."""

    opened = Signal(list)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent):
            self.opened.emit([Path(event.file())])
            return True
        return super().event(event)


class Program:
    """One library's window with everything that belongs to it, as it was left.

    Attributes:
        window, desk.
    """

    def __init__(self, app: QApplication, instance: Instance) -> None:
        """`instance` is the first for its folder.

        Raises:
            UserError: settings or library cannot be read.
        """
        where = folders()
        settings_path = where.config / "settings.toml"
        settings = read_settings(settings_path)
        if not settings_path.exists():
            settings = replace(settings, model=default_model(""))
        theme.apply(app, settings.theme)
        theme.use_language(settings.language)
        self._instance = instance
        self.desk = Desk(Library(where.data / "library"), settings, settings_path)
        self.window = MainWindow(self.desk)
        instance.opened.connect(self.window.open_paths)
        if settings.notice is not None:
            self.desk.tell(Notice(settings.notice.message, settings.notice.hint))

    def show(self, paths: Sequence[Path]) -> None:
        """Show the window, and open these files in it."""
        self.window.show()
        if paths:
            self.window.open_paths(list(paths))

    def close(self) -> None:
        """End everything that was started; finished work is kept."""
        self._instance.refuse()
        self.desk.close()
        self._instance.close()


def _opened(app: QApplication, instance: Instance) -> Program:
    """The program; if the library is damaged, it asks and then puts the newest intact copy in its place."""
    try:
        return Program(app, instance)
    except DamagedLibraryError as error:
        backup = newest_backup(error.database)
        if backup is None or not _asked(error, datetime.fromtimestamp(backup.stat().st_mtime)):
            raise
        try:
            restore(error.database, backup)
        except OSError as failed:
            raise UserError(error.message, error.hint) from failed
        return Program(app, instance)


def _asked(error: UserError, when: datetime) -> bool:
    theme.use_language("auto")
    box = QMessageBox(QMessageBox.Icon.Critical, "gistdesk", "")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(i18n.tr(error.message))
    box.setInformativeText(
        i18n.tr(
            "A backup from {time} exists. Anything added since must be added again; the damaged file is kept.",
            time=f"{when:%Y-%m-%d %H:%M}",
        )
    )
    use = box.addButton(i18n.tr("Use the backup"), QMessageBox.ButtonRole.AcceptRole)
    box.addButton(i18n.tr("Close"), QMessageBox.ButtonRole.RejectRole)
    box.exec()
    return box.clickedButton() is use


def _no_answer() -> int:
    theme.use_language("auto")
    _say(
        QMessageBox.Icon.Warning,
        i18n.tr("Another gistdesk window has this library open and is not responding.")
        + "\n"
        + i18n.tr("Close it, or end its process, and start again."),
    )
    return 2


def _say(icon: QMessageBox.Icon, text: str) -> None:
    box = QMessageBox(icon, "gistdesk", "")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    box.exec()


def _end_on_signals(window: MainWindow) -> None:
    """Ctrl+C in the terminal and a logout end the window as its close button would, without questions."""
    timer = QTimer(window)
    timer.start(_SIGNAL_LOOK_MS)  # Python handles a signal only when it gets to run
    timer.timeout.connect(lambda: None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.quit_now())

"""Starts the window: one per library, with the files that were given.

The only place where the window's parts are put together.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QFileOpenEvent, QIcon
from PySide6.QtWidgets import QApplication, QMessageBox

from gistdesk.core.errors import UserError
from gistdesk.core.resources import resource
from gistdesk.library import Library
from gistdesk.settings import folders, read_settings
from gistdesk.ui import i18n, theme
from gistdesk.ui.chat_place import ChatPlace
from gistdesk.ui.desk import Desk, Notice
from gistdesk.ui.instance import Instance
from gistdesk.ui.lab_place import LabPlace
from gistdesk.ui.library_place import LibraryPlace
from gistdesk.ui.window import MainWindow

_SIGNAL_LOOK_MS = 200


def run_window(paths: Sequence[Path]) -> int:
    """Show the window, or hand `paths` to the one that is open. Returns the exit code."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("gistdesk")
    app.setApplicationDisplayName("gistdesk")
    app.setDesktopFileName("gistdesk")
    app.setWindowIcon(QIcon(str(resource("icons/gistdesk.svg"))))
    where = folders()
    settings_path = where.config / "settings.toml"
    settings = read_settings(settings_path)
    theme.apply(app, settings.theme)
    i18n.set_language(settings.language)
    instance = Instance(where.data)
    if not instance.first:
        if instance.hand_over(paths):
            return 0
        QMessageBox.warning(
            None,
            "gistdesk",
            i18n.tr("Another gistdesk window has this library open and does not answer.")
            + "\n"
            + i18n.tr("Close it, or end its process, and start again."),
        )
        return 2
    try:
        library = Library(where.data / "library")
    except UserError as error:
        QMessageBox.critical(None, "gistdesk", f"{i18n.tr(error.message)}\n\n{i18n.tr(error.hint)}")
        return 2
    desk = Desk(library, settings, settings_path)
    chat = ChatPlace(desk)
    window = MainWindow(desk, LibraryPlace(desk), chat, LabPlace(desk))
    instance.opened.connect(window.open_paths)
    opener = _FileOpener(app)
    opener.opened.connect(window.open_paths)
    if settings.notice is not None:
        desk.notice.emit(Notice(settings.notice.message, settings.notice.hint))
    window.show()
    if paths:
        window.open_paths(list(paths))
    _end_on_signals(window)
    code = app.exec()
    desk.close()
    instance.close()
    return code


class _FileOpener(QObject):
    """macOS does not pass files as words, but as events to the application."""

    opened = Signal(list)

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        app.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if isinstance(event, QFileOpenEvent):
            self.opened.emit([Path(event.file())])
            return True
        return super().eventFilter(watched, event)


def _end_on_signals(window: MainWindow) -> None:
    """Ctrl+C in the terminal and a logout end the window as its close button would, without questions."""
    timer = QTimer(window)
    timer.start(_SIGNAL_LOOK_MS)  # Python hears a signal only when it gets to run
    timer.timeout.connect(lambda: None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.quit_now())

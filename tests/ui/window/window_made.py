"""The main window over a desk that stands still."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from pytestqt.qtbot import QtBot

from gistdesk.language import i18n
from gistdesk.settings import Settings
from gistdesk.ui.window.main import MainWindow
from tests.session.still_desk import StillDesk


def still(window: MainWindow) -> StillDesk:
    """The window's desk."""
    assert isinstance(window.desk, StillDesk)
    return window.desk


def _speak_english() -> None:
    """A window of an earlier test may still be there, and has no library any more to set its texts from."""
    if i18n.language() != "en":
        i18n.set_language("en")
        # Qt tells of its own texts a little later, when the library may be closed
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LanguageChange.value)


def open_window(qtbot: QtBot, folder: Path, settings: Settings | None = None, *, resize: bool = True) -> MainWindow:
    """A window that is shown and has the focus, in English."""
    _speak_english()
    folder.mkdir(exist_ok=True)
    desk = StillDesk(folder, settings)
    window = MainWindow(desk)
    qtbot.addWidget(window, before_close_func=_end)
    if resize:
        window.resize(1280, 800)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def _end(window: MainWindow) -> None:
    _speak_english()
    window.quitting.decided = True
    _stop_timers(window)
    window.end_places()
    window.desk.close()
    _stop_timers(window)  # whatever ended with the desk may have started one


def _stop_timers(window: MainWindow) -> None:
    """The window itself goes later, when the library is closed."""
    for timer in window.findChildren(QTimer):
        timer.stop()

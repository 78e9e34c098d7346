"""Somebody at the real window: drops files, presses keys and buttons, reads what is shown, and has patience.

Whoever tests the window as it is used does it through this; knows nothing of what is to be expected.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from gistdesk.folders import folders
from gistdesk.library import Entry, Message
from gistdesk.ui.app.instance import Instance
from gistdesk.ui.app.start import Program
from gistdesk.ui.widgets.ratio_chooser import PRESETS
from gistdesk.ui.window.main import MainWindow

PATIENCE_MS = 240_000
CTRL, SHIFT, NONE = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.NoModifier,
)


class Person:
    """Attributes: window, desk, of the program that is used."""

    def __init__(self, program: Program, qtbot: QtBot) -> None:
        self.program, self.qtbot = program, qtbot
        self.window: MainWindow = program.window
        self.desk = program.desk
        self.window.show()
        self.come_back()

    def come_back(self) -> None:
        """To the main window, as a window manager goes when a dialog or a menu was closed."""
        self.window.activateWindow()
        self.wait(self.window.isActiveWindow)

    def wait(self, until: Callable[[], object]) -> None:
        self.qtbot.waitUntil(lambda: bool(until()), timeout=PATIENCE_MS)

    # with the hands

    def drop(self, *paths: Path) -> None:
        """Drag files from a file manager onto the window."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        point, copy, left = QPointF(300, 300), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
        entering = QDragEnterEvent(point.toPoint(), copy, data, left, NONE)
        QCoreApplication.sendEvent(self.window, entering)
        assert entering.isAccepted()
        dropping = QDropEvent(point, copy, data, left, NONE)
        QCoreApplication.sendEvent(self.window, dropping)
        assert dropping.isAccepted()

    def click(self, button: QAbstractButton) -> None:
        assert button.isVisible() and button.isEnabled(), button.text()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def press(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        """A key, which goes to whatever has the focus."""
        QTest.keyClick(self.focus(), key, modifiers)

    def write(self, text: str) -> None:
        """Text into whatever has the focus; as an input method does where a keyboard has no such keys."""
        for letter in text:
            if letter.isascii():
                QTest.keyClicks(self.focus(), letter)
                continue
            QCoreApplication.sendEvent(self.focus(), QInputMethodEvent(letter, []))
            commit = QInputMethodEvent("", [])
            commit.setCommitString(letter)
            QCoreApplication.sendEvent(self.focus(), commit)
        self.qtbot.wait(80)  # an Enter at once would count as the input method's

    def focus(self) -> QWidget:
        widget = QApplication.focusWidget()
        assert widget is not None
        return widget

    # what is done in a window

    def choose_ratio(self, ratio: float) -> None:
        """In the drop sheet."""
        number = PRESETS.index(ratio)
        self.click(self.window.drop_sheet.chooser.buttons[number])

    def accept_sheet(self) -> list[Entry]:
        """Compress what was dropped; the entries that come of it."""
        before = {entry.id for entry in self.desk.library.entries.all()}
        self.wait(self.window.drop_sheet.accept.isEnabled)
        self.click(self.window.drop_sheet.accept)
        return [entry for entry in self.desk.library.entries.all() if entry.id not in before]

    def add(self, *paths: Path, ratio: float = 100.0) -> list[int]:
        """From the drop to the ids in the library."""
        self.drop(*paths)
        self.choose_ratio(ratio)
        return [entry.id for entry in self.accept_sheet()]

    def state(self, entry_id: int) -> str:
        return self.desk.library.entries.get(entry_id).state

    def wait_ready(self, *entry_ids: int) -> list[Entry]:
        """Until these rows say Ready."""
        self.wait(lambda: all(self.state(i) not in ("queued", "extracting", "compressing") for i in entry_ids))
        entries = [self.desk.library.entries.get(i) for i in entry_ids]
        assert [entry.state for entry in entries] == ["ready"] * len(entries), [entry.problem for entry in entries]
        return entries

    def wait_compressing(self, entry_id: int) -> None:
        """Until some of its segments are compressed, and not all."""

        def is_under_way() -> bool:
            entry = self.desk.library.entries.get(entry_id)
            assert entry.state in ("queued", "extracting", "compressing"), entry
            return entry.state == "compressing" and entry.done > 0

        self.wait(is_under_way)

    def do(self, action: str, *entry_ids: int) -> None:
        """Choose rows and press one of the inspector's buttons."""
        self.window.library.choose(list(entry_ids))
        self.click(self.window.library.inspector_widget._buttons[action])

    def ask(self, text: str) -> None:
        """Write a question into the composer and send it with Enter; until it stands in the chat."""
        chat = self.window.chat
        chat.focus_composer()
        n = len(chat.transcript.views)
        self.write(text)
        self.press(Qt.Key.Key_Return)
        self.wait(lambda: len(chat.transcript.views) == n + 2)

    def answer(self) -> Message:
        """The last answer, once it is finished."""
        view = self.window.chat.transcript.views[-1]
        self.wait(lambda: view.message.state != "writing")
        message: Message = view.message
        return message

    def told(self, text: str) -> str:
        """Ask, and read the answer."""
        self.ask(text)
        message = self.answer()
        assert message.state == "complete", message
        return self.window.chat.transcript.views[-1].text().strip()


@contextmanager
def at_window(qtbot: QtBot, app: QApplication) -> Iterator[Person]:
    """The program, opened on the library of $GISTDESK_HOME, until its window is closed or the block is left."""
    _let_go()  # windows of other tests
    instance = Instance(folders().data)
    assert instance.first
    program = Program(app, instance)
    person = Person(program, qtbot)
    try:
        yield person
    finally:
        program.window.quit_now()
        program.close()
        program.window.deleteLater()
        _let_go()


def _let_go() -> None:
    """Delete what waits for it."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)

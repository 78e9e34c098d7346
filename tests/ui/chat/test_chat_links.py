"""Links in answers without a mouse: Tab reaches them one by one, Enter opens one, others of the message come after."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from gistdesk.library import Message
from gistdesk.ui.chat.message import MessageView
from gistdesk.ui.chat.prose import ProseView
from tests.ui.window.window_made import _speak_english

ANSWER = (
    "See [the lease](https://example.org/lease) and [the rules](https://example.org/rules), "
    "not [this](file:///etc/passwd).\n\n```\ncode\n```\n\nNothing here."
)


class Browser(QObject):
    """What would be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toString())


@pytest.fixture
def browser() -> Iterator[Browser]:
    browser = Browser()
    for scheme in ("https", "file"):
        QDesktopServices.setUrlHandler(scheme, browser, "open")
    yield browser
    for scheme in ("https", "file"):
        QDesktopServices.unsetUrlHandler(scheme)


def order(view: MessageView) -> None:
    """As the place does."""
    for before, after in pairwise(view.focus_chain()):
        QWidget.setTabOrder(before, after)


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[MessageView]:
    """A message between two fields."""
    _speak_english()
    message = Message(1, 1, None, "assistant", ANSWER, "complete", "gist", {}, "2026-01-01T00:00:00", 1, 1)
    window, view = QWidget(), MessageView(message, 600)
    rows = QVBoxLayout(window)
    rows.addWidget(QLineEdit())
    rows.addWidget(view)
    rows.addWidget(QLineEdit())
    view.set_current(True)
    view.chain_changed.connect(lambda: order(view))
    qtbot.addWidget(window)
    window.resize(640, 480)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(lambda: window.isActiveWindow() and len(view.findChildren(ProseView)) == 2)
    order(view)
    view.setFocus(Qt.FocusReason.TabFocusReason)
    yield view
    window.close()


def focused() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def press(key: Qt.Key) -> None:
    QTest.keyClick(focused(), key)


def test_tab_reaches_links_and_enter_opens_them(view: MessageView, browser: Browser) -> None:
    press(Qt.Key.Key_Tab)
    prose = focused()
    assert isinstance(prose, ProseView) and prose.textCursor().selectedText() == "the lease"
    press(Qt.Key.Key_Return)
    assert browser.opened == ["https://example.org/lease"] and focused() is prose
    before = prose.grab().toImage()
    press(Qt.Key.Key_Tab)
    assert prose.textCursor().selectedText() == "the rules" and prose.grab().toImage() != before  # it is seen
    press(Qt.Key.Key_Return)
    press(Qt.Key.Key_Tab)
    press(Qt.Key.Key_Return)  # nothing that a model wrote makes a file open
    assert browser.opened == ["https://example.org/lease", "https://example.org/rules"]
    press(Qt.Key.Key_Tab)
    assert focused() is view.focus_chain()[2]  # the button that copies the code; prose without links is passed over
    press(Qt.Key.Key_Backtab)
    assert focused() is prose and prose.textCursor().selectedText() == "this"
    for _ in range(3):
        press(Qt.Key.Key_Backtab)
    assert focused() is view


def test_only_the_current_message_is_walked_through(view: MessageView) -> None:
    view.set_current(False)
    assert not any(prose.focusPolicy() & Qt.FocusPolicy.TabFocus for prose in view.findChildren(ProseView))

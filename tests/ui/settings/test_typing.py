"""Settings by keyboard: what is being typed stays, and Tab goes down the page."""

from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QStackedWidget, QWidget
from pytestqt.qtbot import QtBot

from gistdesk.ui.settings.models import ModelsPage
from gistdesk.ui.settings.page import SettingsPage
from gistdesk.ui.settings.server import ServerPage
from gistdesk.ui.widgets.theme import GRID
from tests.session.still_desk import ADAPTER, STARTER, TIGHT, StillDesk
from tests.ui.window.window_made import open_window, still


def test_a_port_that_is_being_typed_stays(qtbot: QtBot, tmp_path: Path) -> None:
    desk = StillDesk(tmp_path)
    page = ServerPage(desk)
    qtbot.addWidget(page)
    page.show()
    page.activateWindow()
    page.port.setFocus()
    qtbot.waitUntil(page.port.hasFocus)
    page.port.selectAll()
    QTest.keyClicks(page.port, "90")
    desk.settings_changed.emit()
    QTest.keyClicks(page.port, "99")
    page.on.setFocus()
    assert desk.settings.server_port == page.port.value() == 9099
    desk.change_settings(server_port=8000)
    assert page.port.value() == 8000
    desk.close()


def test_tab_goes_down_every_page(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path / "w")
    still(window).rows = [STARTER, TIGHT, ADAPTER]
    window.resize(1280, 900)
    window.show_settings()
    for page in window.findChildren(SettingsPage):
        stack = page.parentWidget()
        assert isinstance(stack, QStackedWidget)
        stack.setCurrentWidget(page)
        if isinstance(page, ModelsPage):
            page.refresh()
        qtbot.wait(20)
        heights = [each.mapTo(page.widget(), QPoint(0, each.height() // 2)).y() for each in in_tab_order(page.widget())]
        assert all(below > above - 2 * GRID for above, below in pairwise(heights)), page.title


def in_tab_order(inner: QWidget) -> list[QWidget]:
    found, each = [], inner.nextInFocusChain()
    while each is not inner:
        takes_focus = each.focusPolicy() & Qt.FocusPolicy.TabFocus and not each.focusProxy()
        if takes_focus and inner.isAncestorOf(each) and each.isVisible():
            found.append(each)
        each = each.nextInFocusChain()
    return found

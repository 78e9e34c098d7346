"""What is being typed into a setting stays, whatever else is set meanwhile."""

from pathlib import Path

from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from gistdesk.ui.settings.server import ServerPage
from tests.session.still_desk import StillDesk


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

"""The Attention tab in the real window with the real starter: loaded once, drawn for every choice, saved, refused."""

import struct
from pathlib import Path

import pytest
from PySide6.QtGui import QPixmap
from pytestqt.qtbot import QtBot

from gistdesk.language import i18n
from gistdesk.ui.lab.place import ATTENTION
from gistdesk.ui.window.main import LAB, MainWindow
from tests.session.still_desk import add_entry
from tests.ui.window.window_made import open_window, still

_WAIT_MS = 90_000


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    window = open_window(qtbot, tmp_path / "w")
    window.show_place(LAB)
    window.lab.main_widget.setCurrentIndex(ATTENTION)
    return window


def image(pixmap: QPixmap) -> bytes:
    return bytes(pixmap.toImage().constBits())


@pytest.mark.release
@pytest.mark.timeout(400)
def test_every_layer_and_head_is_drawn_from_one_reading(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    tab = window.lab.attention
    tab.form.start.click()
    assert window.desk.device_holder == "Attention" and tab.cancel.isVisible() and not tab.layer.isEnabled()
    qtbot.waitUntil(lambda: not tab.picture.pixmap.isNull() or tab._problem is not None, timeout=_WAIT_MS)
    assert tab._problem is None, tab._state.text()
    assert tab.layer.hasFocus()  # it was on Cancel, which is no longer there
    assert window.desk.device_holder == "" and tab.form.segment.maximum() > 0
    process, first = tab._process, image(tab.picture.pixmap)
    assert tab.picture.pixmap.size().toTuple() == tab.picture.size().toTuple()
    assert (tab.layer.maximum(), tab.head.maximum()) == (5, 3)
    assert tab.picture.accessibleName() == "Attention of layer 0, head 0"
    tab.layer.setValue(4)
    tab.head.setValue(2)
    qtbot.waitUntil(lambda: tab.picture.accessibleName() == "Attention of layer 4, head 2", timeout=_WAIT_MS)
    assert image(tab.picture.pixmap) != first and tab._process is process
    qtbot.waitUntil(tab.save.isEnabled, timeout=_WAIT_MS)
    tab.save_to(tmp_path / "nowhere" / "a.png")
    qtbot.waitUntil(lambda: bool(window.banners.banners), timeout=_WAIT_MS)
    assert "cannot be written" in window.banners.banners[0].notice.message
    tab.save_to(tmp_path / "a.png")
    qtbot.waitUntil(lambda: len(window.banners.banners) == 2, timeout=_WAIT_MS)
    assert struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24]) == (1800, 840)
    window.lab.close()
    assert tab._process is None


@pytest.mark.timeout(300)
@pytest.mark.release
def test_what_cannot_be_looked_at_is_said(window: MainWindow, qtbot: QtBot) -> None:
    """A document of the library whose text has gone; in Korean, too."""
    entry = add_entry(still(window), "Lease.pdf")
    tab = window.lab.attention
    tab.form.list_documents()
    tab.form.document.setCurrentIndex(1)
    assert tab.form.document.currentText() == entry.title
    Path(tab.form.document.currentData()).unlink()
    tab.begin()
    qtbot.waitUntil(lambda: tab._problem is not None, timeout=_WAIT_MS)
    english = tab._state.text()
    i18n.set_language("ko")
    assert tab._state.text() != english and window.desk.device_holder == ""
    assert not tab.save.isEnabled() and not tab.cancel.isVisible()


def test_it_waits_for_the_device_and_is_taken_back(window: MainWindow) -> None:
    assert window.desk.lend_device("Something else")
    tab = window.lab.attention
    tab.begin()
    assert tab._state.text() == "Waiting for the device" and tab._process is None
    tab.cancel.click()
    assert not tab._soon.isActive() and window.desk.device_holder == "Something else"

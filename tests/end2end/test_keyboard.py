"""A tour without a mouse: everything on the list of keys, from the first start to quitting, with real answers.

Only key presses reach the window, each to whatever has the focus; after every step the focus must be somewhere, and
it must be seen where.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot

from gistdesk.folders import folders
from gistdesk.settings import Settings, write_settings
from gistdesk.ui.chat.message import MessageView
from gistdesk.ui.chat.sources import PassageCard
from gistdesk.ui.window.main import CHAT, LAB, LIBRARY
from tests.end2end.person import CTRL, SHIFT, Person, at_window

pytestmark = pytest.mark.release

Key = Qt.Key
_RING_PX = 14
"""The composer's ring is drawn around its card."""


@pytest.fixture
def person(qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """At a first start."""
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    write_settings(folders().config / "settings.toml", Settings(first_run=True, threads=1, language="en"))
    with at_window(qtbot, qapp) as person:
        yield person


def seen(person: Person) -> QWidget:
    """The widget with the focus, after looking whether anything but its text cursor shows that it has it."""
    QApplication.processEvents()  # what was just shown has its place
    widget = person.focus()
    assert widget.isVisible() and not widget.visibleRegion().isEmpty(), widget
    around = widget.window()
    with_focus = _picture(around, widget)
    widget.clearFocus()
    without = _picture(around, widget)
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    name = widget.accessibleName() or getattr(widget, "text", lambda: "")()
    assert with_focus != without, f"the focus is not seen on {type(widget).__name__} {name!r}"
    return widget


def _picture(around: QWidget, widget: QWidget) -> QImage:
    rect = QRect(widget.mapTo(around, QPoint(0, 0)), widget.size())
    margins = (-_RING_PX, -_RING_PX, _RING_PX, _RING_PX)
    image = around.grab(rect.adjusted(*margins)).toImage()
    if isinstance(widget, QLineEdit | QPlainTextEdit):  # cursor and selection are not enough
        painter = QPainter(image)
        painter.fillRect(QRect(QPoint(_RING_PX, _RING_PX), widget.size()).adjusted(3, 3, -3, -3), Qt.GlobalColor.black)
        painter.end()
    return image


def tab_to(person: Person, wanted: QWidget) -> None:
    """Press Tab until this has the focus; on the way every stop must show it."""
    stops = []
    for _ in range(80):
        if person.focus() is wanted:
            seen(person)
            return
        person.press(Key.Key_Tab)
        stops.append(seen(person))
    raise AssertionError(f"Tab does not reach it, but {[type(stop).__name__ for stop in stops]}")


def answered(person: Person, n_views: int) -> MessageView:
    """The newest answer, when it is complete."""
    transcript = person.window.chat.transcript
    person.wait(lambda: len(transcript.views) == n_views and transcript.views[-1].message.state == "complete")
    return transcript.views[-1]


def test_a_tour_without_a_mouse(person: Person, tmp_path: Path) -> None:
    begin(person)
    write_and_ask(person)
    versions_and_sources(person)
    places_and_cards(person)
    add_find_and_delete(person, tmp_path)
    person.press(Key.Key_Q, CTRL)
    assert not person.window.isVisible()


def begin(person: Person) -> None:
    """Enter starts with the bundled model; when the sample is ready its question waits in the composer."""
    window = person.window
    assert seen(person) is window.first_run.start  # type: ignore[union-attr]
    person.press(Key.Key_Return)
    assert window.place == LIBRARY
    person.wait(lambda: window.place == CHAT)
    assert seen(person) is window.chat.composer.field
    person.press(Key.Key_Return)
    assert answered(person, 2).text().strip() == "58203"


def write_and_ask(person: Person) -> None:
    """Ctrl+L, Shift+Enter, Enter, Esc; Ctrl+N."""
    window, chat = person.window, person.window.chat
    person.press(Key.Key_1, CTRL)
    person.press(Key.Key_L, CTRL)
    assert window.place == CHAT
    assert seen(person) is chat.composer.field
    person.write("What is")
    person.press(Key.Key_Return, SHIFT)
    person.write("the passkey?")
    assert chat.composer.field.toPlainText() == "What is\nthe passkey?"
    assert chat.chat_id is not None
    person.desk.library.chats.change(chat.chat_id, sampling={"temperature": 5.0, "top_p": 1.0, "max_tokens": 4000})
    person.press(Key.Key_Return)
    person.wait(lambda: len(chat.transcript.views) == 4)
    person.wait(lambda: chat.transcript.views[-1].text())
    seen(person)
    person.press(Key.Key_Escape)
    person.wait(person.desk.idle)
    assert chat.transcript.views[-1].message.state == "stopped"

    before = chat.chat_id
    person.press(Key.Key_N, CTRL)
    assert chat.chat_id != before
    assert seen(person) is chat.composer.field
    person.write("What is the passkey?")
    person.press(Key.Key_Return)
    assert answered(person, 2).text().strip() == "58203"


def versions_and_sources(person: Person) -> None:
    """Ctrl+R, the arrow keys and Enter on messages, Ctrl+Shift+F, and from a found place into the text."""
    window, chat = person.window, person.window.chat
    person.press(Key.Key_R, CTRL)
    person.wait(lambda: chat.transcript.views[-1].message.n_versions == 2 and person.desk.idle())
    tab_to(person, chat.transcript.views[-1])
    person.press(Key.Key_Up)
    assert seen(person) is chat.transcript.views[0]
    person.press(Key.Key_Down)
    tab_to(person, chat.transcript.views[-1]._buttons["older"])
    person.press(Key.Key_Space)
    assert chat.transcript.views[-1].message.version == 1
    person.press(Key.Key_C, CTRL)
    assert QApplication.clipboard().text().strip() == "58203"

    person.press(Key.Key_F, CTRL | SHIFT)
    card = seen(person)
    assert isinstance(card, PassageCard)
    person.press(Key.Key_Return)
    reader = window.library.reader
    assert window.place == LIBRARY and reader.isVisible()
    assert "58203" in reader._text.textCursor().selectedText()
    seen(person)
    person.press(Key.Key_F, CTRL)
    assert seen(person) is reader._find
    person.write("rabbit")
    person.wait(lambda: reader._counter.places and not reader._counter.running)
    person.press(Key.Key_Return)
    assert reader._text.textCursor().selectedText().lower() == "rabbit"
    person.press(Key.Key_Escape)
    assert not reader.isVisible()
    assert seen(person) is window.library.list_widget.table


def places_and_cards(person: Person) -> None:
    """Ctrl+1, 2, 3; F9, Ctrl+J, F1, Ctrl+K, Ctrl+comma: each opens, shows the focus, and goes away by keys."""
    window = person.window
    for key, place in ((Key.Key_3, LAB), (Key.Key_2, CHAT), (Key.Key_1, LIBRARY)):
        person.press(key, CTRL)
        assert window.place == place
        seen(person)
    inspector = window.library.inspector_widget
    for shown in (False, True):
        person.press(Key.Key_F9)
        assert inspector.isVisible() is shown
        seen(person)
    for shown in (True, False):
        person.press(Key.Key_J, CTRL)
        assert window.drawer.isVisible() is shown
        seen(person)
    before = person.focus()
    person.press(Key.Key_F1)
    assert window.help.isAncestorOf(seen(person))
    person.press(Key.Key_Escape)
    assert person.focus() is before
    person.press(Key.Key_K, CTRL)
    assert seen(person) is window.palette_.field
    person.write("jobs")
    person.press(Key.Key_Return)
    assert window.drawer.isVisible()
    tab_to(person, window.drawer._close)
    person.press(Key.Key_Space)
    assert not window.drawer.isVisible()
    person.press(Key.Key_Comma, CTRL)
    dialog = window._settings_dialog
    assert dialog is not None
    person.wait(dialog.isActiveWindow)
    for _ in range(6):
        seen(person)
        person.press(Key.Key_Tab)
    person.press(Key.Key_Escape)
    assert not dialog.isVisible()
    person.come_back()
    seen(person)


def add_find_and_delete(person: Person, tmp_path: Path) -> None:
    """Ctrl+O to Ready; Ctrl+F; the row's menu; Delete in the list only, Backspace never, and Undo."""
    window, table = person.window, person.window.library.list_widget.table
    path = tmp_path / "letter.txt"
    path.write_text("A letter about a lighthouse and its keeper. " * 30, "utf-8")
    person.press(Key.Key_1, CTRL)
    person.press(Key.Key_O, CTRL)
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    person.wait(dialog.isActiveWindow)
    person.write(str(path))
    person.press(Key.Key_Return)
    sheet = window.drop_sheet
    person.wait(sheet.isVisible)
    person.come_back()
    assert seen(person) is sheet.accept
    checked = next(button for button in sheet.chooser.buttons if button.isChecked())
    tab_to(person, checked)
    person.press(Key.Key_Up)
    assert sheet.chooser.ratio == 32.0
    tab_to(person, sheet.accept)
    person.press(Key.Key_Return)
    [entry] = window.library.chosen
    assert entry.title == "letter" and entry.ratio == 32.0
    assert seen(person) is table
    person.wait_ready(entry.id)

    person.press(Key.Key_F, CTRL)
    assert seen(person) is window.library.list_widget.search
    person.write("lighthouse")
    person.wait(lambda: [each.id for each in table.model_.entries()] == [entry.id])
    person.press(Key.Key_Delete)
    person.press(Key.Key_Backspace)
    assert person.desk.library.entries.get(entry.id).trashed is None
    tab_to(person, table)
    assert [each.id for each in window.library.chosen] == [entry.id]
    person.press(Key.Key_Backspace)
    assert person.desk.library.entries.get(entry.id).trashed is None
    person.press(Key.Key_F10, SHIFT)
    menu = QApplication.activePopupWidget()
    assert menu is not None
    person.qtbot.keyClick(menu, Key.Key_Escape)
    QApplication.processEvents()
    person.come_back()
    person.press(Key.Key_Delete)
    assert person.desk.library.entries.get(entry.id).trashed is not None
    seen(person)
    person.press(Key.Key_K, CTRL)
    person.write("undo")
    person.press(Key.Key_Return)
    assert person.desk.library.entries.get(entry.id).trashed is None
    seen(person)

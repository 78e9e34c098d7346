"""The Chat place on the real desk: the real engine process and the real starter, from the first key to the source."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt, QTimer
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QSplitter
from pytestqt.qtbot import QtBot

from gistdesk.folders import resource
from gistdesk.library import Library
from gistdesk.session.desk import Desk
from gistdesk.settings import Settings
from gistdesk.ui.chat.message import MessageView
from gistdesk.ui.chat.place import ChatPlace
from gistdesk.ui.chat.sources import Citation, PassageCard
from gistdesk.ui.widgets import theme
from gistdesk.ui.window.columns import CHAT, LIBRARY
from gistdesk.ui.window.main import MainWindow
from tests.core.test_documents import pdf_bytes

pytestmark = pytest.mark.release

ENGLISH, KOREAN = (resource("samples") / name for name in ("alice-with-a-note.txt", "korean-with-a-note.txt"))
WAIT_MS = 60_000


@pytest.fixture
def desk(tmp_path: Path, qapp: QApplication) -> Iterator[Desk]:
    theme.apply(qapp, "light")
    desk = Desk(Library(tmp_path / "library"), Settings(threads=1), tmp_path / "settings.toml")
    yield desk
    desk.close()


def test_what_a_gist_lost_is_looked_up_and_cited(desk: Desk, qtbot: QtBot, tmp_path: Path) -> None:
    """Three pages at 400 tokens per gist token, the pass key on the second."""
    lines = [line for line in ENGLISH.read_text(encoding="utf-8").split("\n") if "58203" not in line]
    pages = ["\n".join(lines[start : start + 18]) for start in (0, 18, 36)]
    pages[1] += "\nThe pass key is 71432. Remember it. 71432 is the pass key."
    source = tmp_path / "Alice.pdf"
    source.write_bytes(pdf_bytes(pages))
    window = MainWindow(desk)
    library, place = window.library, window.chat
    qtbot.addWidget(window, before_close_func=_decided)
    window.show()
    [entry_id] = desk.documents.add([source], 400.0)
    qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state == "ready", timeout=WAIT_MS)
    window.show_place(CHAT)
    place.open_new([entry_id])

    def ask() -> MessageView:
        n_before = len(place.transcript.views)
        QTest.keyClicks(place.composer.field, "What is the pass key?")
        QTest.keyClick(place.composer.field, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: len(place.transcript.views) == n_before + 2, timeout=WAIT_MS)
        view = place.transcript.views[-1]
        qtbot.waitUntil(lambda: view.message.state != "writing", timeout=WAIT_MS)
        assert view.message.state == "complete", view.message
        return view

    place.composer.look_up.setFocus()
    QTest.keyClick(place.composer.look_up, Qt.Key.Key_Space)  # it is on by default
    assert "71432" not in ask().text()
    place.new_chat()
    assert place.composer.look_up.isChecked()
    answer = ask()
    assert "71432" in answer.text()
    assert 0 < answer.message.figures["n_passage_tokens"] < 400
    best = answer.findChildren(Citation)[0]
    assert best.accessibleName() == "Open Alice, page 2"
    QTest.keyClick(best, Qt.Key.Key_Return)
    text = library.main_widget.findChild(QPlainTextEdit)
    assert window.place == LIBRARY and library.main_widget.isVisible()
    assert any("71432" in found.cursor.selectedText() for found in text.extraSelections())
    assert desk.idle()


def _decided(window: MainWindow) -> None:
    window.quitting.decided = True
    window.desk.close()
    for timer in window.findChildren(QTimer):
        timer.stop()  # the window itself goes later, when the library is closed
    window.end_places()


def test_from_a_question_to_its_source(desk: Desk, qtbot: QtBot) -> None:
    place, window = ChatPlace(desk), QSplitter()
    for widget in (place.list_widget, place.main_widget, place.inspector_widget):
        window.addWidget(widget)
    qtbot.addWidget(window)
    window.resize(1100, 700)
    window.show()
    ids = desk.documents.add([ENGLISH, KOREAN], 100.0)
    qtbot.waitUntil(lambda: all(desk.library.entries.get(i).state == "ready" for i in ids), timeout=WAIT_MS)

    def ask(text: str) -> str:
        field = place.composer.field
        n_answers = len(place.transcript.views)
        field.setFocus()
        for end in range(1, len(text) + 1):  # as an input method writes: each syllable is composed, then committed
            QCoreApplication.sendEvent(field, QInputMethodEvent(text[end - 1], []))
            commit = QInputMethodEvent("", [])
            commit.setCommitString(text[end - 1])
            QCoreApplication.sendEvent(field, commit)
        qtbot.wait(80)
        QTest.keyClick(field, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: len(place.transcript.views) == n_answers + 2, timeout=WAIT_MS)
        view = place.transcript.views[-1]
        qtbot.waitUntil(lambda: view.message.state != "writing", timeout=WAIT_MS)
        assert view.message.state == "complete", view.message
        return view.text().strip()

    place.open_new([ids[0]])
    assert ask("What is the passkey?") == "58203"
    figures = place.transcript.views[-1].message.figures
    assert figures["n_document_tokens"] / figures["n_slots"] > 90
    place.verify()
    card = place.transcript.views[-1].findChildren(PassageCard)[0]
    with qtbot.waitSignal(place.source_requested) as asked:
        QTest.keyClick(card, Qt.Key.Key_Return)
    (passage,) = asked.args
    assert "58203" in desk.library.texts.pages(passage.entry_id)[passage.page - 1][passage.start : passage.end]

    answer = place.transcript.views[-1]
    answer.act("compare")
    qtbot.waitUntil(lambda: len(answer.answers()) == 2, timeout=WAIT_MS)
    beside = answer.answers()[1]
    qtbot.waitUntil(lambda: beside.message.state != "writing", timeout=WAIT_MS)
    assert beside.message.kind == "full"

    place.open_new([ids[1]])
    assert ask("패스키는 무엇입니까?") == "40917"
    assert desk.idle()

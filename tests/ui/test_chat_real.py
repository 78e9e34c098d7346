"""The Chat place on the real desk: the real engine process and the real starter, from the first key to the source."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QSplitter
from pytestqt.qtbot import QtBot

from gistdesk.core.resources import resource
from gistdesk.library import Library
from gistdesk.settings import Settings
from gistdesk.ui import theme
from gistdesk.ui.chat_place import ChatPlace
from gistdesk.ui.chat_sources import PassageCard
from gistdesk.ui.desk import Desk

ENGLISH, KOREAN = (resource("samples") / name for name in ("alice-with-a-note.txt", "korean-with-a-note.txt"))
WAIT_MS = 60_000


@pytest.fixture
def desk(tmp_path: Path, qapp: QApplication) -> Iterator[Desk]:
    theme.apply(qapp, "light")
    desk = Desk(Library(tmp_path / "library"), Settings(threads=1), tmp_path / "settings.toml")
    yield desk
    desk.close()


def test_from_a_question_to_its_source(desk: Desk, qtbot: QtBot) -> None:
    place, window = ChatPlace(desk), QSplitter()
    for widget in (place.list_widget, place.main_widget, place.inspector_widget):
        window.addWidget(widget)
    qtbot.addWidget(window)
    window.resize(1100, 700)
    window.show()
    ids = desk.add_documents([ENGLISH, KOREAN], 100.0)
    qtbot.waitUntil(lambda: all(desk.library.entry(i).state == "ready" for i in ids), timeout=WAIT_MS)

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
    assert place.transcript.views[-1].message.figures["ratio"] > 90
    place.verify()
    card = place.transcript.views[-1].findChildren(PassageCard)[0]
    with qtbot.waitSignal(place.source_requested) as asked:
        QTest.keyClick(card, Qt.Key.Key_Return)
    entry_id, page, start, end = asked.args
    assert "58203" in desk.library.kept_text(entry_id)[page][start:end]

    answer = place.transcript.views[-1]
    answer.act("compare")
    qtbot.waitUntil(lambda: len(answer.answers()) == 2, timeout=WAIT_MS)
    beside = answer.answers()[1]
    qtbot.waitUntil(lambda: beside.message.state != "writing", timeout=WAIT_MS)
    assert beside.message.kind == "full"

    place.open_new([ids[1]])
    assert ask("패스키는 무엇입니까?") == "40917"
    assert desk.idle()

"""Whatever a reader does, in whatever order: in the end the place shows what the library has, and nothing is lost."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QSplitter
from pytestqt.qtbot import QtBot

from gistdesk.language.i18n import set_language
from gistdesk.protocol import Error
from gistdesk.ui.chat.place import ChatPlace
from gistdesk.ui.widgets import theme
from tests.session.chat_desk import Script, ScriptedDesk, add_document

PIECES = (
    "# Title\n\n",
    "word ",
    "**bold** ",
    "\n\n",
    "- item\n",
    "```py\n",
    "x = 1\n",
    "```\n",
    "> said\n",
    "한국어. ",
)
KEYS = [
    *(Qt.Key.Key_Tab, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Return),
    *(Qt.Key.Key_Escape, Qt.Key.Key_Backspace, Qt.Key.Key_A, Qt.Key.Key_PageUp),
]
ACTIONS = ("copy", "edit", "regenerate", "older", "newer", "branch", "verify", "compare")


@pytest.fixture
def desk(tmp_path: Path, qapp: QApplication) -> Iterator[ScriptedDesk]:
    desk = ScriptedDesk(tmp_path)
    yield desk
    set_language("en")
    theme.apply(qapp, "light")
    for window in desk.windows:
        window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    desk.close()


class Reader:
    """Does something at random."""

    def __init__(self, desk: ScriptedDesk, place: ChatPlace, window: QSplitter, qtbot: QtBot, seed: int) -> None:
        self.desk, self.place, self.window, self.qtbot = desk, place, window, qtbot
        self.random = random.Random(seed)
        self.documents = [add_document(desk.library, f"Lease {i}.pdf", [f"Key {i}"]) for i in range(3)]
        self.deeds: list[Callable[[], object]] = [
            *(self.ask, self.ask, self.ask, self.act, self.act, self.act, self.wait, self.key),
            *(self.open_chat, self.new_chat, self.document, self.delete, self.look, self.scroll, self.search),
            *(place.stop, place.verify, desk.engine.release, lambda: desk.engine.say(self.random.randint(1, 9))),
        ]

    def do(self) -> None:
        self.random.choice(self.deeds)()
        if (popup := QApplication.activePopupWidget()) is not None:
            popup.close()

    def ask(self) -> None:
        draw = self.random
        error = Error("user", "answer", "It failed.", "Try again.") if draw.random() < 0.15 else None
        pieces = draw.choices(PIECES, k=draw.randint(1, 60))
        self.desk.engine.script = Script(pieces, error=error, held=draw.random() < 0.5, delay_ms=draw.choice([0, 2]))
        self.place.composer.field.setPlainText("What is the key?")
        self.place.composer.send()

    def act(self) -> None:
        if self.place.transcript.views:
            self.random.choice(self.place.transcript.views).act(self.random.choice(ACTIONS))

    def wait(self) -> None:
        self.qtbot.wait(self.random.choice([1, 20, 60]))

    def key(self) -> None:
        QTest.keyClick(QApplication.focusWidget() or self.place.composer.field, self.random.choice(KEYS))

    def open_chat(self) -> None:
        if chats := self.place.list_widget.chats():
            self.place.open(self.random.choice(chats).id)

    def new_chat(self) -> None:
        self.place.open_new([entry.id for entry in self.random.sample(self.documents, self.random.randint(0, 2))])

    def document(self) -> None:
        if self.place.chat_id is not None:
            self.place.use_documents([self.random.choice(self.documents).id])

    def delete(self) -> None:
        self.place.list_widget.delete_chosen()
        if self.random.random() < 0.5:
            self.place.list_widget.undo()

    def look(self) -> None:
        set_language(self.random.choice(["en", "ko"]))
        self.window.resize(self.random.randint(600, 1500), self.random.randint(300, 1000))

    def scroll(self) -> None:
        bar = self.place.transcript.verticalScrollBar()
        bar.setValue(self.random.randint(0, bar.maximum()))

    def search(self) -> None:
        self.place.list_widget.search.setText(self.random.choice(["", "key", "nowhere"]))


def built(place: ChatPlace) -> bool:
    """Scrolls up, which builds older messages; whether all of them are there."""
    place.transcript.verticalScrollBar().setValue(0)
    return place.transcript.is_complete()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_shown_is_what_is_stored(desk: ScriptedDesk, qtbot: QtBot, seed: int) -> None:
    place, window = ChatPlace(desk), QSplitter()  # type: ignore[arg-type]
    desk.windows.append(window)
    for widget in (place.list_widget, place.main_widget, place.inspector_widget):
        window.addWidget(widget)
    qtbot.addWidget(window)
    window.show()
    reader = Reader(desk, place, window, qtbot, seed)
    for _ in range(150):
        reader.do()
    desk.engine.release()
    qtbot.waitUntil(lambda: not desk.engine.is_busy(), timeout=20_000)
    reader.new_chat()
    for chat in desk.library.chats.all():
        place.open(chat.id)
        qtbot.waitUntil(lambda: built(place), timeout=20_000)
        path = desk.library.chats.path(chat.id)
        assert [view.id for view in place.transcript.views] == [message.id for message in path]
        assert [view.text() for view in place.transcript.views] == [message.text for message in path]
        assert all(message.state != "writing" for message in path)

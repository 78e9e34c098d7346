"""Look up passages: the box by the composer, the request, the answer with its citations, and the way to the source."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from gistdesk.language.i18n import set_language
from gistdesk.library import Entry
from gistdesk.protocol import Answer, Error, FoundPassage
from gistdesk.ui.chat.place import ChatPlace
from gistdesk.ui.chat.sources import Citation
from gistdesk.ui.widgets import theme
from tests.library.test_gists import DESCRIPTION
from tests.session.chat_desk import Script, ScriptedDesk, add_document
from tests.ui.chat.test_chat_place import PAGES, answers, ask, open_place, wait_idle, words_of

RENT = PAGES[1].index("The rent")
FOUND = (FoundPassage(0, 2, 0, RENT, PAGES[1][:RENT]), FoundPassage(0, 3, 0, 4, PAGES[2][:4]))


@pytest.fixture
def desk(tmp_path: Path, qapp: QApplication) -> Iterator[ScriptedDesk]:
    theme.apply(qapp, "light")
    desk = ScriptedDesk(tmp_path)
    desk.engine.script = Script(found=FOUND)
    yield desk
    for window in desk.windows:
        window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    desk.close()


@pytest.fixture
def lease(desk: ScriptedDesk) -> Entry:
    return add_document(desk.library, "Lease.pdf", PAGES)


@pytest.fixture
def place(desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> ChatPlace:
    """With an open chat about the lease."""
    place = open_place(desk, qtbot)
    place.open_new([lease.id])
    return place


def imported(desk: ScriptedDesk, title: str = "From a friend") -> Entry:
    """A gist that came without its text."""
    path = desk.library.store.folder.parent / f"{title}.gistkv"
    path.write_bytes(title.encode())
    for _ in desk.library.gists.import_file(path, DESCRIPTION | {"title": title}):
        pass
    return desk.library.entries.all()[-1]


def asked(desk: ScriptedDesk) -> Answer:
    return desk.engine.requests[-1]


def citations(place: ChatPlace) -> list[Citation]:
    return [card for card in answers(place)[-1].findChildren(Citation) if card.isVisibleTo(answers(place)[-1])]


def test_the_box_is_the_chats_own_and_is_kept(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    box = place.composer.look_up
    assert box.accessibleName() == "Look up passages" and box.isChecked()  # by default
    first = place.chat_id
    assert first is not None
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Space)
    assert not box.isChecked() and not desk.library.chats.get(first).look_up
    ask(place)
    wait_idle(qtbot, desk, place)
    assert asked(desk).lookup_paths == () and citations(place) == []
    place.open_new([lease.id])
    assert box.isChecked()
    place.open(first)
    assert not box.isChecked()
    again = open_place(desk, qtbot)  # after a restart
    again.open(first)
    assert not again.composer.look_up.isChecked()
    place.toggle_look_up()
    assert box.isChecked() and desk.library.chats.get(first).look_up


def test_an_answer_cites_what_was_read_for_it(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    assert asked(desk).lookup_paths == (str(desk.library.texts.path(lease.id)),)
    assert asked(desk).gists and not asked(desk).text_paths
    first, second = citations(place)
    assert (first.accessibleName(), second.accessibleName()) == ("Open Lease.pdf, page 2", "Open Lease.pdf, page 3")
    words = words_of(answers(place)[-1])
    assert "Passages read after the gist: 2" in words and "The pass key is 58203. Remember it." in words
    assert "from compressed memory and passages" in words
    n_read = sum(len(found.text) for found in FOUND)
    assert f"48,160 → 1,204 gist + {n_read} passage tokens (" in words
    assert answers(place)[-1].message.figures["ratio"] == 48_160 / (1204 + n_read)

    with qtbot.waitSignal(place.source_requested) as chosen:
        QTest.mouseClick(first, Qt.MouseButton.LeftButton)
    (passage,) = chosen.args
    assert (passage.entry_id, passage.page, passage.start, passage.end) == (lease.id, 2, 0, RENT)
    view = answers(place)[-1]
    view.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(view, Qt.Key.Key_Tab)
    (sentence,) = view.main.evidence.cards  # type: ignore[union-attr]
    assert QApplication.focusWidget() is sentence  # above the answer
    QTest.keyClick(sentence, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is first
    with qtbot.waitSignal(place.source_requested) as chosen:
        QTest.keyClick(first, Qt.Key.Key_Return)
    assert chosen.args[0].page == 2
    set_language("ko")
    assert "gist 다음에 읽은 구절: 2개" in words_of(view) and first.accessibleName() == "Lease.pdf, 2쪽 열기"
    set_language("en")


@pytest.mark.parametrize(
    ("stopped", "said"),
    [("end", ""), ("length", "Cut at the length limit"), ("loop", "Ended, as it only repeated itself")],
)
def test_an_answer_that_did_not_end_by_itself_says_so(
    place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot, stopped: str, said: str
) -> None:
    desk.engine.script = Script(("58203. " * 40,), stopped=stopped)
    ask(place)
    wait_idle(qtbot, desk, place)
    words = words_of(answers(place)[-1])
    assert (
        said in words and ("Cut at" in words) == (stopped == "length") and ("Ended, as" in words) == (stopped == "loop")
    )


def test_an_answer_that_was_read_without_the_gist_says_so(place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot) -> None:
    desk.engine.script = Script(("58203",), found=FOUND, passages_alone=True)
    ask(place)
    wait_idle(qtbot, desk, place)
    words = words_of(answers(place)[-1])
    assert "compressed memory" not in words and "from passages of the text" in words
    assert "Passages read in place of the gist: 2" in words and "after the gist" not in words
    assert "tokens of the text, without the gist" in words


def test_what_an_answer_is_written_from_is_not_said_before_it_is_known(
    place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot
) -> None:
    desk.engine.script = Script(("58203",), found=FOUND, held=True, passages_alone=True)
    ask(place)
    desk.engine.say(3)
    qtbot.waitUntil(lambda: bool(answers(place)))
    assert "compressed memory and" not in words_of(answers(place)[-1])
    desk.engine.release()
    wait_idle(qtbot, desk, place)


def test_the_sentence_stands_there_before_the_model_has_said_a_word(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot
) -> None:
    assert place.composer.look_up.isChecked()  # by default, where the text is kept
    code = PAGES[1][PAGES[1].index("The rent") :]
    whole = FoundPassage(0, 2, 0, len(PAGES[1]), PAGES[1])
    desk.engine.script = Script(["58203"], found=(whole,), held=True)
    place.composer.field.setPlainText("What is the pass key?")
    place.composer.send()
    desk.engine.say(3)  # loading, looking up, and what was found
    qtbot.waitUntil(lambda: bool(answers(place)) and bool(answers(place)[0].main.evidence.cards))  # type: ignore[union-attr]
    view = answers(place)[0]
    assert view.text() == "" and view.message.state == "writing"
    assert "Relevant sentence:" in words_of(view)
    (card,) = view.main.evidence.cards  # type: ignore[union-attr]
    assert "58203" in card._passage.text and len(card._passage.text) < len(code)
    desk.engine.release()
    wait_idle(qtbot, desk, place)
    assert "Found in the document:" in words_of(answers(place)[0])


def test_what_a_gist_recites_is_said_to_be_no_text(place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot) -> None:
    desk.engine.script = Script(("58203",), held=True, recites=True)
    place.toggle_look_up()
    place.composer.field.setPlainText("What is the pass key?")
    place.composer.send()
    desk.engine.say(2)  # loading, and reciting
    qtbot.waitUntil(
        lambda: bool(answers(place)) and "Reciting the text from the gist 40%" in words_of(answers(place)[0])
    )
    desk.engine.release()
    wait_idle(qtbot, desk, place)
    words = words_of(answers(place)[0])
    assert "from what the gist recites" in words and "compressed memory" not in words
    assert "48,160 → 1,204 gist tokens (40x)" in words
    assert "passage" not in words and "prefill saved" not in words  # it read its own words, and that took time
    assert asked(desk).lookup_paths == ()


def test_citations_stay_with_the_answer(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    chat_id, message_id = place.chat_id, answers(place)[-1].id
    assert chat_id is not None
    exported = desk.library.chats.export(chat_id, "markdown")
    assert "- Lease.pdf, page 2: “The pass key is 58203. Remember it.”" in exported
    assert "58203. Remember" in json.dumps(json.loads(desk.library.chats.export(chat_id, "json")))
    assert desk.library.chats.all(search="passkey") and not desk.library.chats.all(search="Remember")

    desk.engine.script = Script(("Another.",), found=FOUND[1:])
    place.regenerate()
    wait_idle(qtbot, desk, place)
    assert [card.accessibleName() for card in citations(place)] == ["Open Lease.pdf, page 3"]
    answers(place)[-1].act("older")
    assert answers(place)[-1].id == message_id and len(citations(place)) == 2
    place.composer.look_up.click()
    place.regenerate()
    wait_idle(qtbot, desk, place)
    assert citations(place) == [] and "from compressed memory · adapter" in words_of(answers(place)[-1])

    answers(place)[-1].act("older")
    answers(place)[-1].act("older")
    answers(place)[-1].act("branch")
    assert place.chat_id != chat_id and len(citations(place)) == 2
    desk.library.entries.trash([lease.id])
    desk.library.disk.empty_trash()  # what was read is still told
    place._refresh()
    assert len(citations(place)) == 2


def test_a_stopped_answer_keeps_what_was_read(place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot) -> None:
    desk.engine.script = Script(held=True, found=FOUND)
    ask(place)
    desk.engine.say(2)
    assert "Looking up passages 30%" in words_of(answers(place)[-1])
    assert citations(place) == []
    desk.engine.say(4)
    assert (
        len(desk.library.chats.message(answers(place)[-1].id).passages or ()) == 2
    )  # a crash of the window loses nothing
    place.stop()
    wait_idle(qtbot, desk, place)
    assert answers(place)[-1].message.state == "stopped" and len(citations(place)) == 2
    desk.engine.script = Script(found=FOUND, error=Error("crash", "answer", "It ended.", ""))
    place.regenerate()
    wait_idle(qtbot, desk, place)
    assert answers(place)[-1].message.state == "failed" and len(citations(place)) == 2


def test_where_nothing_is_found_it_says_so(place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot) -> None:
    desk.engine.script = Script()
    ask(place)
    wait_idle(qtbot, desk, place)
    words = words_of(answers(place)[-1])
    assert citations(place) == [] and "No passage has words of the question" in words
    assert "1,204 gist tokens" in words and "passage tokens" not in words


def test_where_nothing_was_read_it_claims_no_source(place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot) -> None:
    """Before: "from compressed memory", "written from the gist alone" and, below, "without the gist"."""
    desk.engine.script = Script(passages_alone=True)
    ask(place)
    wait_idle(qtbot, desk, place)
    words = words_of(answers(place)[-1])
    assert "no passage suits the question" in words and "nothing was read" in words
    assert "from compressed memory" not in words and "gist alone" not in words


def test_several_documents_and_one_text_twice(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    other = add_document(desk.library, "House rules.pdf", ["Quiet after ten."])
    copy = add_document(desk.library, "Lease, copy.pdf", PAGES)
    place.use_documents([copy.id, other.id])
    desk.engine.script = Script(found=[FoundPassage(1, 1, 0, 5, "Quiet"), FOUND[0]])
    ask(place)
    wait_idle(qtbot, desk, place)
    paths = [str(desk.library.texts.path(entry.id)) for entry in (lease, other)]
    assert list(asked(desk).lookup_paths) == paths
    assert [card.accessibleName() for card in citations(place)] == [
        "Open House rules.pdf, page 1",
        "Open Lease.pdf, page 2",
    ]


def test_a_gist_without_its_text_says_why_nothing_is_looked_up(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot
) -> None:
    composer, alone = place.composer, imported(desk)
    place.open_new([alone.id])

    def note() -> str:
        found = [w.text() for w in composer.findChildren(QLabel) if w.isVisibleTo(composer)]
        return next((text for text in found if "looked up" in text), "")

    assert "it came as a gist file" in composer.look_up.toolTip()
    composer.look_up.click()
    assert not note()
    composer.look_up.click()
    assert note() == "Nothing can be looked up in From a friend: it came as a gist file, without its text."
    assert note() in composer.look_up.accessibleDescription()
    ask(place)
    wait_idle(qtbot, desk, place)
    assert asked(desk).lookup_paths == () and asked(desk).gists
    assert citations(place) == [] and answers(place)[-1].message.passages is None
    place.use_documents([lease.id])
    assert "From a friend" in note() and "Lease" not in note()
    ask(place)
    wait_idle(qtbot, desk, place)
    assert asked(desk).lookup_paths == (str(desk.library.texts.path(lease.id)),)
    assert citations(place)[0].accessibleName() == "Open Lease.pdf, page 2"


def test_the_answer_from_the_full_text_looks_nothing_up(place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    answers(place)[-1].act("compare")
    wait_idle(qtbot, desk, place)
    assert asked(desk).text_paths and not asked(desk).lookup_paths
    beside = answers(place)[-1].answers()[1]
    assert beside.message.kind == "full" and beside.citations.cards == []

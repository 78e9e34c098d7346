"""The Chat place with the real library and a scripted engine: what a reader does, by mouse and by keyboard."""

import html
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QFileDialog,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QPlainTextEdit,
    QSplitter,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from gistdesk.core.lexical import terms_of
from gistdesk.language.i18n import set_language
from gistdesk.library import Entry, Message, Passage
from gistdesk.protocol import Error
from gistdesk.ui.chat.markdown import MarkdownView
from gistdesk.ui.chat.message import MessageView
from gistdesk.ui.chat.pills import DocumentPicker, Pill
from gistdesk.ui.chat.place import ChatPlace
from gistdesk.ui.chat.sources import marked
from gistdesk.ui.chat.words import pill_words
from gistdesk.ui.widgets import theme
from tests.session.chat_desk import Script, ScriptedDesk, add_document

PAGES = [
    "The landlord lets the flat.",
    "The pass key is 58203. Remember it. The rent is 1,250 euros.",
    "비밀번호는 40917입니다.",
]


@pytest.fixture
def desk(tmp_path: Path, qapp: QApplication) -> Iterator[ScriptedDesk]:
    theme.apply(qapp, "light")
    desk = ScriptedDesk(tmp_path)
    yield desk
    for window in desk.windows:
        window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    desk.close()


@pytest.fixture
def place(desk: ScriptedDesk, qtbot: QtBot) -> ChatPlace:
    return open_place(desk, qtbot)


def open_place(desk: ScriptedDesk, qtbot: QtBot) -> ChatPlace:
    place = ChatPlace(desk)
    window = QSplitter()
    desk.windows.append(window)
    for widget in (place.list_widget, place.main_widget, place.inspector_widget):
        window.addWidget(widget)
    window.setSizes([240, 700, 260])
    window.resize(1200, 720)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    return place


@pytest.fixture
def lease(desk: ScriptedDesk) -> Entry:
    return add_document(desk.library, "Lease.pdf", PAGES)


@pytest.fixture
def chat(place: ChatPlace, lease: Entry) -> int:
    """An open chat about the lease, answered from the gist alone."""
    chat_id = place.open_new([lease.id])
    assert chat_id is not None
    place.toggle_look_up()
    return chat_id


def ask(place: ChatPlace, text: str = "What is the pass key?") -> None:
    place.composer.field.setFocus()
    QTest.keyClicks(place.composer.field, text)
    QTest.keyClick(place.composer.field, Qt.Key.Key_Return)


def wait_idle(qtbot: QtBot, desk: ScriptedDesk, place: ChatPlace) -> None:
    """Until every answer is over and shown."""
    qtbot.waitUntil(lambda: not place.composer._busy and not desk.engine.is_busy(), timeout=5000)
    qtbot.wait(5)


def answers(place: ChatPlace) -> list[MessageView]:
    return [view for view in place.transcript.views if view.message.role == "assistant"]


def words_of(widget: QWidget) -> str:
    """All that can be read in a widget."""
    found = [w.text() for w in widget.findChildren(QLabel) if w.isVisibleTo(widget)]
    found += [w.toPlainText() for w in widget.findChildren(QTextEdit) if w.isVisibleTo(widget)]
    found += [w.toPlainText() for w in widget.findChildren(QPlainTextEdit) if w.isVisibleTo(widget)]
    found += [w.text() for w in widget.findChildren(QAbstractButton) if w.isVisibleTo(widget)]
    return "\n".join(found)


def test_what_the_place_says_while_it_is_empty(place: ChatPlace, qtbot: QtBot) -> None:
    assert "No chats yet" in words_of(place.main_widget)
    place.new_chat()
    assert "Answers need a document" in words_of(place.main_widget)
    QTest.keyClicks(place.composer.field, "What?")
    QTest.keyClick(place.composer.field, Qt.Key.Key_Return)
    assert place.composer.field.toPlainText() == "What?"
    with qtbot.waitSignal(place.documents_requested):  # the library has none: the window is asked for files
        place.add_documents()
    assert len(place.list_widget.chats()) == 1
    place.new_chat()  # the empty chat is a new one already
    assert len(place.list_widget.chats()) == 1


def test_documents_are_put_in_and_taken_out(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    other = add_document(desk.library, "Annex.md", n_slots=88)
    place.new_chat()
    place.add_documents()
    picker = place.main_widget.findChild(DocumentPicker)
    search = picker.findChild(QLineEdit)
    QTest.keyClicks(search, "lea")
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert desk.library.chats.get(place.chat_id or 0).entry_ids == (lease.id,)
    place.use_documents([other.id])
    pills = place.composer.pills.findChildren(Pill)
    assert "Lease.pdf – 1,204 gist tokens, not measured yet · adapter" in [pill.accessibleName() for pill in pills]
    assert "Annex.md – 88 gist tokens, not measured yet · adapter" in [pill.accessibleName() for pill in pills]
    next(pill for pill in pills if "Lease" in pill.accessibleName()).findChild(QAbstractButton).click()
    assert desk.library.chats.get(place.chat_id or 0).entry_ids == (other.id,)
    desk.library.entries.set_job(other.id, model="starter", ratio=10.0)
    desk.library.entries.set_state(other.id, "compressing")
    desk.library.entries.set_progress(other.id, 41, 100)
    desk.documents.one_changed.emit(other.id)
    assert "Annex.md – 88 gist tokens, not measured yet · adapter · compressing 41%" in words_of(place.composer)


def test_a_gist_that_lost_its_facts_is_said_to(place: ChatPlace, desk: ScriptedDesk, lease: Entry, chat: int) -> None:
    assert "1,204 gist tokens, not measured yet" in words_of(place.composer)
    assert lease.gist is not None
    desk.library.recalls.keep(lease.gist.id, {"n": 39, "kept": 0})
    desk.documents.one_changed.emit(lease.id)
    said = words_of(place.composer)
    assert "unreliable (0/39)" in said and "answers from it alone are guesses" in said
    desk.library.recalls.keep(lease.gist.id, {"n": 12, "kept": 7})
    desk.documents.one_changed.emit(lease.id)
    assert "partly reliable (7/12)" in words_of(place.composer)


def test_chip_and_answer_say_how_the_gist_was_made(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, chat: int, qtbot: QtBot
) -> None:
    assert "not measured yet · adapter" in words_of(place.composer)
    ask(place)
    wait_idle(qtbot, desk, place)
    assert "from compressed memory · adapter" in words_of(place.main_widget)
    assert lease.gist is not None
    trained = replace(lease, gist=replace(lease.gist, method="refined", agreement=0.92, agreement_before=0.7))
    assert pill_words(trained).endswith("recites 92% of its text · trained")


def test_an_answer_comes(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    desk.engine.script = Script(held=True)
    ask(place)
    assert [m.role for m in desk.library.chats.path(chat)] == ["user", "assistant"]  # stored before a word has come
    assert desk.library.chats.path(chat)[0].text == "What is the pass key?"
    assert place.composer.field.toPlainText() == ""
    assert "Waiting for the engine" in words_of(place.main_widget)
    desk.engine.say(1)
    assert "Loading model 40%" in words_of(place.main_widget)
    desk.engine.say(1)
    assert "Loading gist" in words_of(place.main_widget)
    desk.engine.say(1)
    assert "Writing" in words_of(place.main_widget)
    assert "Stop" in words_of(place.composer)
    desk.engine.say(1)
    qtbot.waitUntil(lambda: "The passkey" in words_of(answers(place)[0]), timeout=1000)
    QTest.keyClicks(place.composer.field, "next")
    QTest.keyClick(place.composer.field, Qt.Key.Key_Return)  # not now
    assert place.composer.field.toPlainText() == "next"
    desk.engine.release()
    wait_idle(qtbot, desk, place)
    said = words_of(answers(place)[0])
    assert "The passkey is 58203." in said
    assert "from compressed memory" in said
    assert "TTFT 1.22 s, 0.40 s of it reading  ·  23.4 tokens/s" in said
    assert "48,160 → 1,204 gist tokens (40x)  ·  prefill saved: 20 s" in said
    assert "Send" in words_of(place.composer)


def test_esc_stops_and_what_has_come_is_kept(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    desk.engine.script = Script(["One ", "two ", "three"], held=True)
    ask(place)
    desk.engine.say(4)
    QTest.keyClick(place.composer.field, Qt.Key.Key_Escape)
    wait_idle(qtbot, desk, place)
    assert desk.library.chats.path(chat)[1].state == "stopped"
    said = words_of(answers(place)[0])
    assert "One" in said
    assert "Stopped" in said
    QTest.keyClick(place.composer.field, Qt.Key.Key_Escape)  # nothing to stop


def test_a_failed_answer_says_why_and_can_be_retried(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot
) -> None:
    desk.engine.script = Script(
        ["Half"], error=Error("out_of_memory", "answer", "3.1 GB needed, 1.2 free.", "Unload.", details="Trace")
    )
    ask(place)
    wait_idle(qtbot, desk, place)
    said = words_of(answers(place)[0])
    assert "3.1 GB needed, 1.2 free." in said
    assert "Unload." in said
    assert "Half" in said
    buttons = {b.text(): b for b in answers(place)[0].findChildren(QAbstractButton) if b.isVisible()}
    buttons["Details"].click()
    copy = next(b for b in answers(place)[0].findChildren(QAbstractButton) if b.text() == "Copy details")
    copy.click()
    assert "Trace" in QGuiApplication.clipboard().text()
    desk.engine.script = Script()
    buttons["Retry"].click()
    wait_idle(qtbot, desk, place)
    assert "58203" in words_of(answers(place)[0])
    assert desk.library.chats.path(chat)[1].n_versions == 2


def test_versions_of_answers_and_questions(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    desk.engine.script = Script(["Another answer."])
    QTest.keyClick(place.composer.field, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    wait_idle(qtbot, desk, place)
    view = answers(place)[0]
    assert "Another answer." in words_of(view)
    assert "2 / 2" in words_of(view)
    assert desk.engine.requests[-1].temperature == 0.7 and desk.engine.requests[0].temperature == 0.0
    assert "another version: temperature 0.70" in words_of(view)  # the inspector says 0.00
    assert not view.act("newer")
    assert view.act("older")
    view = answers(place)[0]
    assert "58203" in words_of(view)
    assert QApplication.focusWidget() is view
    assert view.act("newer")

    question = place.transcript.views[0]
    QTest.keyClick(question, Qt.Key.Key_F2)
    field = question.findChild(QPlainTextEdit)
    assert QApplication.focusWidget() is field
    QTest.keyClicks(field, " Please.")
    QTest.keyClick(field, Qt.Key.Key_Return)
    wait_idle(qtbot, desk, place)
    path = desk.library.chats.path(chat)
    assert path[0].text == "What is the pass key? Please."
    assert (path[0].version, path[0].n_versions) == (2, 2)
    place.transcript.views[0].act("older")
    assert [m.text for m in desk.library.chats.path(chat)] == ["What is the pass key?", "Another answer."]


def test_an_edit_that_is_left_changes_nothing(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    question = place.transcript.views[0]
    question.act("edit")
    field = question.findChild(QPlainTextEdit)
    QTest.keyClicks(field, "x")
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert "What is the pass key?" in words_of(question)
    assert desk.library.chats.path(chat)[0].n_versions == 1
    assert QApplication.focusWidget() is question


def test_copy_and_branch(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    answers(place)[0].act("copy")
    assert QGuiApplication.clipboard().text() == "The passkey is **58203**."
    QTest.keyClick(place.transcript.views[0], Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "What is the pass key?"
    answers(place)[0].act("branch")
    assert place.chat_id != chat
    assert [m.text for m in desk.library.chats.path(place.chat_id or 0)] == [
        m.text for m in desk.library.chats.path(chat)
    ]
    assert len(place.list_widget.chats()) == 2


def test_verify_in_source(place: ChatPlace, desk: ScriptedDesk, chat: int, lease: Entry, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(place.composer.field, Qt.Key.Key_F, keys)
    cards = answers(place)[0]._sources.cards  # type: ignore[union-attr]
    assert "Lease.pdf, page 2" in words_of(cards[0])
    assert "58203</span>" in words_of(cards[0])  # marked
    assert QApplication.focusWidget() is cards[0]
    with qtbot.waitSignal(place.source_requested) as asked:
        QTest.keyClick(cards[0], Qt.Key.Key_Return)
    (passage,) = asked.args
    assert (passage.entry_id, passage.page) == (lease.id, 2)
    assert "58203" in desk.library.texts.pages(lease.id)[1][passage.start : passage.end]
    with qtbot.waitSignal(place.source_requested):
        QTest.mouseClick(cards[0], Qt.MouseButton.LeftButton, pos=QPoint(20, 10))
    place.verify()
    assert not answers(place)[0].shows_passages()


@pytest.mark.parametrize(
    ("searched", "text", "marks"),
    [
        ("58203", "Key 58203, not 582031 or 1,582.", ["58203"]),
        ("1", "Pages 1 and 1,250.", []),
        ("working", "Works on a workday, not homework.", ["Works", "workday"]),
        ("비밀번호는 40917입니다.", "비밀번호를 잊지 마세요: 40917", ["비밀번호", "40917"]),
        ("<b>", "a <b> c", []),
    ],
)
def test_what_was_searched_for_is_marked(searched: str, text: str, marks: list[str]) -> None:
    shown = marked(text, terms_of(searched))
    assert re.findall(r"<span[^>]*>(.*?)</span>", shown) == marks
    assert html.unescape(re.sub(r"</?span[^>]*>", "", shown)) == text


def test_an_excerpt_begins_at_a_word() -> None:
    words = [f"wonderful{i}" for i in range(60)]
    for n in range(40, 55):
        shown = re.sub(r"</?span[^>]*>", "", marked(" ".join([*words[:n], "58203", *words[n:]]), terms_of("58203")))
        dots, first, *rest = shown.split()
        assert dots == "…" and first in words and "58203" in rest


def test_an_excerpt_ends_at_a_word() -> None:
    words = [f"wonderful{i}" for i in range(60)]
    for n in range(8):
        *_, last, dots = marked("x" * n + " " + " ".join(words), []).split()
        assert last in words and dots == "…"


def test_nonsense_is_flagged_by_itself(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    """Before, an answer that is nowhere in the text looked like any other until somebody clicked Verify."""
    place.open_new([lease.id])
    desk.engine.script = Script(["70822"])
    ask(place)
    wait_idle(qtbot, desk, place)
    view = answers(place)[0]
    assert "Not found in the document: 70822" in words_of(view)
    view.act("verify")
    assert "The answer is not in the text" in words_of(view) and "Nowhere in it: 70822" in words_of(view)
    assert "Places in the documents" not in words_of(view)

    desk.engine.script = Script(["The code is 58203."])
    ask(place)
    wait_idle(qtbot, desk, place)
    view = answers(place)[1]
    assert "Found in the document:" in words_of(view) and "Lease.pdf, page 2" in words_of(view)
    chosen: list[Passage] = []
    place.source_requested.connect(chosen.append)
    (card,) = view.main.evidence.cards  # type: ignore[union-attr]
    assert card in view.focus_chain()
    QTest.keyClick(card, Qt.Key.Key_Return)
    assert (chosen[0].entry_id, chosen[0].page) == (lease.id, 2) and "58203" in chosen[0].text

    desk.engine.script = Script(["Yes."])
    ask(place)
    wait_idle(qtbot, desk, place)
    assert "found in the document" not in words_of(answers(place)[2]).lower()


def test_words_of_the_question_that_the_text_does_not_have_are_named(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot
) -> None:
    """Before, the sentence about E4 was an answer about E7 like any other: found in the document, in green."""
    place.open_new([lease.id])
    desk.engine.script = Script(["The pass key is 58203."])
    ask(place, "What is the key of the garage?")
    wait_idle(qtbot, desk, place)
    assert "Found in the document, which does not mention: garage" in words_of(answers(place)[0])
    desk.engine.script = Script(["Somebody sells blue ladders."])
    ask(place, "Who is the caretaker?")
    wait_idle(qtbot, desk, place)
    assert "The document does not mention: caretaker" in words_of(answers(place)[1])
    set_language("de")
    try:
        assert "Im Dokument gefunden, aber es erwähnt nicht: garage" in words_of(answers(place)[0])
    finally:
        set_language("en")


def test_what_the_model_cannot_do_is_said_and_not_tried(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot
) -> None:
    place.open_new([lease.id])
    assert "It cannot explain" in words_of(place.main_widget)  # in the empty chat
    place.composer.field.setPlainText("Explain this document")
    place.composer.send()
    wait_idle(qtbot, desk, place)
    view = answers(place)[0]
    assert not desk.engine.requests and "It cannot explain" in words_of(view)
    wanted: list[bool] = []
    place.models_requested.connect(lambda: wanted.append(True))
    buttons = {button.text(): button for button in view.findChildren(QAbstractButton) if button.isVisible()}
    buttons["Choose another model"].click()
    assert wanted
    buttons["Ask anyway"].click()
    wait_idle(qtbot, desk, place)
    assert len(desk.engine.requests) == 1 and desk.engine.requests[0].temperature == 0.0
    assert "58203" in words_of(answers(place)[0])


def test_verify_finds_korean_and_says_when_nothing_is_found(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot
) -> None:
    desk.engine.script = Script(["비밀번호는 40917입니다."])
    ask(place, "?")
    wait_idle(qtbot, desk, place)
    place.verify()
    assert "Lease.pdf, page 3" in words_of(answers(place)[0])
    desk.engine.script = Script(["Zyzzyva quokka."])
    ask(place, "Xylophone?")
    wait_idle(qtbot, desk, place)
    place.composer.field.setFocus()
    place.verify()
    said = words_of(answers(place)[1])
    assert "The answer is not in the text" in said and "Nowhere in it: Zyzzyva." in said


def test_compare_with_full_text(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    desk.engine.script = Script(["The text says ", "58203, too."], held=True, prefill_s=30.4)
    answers(place)[0].act("compare")
    assert desk.engine.requests[-1].text_paths
    desk.engine.say(2)
    assert "Reading the full text" in words_of(answers(place)[0])
    desk.engine.say(2)
    desk.engine.release()
    wait_idle(qtbot, desk, place)
    main, beside = answers(place)[0].answers()
    assert "58203, too." in words_of(beside)
    assert "from the full text" in words_of(beside)
    assert "TTFT 31 s, 30 s of it reading" in words_of(beside)  # the reader has waited for both
    assert beside.mapTo(answers(place)[0], QPoint()).x() > main.mapTo(answers(place)[0], QPoint()).x() + 200
    n_requests = len(desk.engine.requests)
    answers(place)[0].act("compare")
    assert len(answers(place)[0].answers()) == 1
    answers(place)[0].act("compare")  # it is kept
    assert "58203, too." in words_of(answers(place)[0])
    assert len(desk.engine.requests) == n_requests
    assert [m.role for m in desk.library.chats.path(chat)] == ["user", "assistant"]


def test_a_comparison_is_stopped_by_esc(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    desk.engine.script = Script(["Long"], held=True)
    answers(place)[0].act("compare")
    desk.engine.say(4)
    assert "Stop" in words_of(place.composer)
    place.focus_composer()
    QTest.keyClick(place.composer.field, Qt.Key.Key_Escape)
    wait_idle(qtbot, desk, place)
    assert "Stopped" in words_of(answers(place)[0])


def test_an_answer_goes_on_while_another_chat_is_read(
    place: ChatPlace, desk: ScriptedDesk, chat: int, lease: Entry, qtbot: QtBot
) -> None:
    desk.engine.script = Script(["One ", "two ", "three ", "four"], held=True)
    ask(place)
    desk.engine.say(4)
    QTest.keyClicks(place.composer.field, "a draft")
    other = place.open_new([lease.id])
    assert place.composer.field.toPlainText() == ""
    assert "Send" in words_of(place.composer)
    desk.engine.say(1)
    place.open(chat)
    assert place.composer.field.toPlainText() == "a draft"
    assert "Stop" in words_of(place.composer)
    assert "Writing" in words_of(answers(place)[0])
    qtbot.waitUntil(lambda: "One two" in words_of(answers(place)[0]), timeout=1000)
    desk.engine.say(1)
    qtbot.waitUntil(lambda: "One two three" in words_of(answers(place)[0]), timeout=1000)
    assert other is not None
    place.open(other)
    desk.engine.release()
    qtbot.waitUntil(lambda: desk.library.chats.path(chat)[1].state == "complete", timeout=2000)
    place.open(chat)
    assert "One two three four" in words_of(answers(place)[0])


def test_what_is_read_stays_in_place_while_an_answer_grows(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot
) -> None:
    desk.engine.script = Script(["A paragraph of words.\n\n"] * 60)
    ask(place)
    wait_idle(qtbot, desk, place)
    bar = place.transcript.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 200 and bar.value() == bar.maximum(), timeout=2000)
    desk.engine.script = Script(["More paragraphs of words.\n\n"] * 60, delay_ms=5)
    ask(place)
    qtbot.waitUntil(lambda: len(answers(place)) == 2 and len(answers(place)[1].text()) > 300, timeout=3000)
    assert bar.value() >= bar.maximum() - 30  # followed
    bar.setValue(bar.maximum() // 2)
    view = place.transcript.views[1]
    before = view.mapTo(place.transcript.viewport(), QPoint()).y()
    n_before = len(answers(place)[1].text())
    wait_idle(qtbot, desk, place)
    assert len(answers(place)[1].text()) > n_before
    assert view.mapTo(place.transcript.viewport(), QPoint()).y() == before  # not followed any more
    to_end = next(b for b in place.transcript.findChildren(QAbstractButton) if b.text() == "Jump to the end")
    assert to_end.isVisible()
    QTest.keyClick(view, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: bar.value() == bar.maximum(), timeout=1000)
    assert not to_end.isVisible()
    QTest.keyClick(place.composer.field, Qt.Key.Key_PageUp)
    assert bar.value() < bar.maximum() - 200
    to_end.click()
    assert bar.value() == bar.maximum()


def test_pieces_are_drawn_together_30_times_a_second(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_drawn = 0
    grow = MarkdownView.grow

    def count(view: MarkdownView, text: str) -> bool:
        nonlocal n_drawn
        n_drawn += 1
        return grow(view, text)

    monkeypatch.setattr(MarkdownView, "grow", count)
    desk.engine.script = Script(["word "] * 600, delay_ms=1)
    begun = time.monotonic()
    ask(place)
    wait_idle(qtbot, desk, place)
    assert 3 < n_drawn < 32 * (time.monotonic() - begun) + 3
    assert len(answers(place)[0].text()) == 3000


def fill(desk: ScriptedDesk, entry: Entry, n_messages: int) -> int:
    chat = desk.library.chats.add([entry.id], title="Long")
    parent: Message | None = None
    for i in range(n_messages):
        role = "user" if i % 2 == 0 else "assistant"
        text = f"Question {i}?" if i % 2 == 0 else f"Answer **{i}** with `code`.\n\n- one\n- two\n\n```\nx = {i}\n```\n"
        parent = desk.library.chats.add_message(chat.id, parent_id=parent and parent.id, role=role, text=text)  # type: ignore[arg-type]
    return chat.id


class Gaps:
    """The longest work between ticks of a timer, in seconds of this process: others may be busy, too."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._last_s = time.process_time()
        self._timer = QTimer()
        self._timer.timeout.connect(self._on_timeout)
        self._timer.start(0)

    def _on_timeout(self) -> None:
        now_s = time.process_time()
        self.longest_s, self._last_s = max(self.longest_s, now_s - self._last_s), now_s


def test_a_chat_of_500_messages_opens_quickly(desk: ScriptedDesk, place: ChatPlace, lease: Entry, qtbot: QtBot) -> None:
    chat_id = fill(desk, lease, 500)
    begun = time.process_time()
    place.open(chat_id)
    took_s = time.process_time() - begun
    assert took_s < 0.15, took_s  # a tenth of it on a quiet core
    gaps = Gaps()
    qtbot.wait(300)
    assert "Answer 499" in words_of(place.transcript.views[-1])
    assert len(place.transcript.views) < 100
    bar = place.transcript.verticalScrollBar()
    assert bar.value() == bar.maximum()
    for _ in range(3):  # scrolling up builds more, and what is read stays
        bar.setValue(0)
        view = place.transcript.views[0]
        before = view.mapTo(place.transcript.viewport(), QPoint()).y()
        n_before = len(place.transcript.views)
        qtbot.waitUntil(lambda n=n_before: len(place.transcript.views) > n, timeout=1000)  # type: ignore[misc]
        qtbot.wait(30)
        assert abs(view.mapTo(place.transcript.viewport(), QPoint()).y() - before) < 40
    assert gaps.longest_s < 0.1, gaps.longest_s


def test_the_list_of_chats(place: ChatPlace, desk: ScriptedDesk, lease: Entry, qtbot: QtBot) -> None:
    first, second = place.open_new([lease.id]), None
    ask(place, "About the rent")
    wait_idle(qtbot, desk, place)
    second = place.open_new([lease.id])
    desk.engine.script = Script(["보증금은 삼백만 원입니다."])
    ask(place, "Deposit?")
    wait_idle(qtbot, desk, place)
    qtbot.waitUntil(lambda: [c.title for c in place.list_widget.chats()] == ["Deposit?", "About the rent"])
    place.focus_find()
    QTest.keyClicks(QApplication.focusWidget(), "rent")
    qtbot.waitUntil(lambda: [c.id for c in place.list_widget.chats()] == [first])
    place.list_widget.search.setText("보증금")
    qtbot.waitUntil(lambda: [c.id for c in place.list_widget.chats()] == [second])
    place.list_widget.search.setText("nowhere")
    qtbot.waitUntil(lambda: "No chat has these words." in words_of(place.list_widget))
    place.list_widget.search.clear()
    qtbot.waitUntil(lambda: len(place.list_widget.chats()) == 2)

    view = place.list_widget.view
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert place.chat_id == first
    QTest.keyClick(view, Qt.Key.Key_F2)
    QTest.keyClicks(QApplication.focusWidget(), "Rent")
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: desk.library.chats.get(first or 0).title == "Rent")
    qtbot.waitUntil(lambda: place.inspector_widget.title.text() == "Rent")
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    assert len(desk.library.chats.all()) == 2
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert [c.id for c in desk.library.chats.all()] == [second]
    assert place.chat_id == second
    assert "Deleted: Rent" in words_of(place.list_widget)
    next(b for b in place.list_widget.findChildren(QAbstractButton) if b.text() == "Undo").click()
    assert len(desk.library.chats.all()) == 2
    assert place.chat_id == first
    for _ in range(2):
        place.list_widget.delete_chosen()
        qtbot.wait(5)
    assert place.chat_id is None
    assert "No chats yet" in words_of(place.main_widget)


def test_a_deleted_chat_is_in_the_trash(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    """Before, it was gone once the strip with Undo was."""
    ask(place)
    wait_idle(qtbot, desk, place)
    chats = place.list_widget
    assert chats._trash.isHidden()
    chats.delete_chosen()
    chats._undo_timer.timeout.emit()
    qtbot.waitUntil(lambda: not chats._trash.isHidden())
    assert chats._undo_strip.isHidden() and chats.chats() == [] and place.chat_id is None
    assert chats._trash.text() == "Trash (1)"
    chats._trash.click()
    assert [each.id for each in chats.chats()] == [chat] and place.chat_id is None
    chats.view.setCurrentIndex(chats.view.model().index(0, 0))
    QTest.keyClick(chats.view, Qt.Key.Key_Return)
    assert place.chat_id == chat and not chats.in_trash and chats._trash.isHidden()
    assert "58203" in words_of(place.transcript)


def test_a_chat_that_is_opened_from_elsewhere_leaves_the_trash(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, chat: int
) -> None:
    chats = place.list_widget
    chats.delete_chosen()
    chats._trash.click()
    assert chats.in_trash
    new = place.open_new((lease.id,))
    assert not chats.in_trash and [each.id for each in chats.chats()] == [new]


def test_what_has_to_be_compressed_again_is_so_from_the_chat(
    place: ChatPlace, desk: ScriptedDesk, lease: Entry, chat: int, qtbot: QtBot
) -> None:
    desk.library.entries.set_state(lease.id, "outdated")
    ask(place)
    wait_idle(qtbot, desk, place)
    buttons = {button.text(): button for button in answers(place)[0].findChildren(QAbstractButton)}
    buttons["Recompress"].click()
    assert desk.recompressed == [lease.id]


def test_the_composer_tells_its_keys_and_counts(place: ChatPlace, chat: int) -> None:
    assert "Enter sends · Shift+Enter begins a new line" in words_of(place.composer)
    assert "tokens" not in place.composer._count.text()
    place.composer.field.setPlainText("What is the pass key of the flat in Harbour Street?")
    assert place.composer._count.text() == "about 13 tokens"
    place.composer.field.setPlainText("비밀번호는 무엇입니까?")
    assert place.composer._count.text() == "about 8 tokens"


def test_a_pinned_chat_stands_first(
    place: ChatPlace, desk: ScriptedDesk, chat: int, lease: Entry, qtbot: QtBot
) -> None:
    other = place.open_new([lease.id])
    chats = place.list_widget
    assert [each.id for each in chats.chats()] == [other, chat]
    place.open(chat)
    chats.pin_chosen()
    qtbot.waitUntil(lambda: [each.id for each in chats.chats()] == [chat, other])
    assert chats.view.model().index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole).count("Pinned") == 1
    chats.pin_chosen()
    qtbot.waitUntil(lambda: [each.id for each in chats.chats()] == [other, chat])


def test_questions_are_kept_to_be_asked_again(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    presets, field = place.composer.presets, place.composer.field

    def actions() -> dict[str, object]:
        return {action.text(): action for action in presets.menu_of_now().actions() if action.text()}

    assert not actions()["Keep this question"].isEnabled()  # type: ignore[attr-defined]
    actions()["Who signed this, and when?"].trigger()  # type: ignore[attr-defined]
    assert field.toPlainText() == "Who signed this, and when?" and QApplication.focusWidget() is field
    field.setPlainText("What is due this month?")
    actions()["Keep this question"].trigger()  # type: ignore[attr-defined]
    assert desk.settings.prompts == ("What is due this month?",)
    qtbot.waitUntil(lambda: "What is due this month?" in actions())
    assert "Who signed this, and when?" not in actions()
    presets.dropped.emit("What is due this month?")
    assert desk.settings.prompts == ()


def test_delete_in_a_text_deletes_no_chat(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    for widget in (place.composer.field, place.list_widget.search):
        QTest.keyClick(widget, Qt.Key.Key_Delete)
    assert desk.library.chats.all()


def test_what_is_being_typed_in_the_inspector_is_not_rewritten(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot
) -> None:
    """Stored after a pause, without the space that the next word will need."""
    for field, typed in ((place.inspector_widget.system, "Answer briefly "), (place.inspector_widget.title, "My ")):
        field.clear()
        QTest.keyClicks(field, typed)
        qtbot.waitUntil(lambda: not place.inspector_widget._timer.isActive(), timeout=3000)
        qtbot.wait(50)  # others are told of the change
        QTest.keyClicks(field, "always")
    qtbot.waitUntil(lambda: desk.library.chats.get(chat).title == "My always", timeout=3000)
    assert desk.library.chats.get(chat).system == "Answer briefly always"


def test_a_question_that_is_being_edited_waits_for_its_chat(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot
) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    view = place.transcript.views[0]
    assert view.act("edit")
    QTest.keyClicks(QApplication.focusWidget(), " And since when?")
    place.new_chat()
    place.open(chat)
    qtbot.waitUntil(lambda: len(place.transcript.views) == 2)
    view = place.transcript.views[0]
    assert view.draft == f"{view.text()} And since when?"
    view.edit()  # takes the focus
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    place.new_chat()
    place.open(chat)
    qtbot.waitUntil(lambda: len(place.transcript.views) == 2)
    assert place.transcript.views[0].draft is None


def test_what_is_chosen_stays_chosen_while_others_are_searched_for(place: ChatPlace, desk: ScriptedDesk) -> None:
    ids = [add_document(desk.library, title).id for title in ("Lease A.pdf", "Minutes B.md", "Letter C.txt")]
    place.new_chat()
    place.add_documents()
    picker = place.main_widget.findChild(DocumentPicker)
    picked: list[list[int]] = []
    picker.picked.connect(picked.append)
    items = [picker._list.item(row) for row in range(picker._list.count())]
    by_id = {item.data(Qt.ItemDataRole.UserRole): item for item in items}
    by_id[ids[0]].setSelected(True)
    picker._search.setText("minutes")
    assert [item for item in items if not item.isHidden()] == [by_id[ids[1]]]
    by_id[ids[1]].setSelected(True)
    picker._search.setText("zebra")
    assert not picker._nothing.isHidden()
    picker._search.clear()
    QTest.keyClick(picker._search, Qt.Key.Key_Return)  # no more than what was chosen
    assert picked == [ids[:2]]


def test_many_documents_are_scrolled_to_and_leave_room_for_the_question(
    place: ChatPlace, desk: ScriptedDesk, qtbot: QtBot
) -> None:
    place.new_chat()
    place.main_widget.resize(420, 480)
    place.use_documents([add_document(desk.library, f"Document {n}.pdf").id for n in range(9)])
    pills = place.composer.pills
    qtbot.waitUntil(lambda: pills._area.height() < pills._row.height())
    assert pills.height() < 4.5 * pills.add_button.sizeHint().height()
    pills._area.ensureWidgetVisible(pills.add_button)
    at = pills.add_button.mapTo(pills._area.viewport(), QPoint(4, 4))
    assert pills._area.viewport().rect().contains(at)


def test_the_inspector_reaches_the_next_answer(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    inspector = place.inspector_widget
    assert not inspector.top_p.isVisible()
    next(b for b in inspector.findChildren(QAbstractButton) if b.text() == "Advanced").click()
    assert inspector.top_p.isVisible()
    inspector.system.setPlainText("Answer in one word.")
    inspector.temperature.setValue(0.7)
    inspector.max_tokens.setValue(64)
    inspector.top_p.setValue(0.5)
    inspector.seed.setValue(7)
    ask(place)  # before the half second that saving waits
    request = desk.engine.requests[-1]
    assert request.system == "Answer in one word."
    assert (request.temperature, request.max_tokens, request.top_p, request.seed) == (0.7, 64, 0.5, 7)
    wait_idle(qtbot, desk, place)
    inspector.temperature.setValue(0.0)
    inspector.system.clear()
    qtbot.waitUntil(lambda: desk.library.chats.get(chat).system is None, timeout=2000)
    assert "temperature" not in desk.library.chats.get(chat).sampling


def test_settings_of_one_chat_are_not_those_of_another(
    place: ChatPlace, desk: ScriptedDesk, chat: int, lease: Entry, qtbot: QtBot
) -> None:
    place.inspector_widget.system.setPlainText("Be brief.")
    other = place.open_new([lease.id])
    assert place.inspector_widget.system.toPlainText() == ""
    assert desk.library.chats.get(chat).system == "Be brief."
    qtbot.wait(600)
    assert desk.library.chats.get(other or 0).system is None


def test_export(
    place: ChatPlace, desk: ScriptedDesk, chat: int, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    place.inspector_widget.export("markdown", tmp_path / "chat.md")
    assert "The passkey is **58203**." in (tmp_path / "chat.md").read_text(encoding="utf-8")
    set_language("ko")
    place.inspector_widget.export("markdown", tmp_path / "chat.md")
    set_language("en")
    assert "## 답변\n\nThe passkey" in (tmp_path / "chat.md").read_text(encoding="utf-8")
    place.inspector_widget.export("json", tmp_path / "chat.json")
    assert json.loads((tmp_path / "chat.json").read_text(encoding="utf-8"))["messages"][1]["role"] == "assistant"
    assert sorted(path.suffix for path in tmp_path.glob("chat.*")) == [".json", ".md"]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "chat.json"), ""))
    next(b for b in place.inspector_widget.findChildren(QAbstractButton) if "JSON" in b.text()).click()
    assert "chat.json could not be written" in words_of(place.main_widget)


def test_without_a_mouse(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    """From the composer back to the messages, along them with the arrows, and into a message's actions with Tab."""
    for text in ("One?", "Two?"):
        ask(place, text)
        wait_idle(qtbot, desk, place)
    views = place.transcript.views
    views[3].setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(views[3], Qt.Key.Key_Up)
    assert QApplication.focusWidget() is views[2]
    QTest.keyClick(views[2], Qt.Key.Key_Home)
    assert QApplication.focusWidget() is views[0]
    QTest.keyClick(views[0], Qt.Key.Key_Up)
    assert QApplication.focusWidget() is views[0]
    QTest.keyClick(views[0], Qt.Key.Key_Down)
    seen = []
    for _ in range(10):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget().accessibleName())
    names = ["Copy", "Regenerate", "Branch into a new chat", "Verify in source", "Compare with full text"]
    assert seen[:6] == ["Open Lease.pdf, page 2", *names]
    assert "Look up passages" in seen
    assert "Question" in seen  # the composer follows the current message, not every button of every message
    views[1].setFocus()
    QTest.keyClick(views[1], Qt.Key.Key_Return)
    menu = views[1].findChild(QMenu)
    assert "Verify in source" in [action.text() for action in menu.actions()]
    menu.close()


def test_everything_has_a_name_and_can_be_reached(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot
) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    place.verify()
    kinds = (QAbstractButton, QLineEdit, QAbstractSpinBox, QPlainTextEdit, QTextEdit, QListView, MessageView)
    for root in (place.list_widget, place.main_widget, place.inspector_widget):
        for kind in kinds:
            for widget in root.findChildren(kind):
                inner = isinstance(widget.parent(), QAbstractSpinBox | QLineEdit)
                if widget.isVisible() and not inner:
                    named = widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text())
                    assert named, (widget, widget.parent())


def test_language_and_theme_are_switched_while_it_is_open(
    place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot, qapp: QApplication
) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    place.verify()
    try:
        set_language("ko")
        qtbot.wait(10)
        said = "\n".join(words_of(w) for w in (place.list_widget, place.main_widget, place.inspector_widget))
        for text in (
            "압축된 기억에서",
            "원문에서 확인",
            "Lease.pdf, 2쪽",
            "gist 토큰 1,204개",
            "보내기",
            "시스템 프롬프트",
        ):
            assert text in said
        for text in ("Verify", "Send", "New chat", "Sampling", "gist tokens", "page"):
            assert text not in said
        theme.apply(qapp, "dark")
        qtbot.wait(10)
        dark = place.main_widget.grab().toImage().pixelColor(5, 5)
        assert dark.lightness() < 80
    finally:
        set_language("en")
        theme.apply(qapp, "light")


def test_a_chat_that_another_window_deleted(place: ChatPlace, desk: ScriptedDesk, chat: int, qtbot: QtBot) -> None:
    desk.library.chats.trash(chat)
    desk.chats.changed.emit()
    qtbot.wait(10)
    assert "No chats yet" in words_of(place.main_widget)
    assert place.chat_id is None


def test_chats_are_there_after_a_restart(desk: ScriptedDesk, place: ChatPlace, chat: int, qtbot: QtBot) -> None:
    ask(place)
    wait_idle(qtbot, desk, place)
    again = open_place(desk, qtbot)
    assert again.chat_id == chat
    assert "58203" in words_of(answers(again)[0])

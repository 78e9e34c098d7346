"""The desk with the real library, the real engine process and the real starter: documents in, answers out."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.folders import resource
from gistdesk.language import i18n
from gistdesk.library import Library, Problem
from gistdesk.session import engine as engine_module
from gistdesk.session.desk import Desk
from gistdesk.session.dropped import Measured
from gistdesk.session.notices import Notice
from gistdesk.settings import Settings

ENGLISH, KOREAN = (resource("samples") / name for name in ("alice-with-a-note.txt", "korean-with-a-note.txt"))
WAIT_MS = 120_000
NewDesk = Callable[[], Desk]


@pytest.fixture
def new_desk(tmp_path: Path, qtbot: QtBot) -> Iterator[NewDesk]:
    """Opens a desk on one library; open it again after closing it, as after a restart."""
    desks: list[Desk] = []

    def open_desk() -> Desk:
        desk = Desk(Library(tmp_path / "library"), Settings(threads=1), tmp_path / "settings.toml")
        desks.append(desk)
        return desk

    yield open_desk
    for desk in desks:
        desk.close()
        desk.deleteLater()  # now, not when Python finds it in a cycle, in whatever thread


@pytest.fixture
def desk(new_desk: NewDesk) -> Desk:
    return new_desk()


def wait_for_state(qtbot: QtBot, desk: Desk, entry_id: int, *states: str) -> None:
    qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state in states, timeout=WAIT_MS)


def wait_for_progress(qtbot: QtBot, desk: Desk, entry_id: int) -> None:
    """Until some of its segments are compressed, but not all."""

    def is_under_way() -> bool:
        entry = desk.library.entries.get(entry_id)
        return entry.state == "compressing" and entry.done > 0

    qtbot.waitUntil(is_under_way, timeout=WAIT_MS)


def wait_for_answer(qtbot: QtBot, desk: Desk, message_id: int) -> str:
    qtbot.waitUntil(lambda: desk.library.chats.message(message_id).state != "writing", timeout=WAIT_MS)
    return desk.library.chats.message(message_id).text.strip()


def ready(qtbot: QtBot, desk: Desk, *paths: Path, ratio: float = 100.0) -> list[int]:
    ids = desk.documents.add(paths, ratio)
    for entry_id in ids:
        wait_for_state(qtbot, desk, entry_id, "ready", "failed")
        assert desk.library.entries.get(entry_id).state == "ready", desk.library.entries.get(entry_id).problem
    return ids


@pytest.mark.release
def test_documents_become_ready_and_answer(qtbot: QtBot, desk: Desk) -> None:
    """English and Korean; a second question; both documents in one chat; figures for the footer."""
    english, korean = ready(qtbot, desk, ENGLISH, KOREAN)
    chat_id = desk.chats.new([english])
    first = desk.chats.ask(chat_id, "What is the passkey?")
    assert desk.library.chats.message(first).state == "writing"
    assert wait_for_answer(qtbot, desk, first) == "58203"
    figures = desk.library.chats.message(first).figures
    assert figures["n_slots"] == desk.library.entries.get(english).gist.n_slots  # type: ignore[union-attr]
    assert figures["ttft_s"] > 0
    assert figures["n_document_tokens"] / figures["n_slots"] > 90
    assert figures["ratio"] > 5  # with the passages that were looked up
    assert wait_for_answer(qtbot, desk, desk.chats.ask(chat_id, "What is the passkey?")) == "58203"
    assert [m.role for m in desk.library.chats.path(chat_id)] == ["user", "assistant"] * 2
    assert desk.library.chats.get(chat_id).title == "What is the passkey?"

    answer = desk.chats.ask(desk.chats.new([korean]), "패스키는 무엇입니까?")
    assert wait_for_answer(qtbot, desk, answer) == "40917"
    both = desk.chats.ask(desk.chats.new([korean, english]), "What is the passkey?")
    assert wait_for_answer(qtbot, desk, both)
    assert desk.library.chats.message(both).figures["n_document_tokens"] == sum(
        desk.library.entries.get(i).gist.n_tokens  # type: ignore[union-attr]
        for i in (english, korean)
    )
    grounded, places = desk.chats.verify(first)
    assert grounded is not None and grounded.found and "58203" in places[0].text
    assert desk.idle()


@pytest.mark.parametrize(("language", "sample"), [("en", ENGLISH), ("ko", KOREAN)])
def test_the_sample_is_in_the_language_of_the_window(desk: Desk, language: str, sample: Path) -> None:
    """Which may be the system's, where the settings say "auto"."""
    before = i18n.language()
    i18n.set_language(language)
    try:
        assert desk.settings.language == "auto"
        assert desk.library.entries.get(desk.documents.open_sample()).source_path == sample
    finally:
        i18n.set_language(before)


@pytest.mark.release
def test_after_three_crashes_the_queue_waits_until_somebody_tries_again(
    qtbot: QtBot, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No document is given up that the engine was not tried with, and nobody is told of a start that does not come."""
    monkeypatch.setattr(engine_module, "_BACK_OFF_S", (0.01,))
    for name in ("first", "second", "third"):
        (tmp_path / f"{name}.txt").write_text(f"The {name} harbour was quiet.", "utf-8")
    notices: list[Notice] = []
    desk.notice.connect(notices.append)
    working, desk._engine._command = desk._engine._command, [sys.executable, "-c", "raise SystemExit(3)"]
    ids = desk.documents.add([tmp_path / f"{name}.txt" for name in ("first", "second", "third")], 8.0)
    qtbot.waitUntil(lambda: desk.engine_state.state == "failed", timeout=WAIT_MS)
    qtbot.wait(300)
    assert [desk.library.entries.get(i).state for i in ids] == ["queued"] * 3
    assert desk.idle()
    assert [notice.hint for notice in notices] == [
        *["Nothing is lost. It is restarting."] * 2,
        "Nothing is lost. Trying again starts it.",
    ]
    desk._engine._command = working
    desk.documents.retry(ids[0])
    for entry_id in ids:
        wait_for_state(qtbot, desk, entry_id, "ready")


@pytest.mark.release
def test_versions_branches_edits_and_the_full_text(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    short, text = tmp_path / "short.txt", ENGLISH.read_text("utf-8")
    short.write_text(text[text.index("58203") - 800 :][:1600], "utf-8")
    [entry_id] = ready(qtbot, desk, short)
    chat_id = desk.chats.new([entry_id])
    first = desk.chats.ask(chat_id, "What is the passkey?")
    wait_for_answer(qtbot, desk, first)
    second = desk.chats.regenerate(first)
    wait_for_answer(qtbot, desk, second)
    shown = desk.library.chats.path(chat_id)[-1]
    assert (shown.id, shown.version, shown.n_versions) == (second, 2, 2)
    edited = desk.chats.edit(desk.library.chats.path(chat_id)[0].id, "Tell me the passkey.")
    assert wait_for_answer(qtbot, desk, edited) == "58203"
    assert desk.library.chats.path(chat_id)[0].text == "Tell me the passkey."
    branch = desk.chats.branch(edited)
    assert [m.text for m in desk.library.chats.path(branch)] == ["Tell me the passkey.", "58203"]
    compared = desk.chats.compare(edited)
    wait_for_answer(qtbot, desk, compared)
    full = desk.library.chats.comparison(edited)
    assert full is not None
    assert full.id == compared
    assert full.figures["n_slots"] == 0
    assert full.figures["n_prompt_tokens"] > 0
    assert desk.library.chats.path(chat_id)[-1].id == edited


def test_a_question_to_what_is_not_compressed_says_so(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    missing = desk.documents.add([tmp_path / "gone.txt"], 100.0)[0]
    wait_for_state(qtbot, desk, missing, "failed")
    problem = desk.library.entries.get(missing).problem
    assert problem is not None
    assert problem.kind == "user"
    answer = desk.chats.ask(desk.chats.new([missing]), "What is the passkey?")
    message = desk.library.chats.message(answer)
    assert message.state == "failed"
    assert "not compressed" in message.figures["problem"]["message"]
    assert desk.idle()


@pytest.mark.release
def test_a_long_document_waits_while_an_answer_is_written(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    [short] = ready(qtbot, desk, ENGLISH)
    long = tmp_path / "long.txt"
    long.write_text(ENGLISH.read_text("utf-8") * 15, "utf-8")
    [entry_id] = desk.documents.add([long], 100.0)
    wait_for_progress(qtbot, desk, entry_id)
    answer = desk.chats.ask(desk.chats.new([short]), "What is the passkey?")
    assert wait_for_answer(qtbot, desk, answer) == "58203"
    assert desk.library.entries.get(entry_id).state != "ready"
    wait_for_state(qtbot, desk, entry_id, "ready", "failed")
    entry = desk.library.entries.get(entry_id)
    assert entry.gist is not None
    assert entry.gist.n_tokens > 40_000


@pytest.mark.release
def test_cancel_and_retry_go_on_where_it_stopped(qtbot: QtBot, new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk()
    long = tmp_path / "long.txt"
    long.write_text(ENGLISH.read_text("utf-8") * 15, "utf-8")
    [entry_id] = desk.documents.add([long], 100.0)
    wait_for_progress(qtbot, desk, entry_id)
    desk.documents.cancel(entry_id)
    wait_for_state(qtbot, desk, entry_id, "cancelled")
    part = desk.library.gists.incoming_path(entry_id)
    assert part.with_name(part.name + ".part").exists()
    desk.close()

    again = new_desk()
    again.documents.retry(entry_id)
    wait_for_state(qtbot, again, entry_id, "ready", "failed")
    assert again.library.entries.get(entry_id).state == "ready"
    assert not part.with_name(part.name + ".part").exists()


@pytest.mark.release
def test_the_queue_survives_a_restart(qtbot: QtBot, new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk()
    long = tmp_path / "long.txt"
    long.write_text(ENGLISH.read_text("utf-8") * 15, "utf-8")
    first, second = desk.documents.add([long, KOREAN], 100.0)
    wait_for_progress(qtbot, desk, first)
    desk.close()
    again = new_desk()
    assert {again.library.entries.get(i).state for i in (first, second)} <= {"queued", "extracting", "compressing"}
    for entry_id in (first, second):
        wait_for_state(qtbot, again, entry_id, "ready", "failed")
        assert again.library.entries.get(entry_id).state == "ready"


@pytest.mark.release
def test_the_same_text_twice_is_one_gist(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes(ENGLISH.read_bytes())
    first, second = ready(qtbot, desk, ENGLISH, copy)
    one, two = desk.library.entries.get(first).gist, desk.library.entries.get(second).gist
    assert one is not None
    assert two is not None
    assert one.id == two.id


@pytest.mark.release
def test_stop_keeps_the_partial_answer(qtbot: QtBot, desk: Desk) -> None:
    [entry_id] = ready(qtbot, desk, ENGLISH)
    chat_id = desk.chats.new([entry_id])
    desk.library.chats.change(chat_id, sampling={"temperature": 5.0, "top_p": 1.0, "max_tokens": 4000})
    answer = desk.chats.ask(chat_id, "What is the passkey?")
    with qtbot.waitSignal(desk.chats.delta, timeout=WAIT_MS):
        pass
    desk.chats.stop(answer)
    text = wait_for_answer(qtbot, desk, answer)
    assert desk.library.chats.message(answer).state == "stopped"
    assert text
    assert desk.idle()


@pytest.mark.release
def test_measuring_and_predicting(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    found: dict[str, object] = {}
    desk.documents.measured.connect(lambda path, result: found.__setitem__(path, result))
    empty = tmp_path / "empty.txt"
    empty.touch()
    desk.documents.measure([ENGLISH, empty])
    qtbot.waitUntil(lambda: len(found) == 2, timeout=WAIT_MS)
    measured = found[str(ENGLISH)]
    assert isinstance(measured, Measured)
    assert isinstance(found[str(empty)], Problem)
    qtbot.waitUntil(lambda: desk.model_info() is not None, timeout=WAIT_MS)
    assert desk.estimates.predict(measured.n_tokens, 100.0).seconds is None
    [entry_id] = ready(qtbot, desk, ENGLISH)
    gist = desk.library.entries.get(entry_id).gist
    assert gist is not None
    before = desk.estimates.predict(measured.n_tokens, 100.0)
    after = desk.estimates.predict(gist.n_tokens, 100.0)
    assert measured.n_tokens == gist.n_tokens
    assert after.n_slots == pytest.approx(gist.n_slots, rel=0.15)
    assert after.file_bytes == pytest.approx(gist.file_bytes, rel=0.15)
    assert after.seconds == pytest.approx(gist.seconds, rel=0.6)
    assert before.file_bytes > 0


@pytest.mark.release
def test_a_gist_is_exported_and_imported(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    [entry_id] = ready(qtbot, desk, ENGLISH)
    target = tmp_path / "alice.gistkv"
    exported: list[Path] = []
    desk.documents.export_gist(desk.library.entries.get(entry_id), target, exported.append)
    assert not desk.idle()
    qtbot.waitUntil(lambda: exported == [target])
    n_before = len(desk.library.entries.all())
    notices: list[Notice] = []
    desk.notice.connect(notices.append)
    desk.documents.import_gist(target)
    qtbot.waitUntil(lambda: len(desk.library.entries.all()) == n_before + 1, timeout=WAIT_MS)
    imported = desk.library.entries.all()[-1]
    assert (
        wait_for_answer(qtbot, desk, desk.chats.ask(desk.chats.new([imported.id]), "What is the passkey?")) == "58203"
    )
    rubbish = tmp_path / "rubbish.gistkv"
    rubbish.write_bytes(b"rubbish")
    with qtbot.waitSignal(desk.notice, timeout=WAIT_MS):
        desk.documents.import_gist(rubbish)
    assert notices[-1].message


@pytest.mark.release
def test_a_chat_is_answered_beside_a_training_run_where_there_is_room(
    qtbot: QtBot, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    [entry_id] = ready(qtbot, desk, ENGLISH)
    memory = desk.memory
    monkeypatch.setattr(desk._models, "memory", lambda: replace(memory, free=16 * 2**30))
    assert desk.lend_device("Standard · Starter", beside=True)
    assert (desk.device_holder, desk.works_beside) == ("Standard · Starter", True)
    assert wait_for_answer(qtbot, desk, desk.chats.ask(desk.chats.new([entry_id]), "What is the passkey?")) == "58203"
    assert desk.lend_device("") and desk.device_holder == ""
    monkeypatch.setattr(desk._models, "memory", lambda: replace(memory, free=2**30))
    qtbot.waitUntil(lambda: desk.lend_device("Standard · Starter", beside=True))
    assert not desk.works_beside
    phases: list[str] = []
    desk.chats.phase.connect(lambda _, phase: phases.append(phase))
    waiting = desk.chats.ask(desk.chats.new([entry_id]), "What is the passkey?")
    assert phases == ["run"]
    desk.lend_device("")
    assert wait_for_answer(qtbot, desk, waiting) == "58203"
    assert desk.lend_device("Quick · Starter") and not desk.works_beside  # a benchmark is alone


def paused_and_queued(qtbot: QtBot, desk: Desk, entry_id: int, ratio: float | None = None) -> None:
    desk.pause_queue(True)
    desk.documents.recompress([entry_id], ratio)
    wait_for_state(qtbot, desk, entry_id, "queued")


@pytest.mark.release
def test_a_gist_answers_while_another_is_waited_for(qtbot: QtBot, desk: Desk) -> None:
    """By the model that made it, whatever model is used from now on; given up, all is as it was."""
    [entry_id] = ready(qtbot, desk, ENGLISH)
    before = desk.library.entries.get(entry_id)
    desk.change_settings(model="/models/not-here")
    paused_and_queued(qtbot, desk, entry_id, ratio=8.0)
    assert desk.library.entries.get(entry_id).model == "/models/not-here"
    answer = desk.chats.ask(desk.chats.new([entry_id]), "What is the passkey?")
    assert wait_for_answer(qtbot, desk, answer) == "58203"
    desk.documents.cancel(entry_id)
    after = desk.library.entries.get(entry_id)
    assert (after.state, after.model, after.ratio, after.gist) == ("ready", "starter", 100.0, before.gist)


@pytest.mark.release
def test_a_recompression_that_fails_leaves_the_gist(qtbot: QtBot, desk: Desk) -> None:
    [entry_id] = ready(qtbot, desk, ENGLISH)
    desk.change_settings(model="/models/not-here")
    desk.documents.recompress([entry_id], ratio=8.0)
    wait_for_state(qtbot, desk, entry_id, "failed")
    answer = desk.chats.ask(desk.chats.new([entry_id]), "What is the passkey?")
    assert wait_for_answer(qtbot, desk, answer) == "58203"


@pytest.mark.release
def test_an_outdated_gist_that_is_put_back_is_outdated(qtbot: QtBot, desk: Desk) -> None:
    [entry_id] = ready(qtbot, desk, ENGLISH)
    with desk.library.store.write() as db:
        db.execute("UPDATE gists SET model_fingerprint = 'older'")
        db.execute("UPDATE entries SET state = 'outdated', is_outdated = 1")
    paused_and_queued(qtbot, desk, entry_id)
    desk.documents.cancel(entry_id)
    assert desk.library.entries.get(entry_id).state == "outdated"
    answer = desk.chats.ask(desk.chats.new([entry_id]), "What is the passkey?")
    assert (desk.library.chats.message(answer).figures["problem"]["kind"]) == "outdated"


@pytest.mark.release
def test_a_changed_file_is_noticed_and_read_again(
    qtbot: QtBot, new_desk: NewDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gistdesk.session.documents._LOOK_S", 0)
    desk, book = new_desk(), tmp_path / "book.txt"
    book.write_text(ENGLISH.read_text("utf-8"), "utf-8")
    [entry_id] = ready(qtbot, desk, book)
    book.write_text(ENGLISH.read_text("utf-8").replace("58203", "71946"), "utf-8")
    desk.documents.look_at_sources()
    wait_for_state(qtbot, desk, entry_id, "source changed")
    chat_id = desk.chats.new([entry_id])
    assert wait_for_answer(qtbot, desk, desk.chats.ask(chat_id, "What is the passkey?")) == "58203"
    # read again, and given up: the gist and its text are still there, and belong together
    desk.change_settings(model="/models/not-here")
    desk.documents.recompress([entry_id])
    wait_for_state(qtbot, desk, entry_id, "failed")
    assert desk.library.entries.get(entry_id).next_text is not None
    answer = desk.chats.ask(chat_id, "What is the passkey?")
    assert wait_for_answer(qtbot, desk, answer) == "58203"
    assert desk.library.chats.message(answer).grounded.found  # type: ignore[union-attr]
    desk.documents.keep_gist(entry_id)
    desk.documents.look_at_sources()
    wait_for_state(qtbot, desk, entry_id, "source changed")
    desk.change_settings(model="starter")
    desk.documents.recompress([entry_id])
    wait_for_state(qtbot, desk, entry_id, "ready", "failed")
    answer = desk.chats.ask(chat_id, "What is the passkey?")
    assert wait_for_answer(qtbot, desk, answer) == "71946"
    assert desk.library.chats.message(answer).grounded.found  # type: ignore[union-attr]

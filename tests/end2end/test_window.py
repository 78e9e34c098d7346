"""The real window, engine process and starter, used as a person uses them: from the drop to the answer."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QProcess, QProcessEnvironment, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gistdesk.folders import folders, resource
from gistdesk.library import Entry, Library
from gistdesk.session.desk import EngineState
from gistdesk.session.dropped import Measured
from gistdesk.session.estimates import Prediction
from gistdesk.settings import Settings, write_settings
from tests.core.test_documents import pdf_bytes
from tests.end2end.person import PATIENCE_MS, Person, at_window

pytestmark = pytest.mark.release

ENGLISH, KOREAN = "What is the passkey?", "패스키는 무엇입니까?"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
Open = Callable[[], AbstractContextManager[Person]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of somebody who has been through the welcome page; one thread, for machines that are busy with other tests."""
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    write_settings(folders().config / "settings.toml", Settings(first_run=False, threads=1, language="en"))
    return tmp_path / "home"


@pytest.fixture
def open_window(qtbot: QtBot, qapp: QApplication) -> Open:
    """Open the program; again after it was closed, as after a restart."""
    return lambda: at_window(qtbot, qapp)


@pytest.fixture
def person(open_window: Open) -> Iterator[Person]:
    with open_window() as person:
        yield person


def pdf(path: Path, sample: str, times: int = 1, page_lines: int = 50) -> Path:
    """A sample as a PDF in `path`, as often as asked for."""
    text = (resource("samples") / sample).read_text("utf-8") * times
    lines = [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, 100) or [""]]
    path.write_bytes(pdf_bytes(["\n".join(lines[i : i + page_lines]) for i in range(0, len(lines), page_lines)]))
    return path


def long_text(path: Path) -> Path:
    """Some seconds of compressing."""
    path.write_text((resource("samples") / "alice-with-a-note.txt").read_text("utf-8") * 8, "utf-8")
    return path


# --- from the drop to the answer


def test_documents_are_dropped_and_asked(person: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PDFs in English and Korean, each asked alone, then both in one chat; what was predicted is what happened."""
    window = person.window
    person.drop(pdf(tmp_path / "alice.pdf", "alice-with-a-note.txt"))
    person.choose_ratio(100.0)
    first = predicted(person)
    [english] = person.accept_sheet()
    assert [entry.id for entry in window.library.chosen] == [english.id]
    [english] = person.wait_ready(english.id)
    held = engine_peak_bytes(person)
    person.do("chat", english.id)
    assert person.told(ENGLISH) == "58203"

    person.press(Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    person.drop(pdf(tmp_path / "treebank.pdf", "korean-with-a-note.txt"))
    person.choose_ratio(100.0)
    second = predicted(person)
    [korean] = person.accept_sheet()
    [korean] = person.wait_ready(korean.id)
    person.do("chat", korean.id)
    assert person.told(KOREAN) == "40917"

    person.press(Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    person.do("chat", english.id, korean.id)
    assert len(window.chat.composer.pills.focus_chain()) == 3
    assert person.told(ENGLISH)
    figures = person.answer().figures
    assert english.gist is not None and korean.gist is not None
    assert figures["n_document_tokens"] == english.gist.n_tokens + korean.gist.n_tokens
    assert figures["n_slots"] == english.gist.n_slots + korean.gist.n_slots
    assert [chat.title for chat in window.chat.list_widget.chats()] == [ENGLISH, KOREAN, ENGLISH]

    with capsys.disabled():
        print()
        print(*errors("alice.pdf", first, english), *errors("treebank.pdf", second, korean), sep="\n")
        print(compared("alice.pdf", "memory MiB", first[1].memory_bytes / 2**20, held / 2**20))
    for (measured, prediction), entry in ((first, english), (second, korean)):
        assert entry.gist is not None
        assert measured.n_tokens == entry.gist.n_tokens
        assert prediction.n_slots == pytest.approx(entry.gist.n_slots, rel=0.1)
        assert prediction.file_bytes == pytest.approx(entry.gist.file_bytes, rel=0.1)
    assert first[1].seconds is None, "nothing was measured yet"
    assert second[1].seconds is not None
    if sys.platform == "linux":
        assert first[1].memory_bytes == pytest.approx(held, rel=0.5)


def predicted(person: Person) -> tuple[Measured, Prediction]:
    """What the sheet says of the one document in it."""
    sheet = person.window.drop_sheet
    found: list[Measured] = []

    def is_measured() -> bool:
        found[:] = [row.found for row in sheet._rows.values() if isinstance(row.found, Measured)]
        return bool(found) and person.desk.model_info() is not None

    person.wait(is_measured)
    prediction = person.desk.estimates.predict(found[0].n_tokens, sheet.chooser.ratio)
    return found[0], prediction


def errors(name: str, before: tuple[Measured, Prediction], entry: Entry) -> list[str]:
    measured, prediction = before
    gist = entry.gist
    assert gist is not None
    pairs = {
        "tokens": (measured.n_tokens, gist.n_tokens),
        "slots": (prediction.n_slots, gist.n_slots),
        "file bytes": (prediction.file_bytes, gist.file_bytes),
        "seconds": (prediction.seconds, gist.seconds),
    }
    return [compared(name, what, *pair) for what, pair in pairs.items()]


def compared(name: str, what: str, said: float | None, happened: float) -> str:
    error = "not measured yet" if said is None else f"error {100 * (said / happened - 1):+6.1f}%"
    return f"{name:12} {what:10} predicted {said or 0:11.1f}  then {happened:11.1f}  {error}"


def engine_peak_bytes(person: Person) -> int:
    """Most memory that the engine process has held so far."""
    status = Path(f"/proc/{person.desk._engine.process_id}/status")
    if not status.exists():
        return psutil.Process(person.desk._engine.process_id).memory_info().rss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_a_second_drop_joins_the_first(person: Person, tmp_path: Path) -> None:
    """What was dropped while the sheet was open is not lost, nor is what was in it."""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    for path in (first, second):
        path.write_text("Some words of a letter.", "utf-8")
    person.drop(first)
    person.choose_ratio(8.0)
    person.drop(second)
    person.drop(first)
    entries = person.accept_sheet()
    assert [(entry.source_path, entry.ratio) for entry in entries] == [(first, 8.0), (second, 8.0)]
    person.drop(second)
    assert len(person.accept_sheet()) == 1


# --- cancelling


def test_compressing_is_cancelled_in_every_phase(person: Person, tmp_path: Path) -> None:
    """While the text is read, while the model loads, between two segments; and each time it goes on when retried."""
    states: list[EngineState] = []
    person.desk.engine_changed.connect(lambda: states.append(person.desk.engine_state))
    path = pdf(tmp_path / "long.pdf", "alice-with-a-note.txt", 15, 5)
    person.drop(path)
    person.choose_ratio(100.0)
    [entry] = person.accept_sheet()

    def cancel() -> None:
        person.do("cancel", entry.id)
        person.wait(lambda: person.state(entry.id) == "cancelled")
        assert person.desk.idle()

    person.wait(lambda: person.desk.library.entries.get(entry.id).done > 0)
    assert person.state(entry.id) == "extracting"
    cancel()

    person.do("retry", entry.id)
    person.wait(lambda: person.state(entry.id) == "compressing")
    person.wait(lambda: person.desk.engine_state.state in ("loading", "busy"))
    assert person.desk.engine_state.model == ""
    cancel()
    assert person.desk.library.entries.get(entry.id).text_sha256 is not None

    person.do("retry", entry.id)
    person.wait_compressing(entry.id)
    cancel()
    part = person.desk.library.gists.incoming_path(entry.id)
    assert part.with_name(part.name + ".part").exists()
    done = person.desk.library.entries.get(entry.id).done

    seen: list[int] = []
    person.desk.documents.one_changed.connect(lambda i: seen.append(person.desk.library.entries.get(i).done))
    person.do("retry", entry.id)
    person.wait_ready(entry.id)
    assert min(n for n in seen if n) >= done > 0, "it went on where it stopped"
    assert not list(person.desk.library.store.incoming_folder.iterdir())


def test_an_answer_is_stopped_in_every_phase(person: Person, tmp_path: Path) -> None:
    """While the model loads nothing is there to keep; while it is written what has come stays."""
    [entry_id] = person.add(pdf(tmp_path / "alice.pdf", "alice-with-a-note.txt"))
    person.wait_ready(entry_id)
    person.desk.unload()
    person.wait(lambda: person.desk.engine_state.state == "off")
    person.do("chat", entry_id)
    chat_id = person.window.chat.chat_id
    assert chat_id is not None
    person.desk.library.chats.change(chat_id, sampling={"temperature": 5.0, "top_p": 1.0, "max_tokens": 4000})

    person.ask(ENGLISH)
    person.wait(lambda: person.desk.engine_state.state in ("loading", "busy"))
    person.press(Qt.Key.Key_Escape)
    assert person.answer().state == "stopped"
    assert person.desk.idle()

    person.ask(ENGLISH)
    with person.qtbot.waitSignal(person.desk.chats.delta, timeout=PATIENCE_MS):
        pass
    person.press(Qt.Key.Key_Escape)
    message = person.answer()
    assert message.state == "stopped"
    assert message.text
    assert person.desk.idle()
    assert [m.text for m in person.desk.library.chats.path(chat_id) if m.role == "user"] == [ENGLISH, ENGLISH]


# --- closing and opening


def test_closed_in_the_middle_and_opened_again(open_window: Open, tmp_path: Path) -> None:
    """The question before quitting; then what was being compressed goes on where it was, and what waited follows."""
    with open_window() as person:
        long, short = person.add(long_text(tmp_path / "long.txt"), pdf(tmp_path / "a.pdf", "alice-with-a-note.txt"))
        person.wait_compressing(long)
        person.window.close()
        box = person.window.quitting._box
        assert box is not None
        person.click(next(button for button in box.buttons() if button.text() == "Stop and keep what is done"))
        assert not person.window.isVisible()
        done = person.desk.library.entries.get(long).done
        processes = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(processes, timeout=5)  # a busy machine needs a moment to end a killed one
    assert not alive
    with open_window() as person:
        seen: list[int] = []
        person.desk.documents.one_changed.connect(
            lambda i: seen.append(person.desk.library.entries.get(i).done if i == long else 0)
        )
        person.wait_ready(long, short)
        assert min(n for n in seen if n) >= done
        person.do("chat", short)
        assert person.told(ENGLISH) == "58203"
    with open_window() as person:
        person.press(Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
        views = person.window.chat.transcript.views
        person.wait(lambda: len(views) == 2)  # older ones are drawn after what is seen first
        assert [view.text().strip() for view in views] == [ENGLISH, "58203"]


def test_a_second_start_hands_its_files_over(person: Person, tmp_path: Path) -> None:
    """The second process ends at once; a document comes up in the sheet, a gist in the table."""
    document = pdf(tmp_path / "alice.pdf", "alice-with-a-note.txt")
    assert start_again(person, document) == 0
    person.wait(lambda: person.window.drop_sheet.isVisible())
    [entry] = person.accept_sheet()
    [entry] = person.wait_ready(entry.id)

    exported = tmp_path / "given.gistkv"
    person.desk.documents.export_gist(entry, exported, lambda _: None)
    person.wait(exported.exists)
    before = len(person.desk.library.entries.all())
    assert start_again(person, exported) == 0
    person.wait(lambda: len(person.desk.library.entries.all()) == before + 1)
    imported = person.desk.library.entries.all()[-1]
    assert imported.source_path == exported
    person.do("chat", imported.id)
    assert person.told(ENGLISH) == "58203"
    assert start_again(person) == 0, "without a file it brings the window to the front"


def start_again(person: Person, *paths: Path) -> int:
    """The exit code of a second `gistdesk` on the same library."""
    process = QProcess()
    environment = QProcessEnvironment.systemEnvironment()
    for name in ("GISTDESK_HOME", "QT_QPA_PLATFORM"):
        environment.insert(name, os.environ[name])
    process.setProcessEnvironment(environment)
    process.start(sys.executable, ["-m", "gistdesk", *map(str, paths)])
    person.wait(lambda: process.state() == QProcess.ProcessState.NotRunning)
    return process.exitCode()


@POSIX
def test_files_are_opened_from_the_command_line(tmp_path: Path, made_once: Path, home: Path) -> None:
    """A gist is imported, a document waits in the sheet; SIGTERM, as of a logout, leaves no process and exit code 0."""
    document = tmp_path / "alice.txt"
    document.write_text("Some words.", "utf-8")
    command = [sys.executable, "-m", "gistdesk", str(made_once), str(document)]
    with subprocess.Popen(command) as process:
        try:
            titles = wait_for_titles(home)
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert titles == ["book"]
    assert psutil.wait_procs(children, timeout=20)[1] == []


def wait_for_titles(home: Path) -> list[str]:
    """What is in the library, once something is."""
    for _ in range(1200):
        if (home / "data" / "library" / "library.sqlite3").exists():
            library = Library(home / "data" / "library")
            found = [entry.title for entry in library.entries.all()]
            library.close()
            if found:
                return found
        time.sleep(0.1)
    return []

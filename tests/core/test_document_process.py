"""Documents are read in a process of their own: limits hold, stopping is heard, and what ends it is a sentence."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from gistdesk.core import document_parse, document_process
from gistdesk.core.documents import PasswordError, extract, read_document
from gistdesk.core.errors import UserError
from gistdesk.protocol import Event, Extract
from gistdesk.worker.texts import keep_text
from tests.core.hostile_documents import HOSTILE, large_pages, many_marks, nested_divs
from tests.core.test_documents import pdf_bytes


def readers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "document_reader" in " ".join(each.cmdline())]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of the processor instead of ten."""
    monkeypatch.setattr(document_process, "_LEAST_S", 1)
    monkeypatch.setattr(document_process, "_BYTES_PER_S", 2**40)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_takes_too_much_is_answered_or_refused(tmp_path: Path, short: None, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name]())
    try:
        assert read_document(path).text.strip()
    except UserError as error:
        assert error.message.startswith(name)
        limits = "given up after 1 s", "MB of memory", "pages, more than the 100,000"
        assert any(words in error.message for words in limits)
    assert not readers()


def test_memory_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_process, "MAX_MEMORY_BYTES", 200 * 2**20)
    path = tmp_path / "deflated.pdf"
    path.write_bytes(HOSTILE["deflated.pdf"]())
    with pytest.raises(UserError, match="200 MB of memory"):
        read_document(path)


@pytest.mark.parametrize(("name", "make"), [("a.html", nested_divs), ("a.pdf", large_pages)])
def test_stopping_is_heard_within_a_second(tmp_path: Path, name: str, make: object) -> None:
    path = tmp_path / name
    path.write_bytes(make())  # type: ignore[operator]
    steps = extract(path)
    next(steps)
    [reader] = readers()
    begun = time.monotonic()
    steps.close()
    assert time.monotonic() - begun < 1
    assert not reader.is_running()


def test_while_nothing_comes_there_are_moments_to_stop(tmp_path: Path, short: None) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(nested_divs())
    times = [time.monotonic()]
    with pytest.raises(UserError, match="given up"):
        for step in extract(path):
            assert step is None
            times.append(time.monotonic())
    assert len(times) > 3


def test_a_reader_that_is_killed_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(nested_divs())
    steps = extract(path)
    next(steps)
    readers()[0].send_signal(11)
    with pytest.raises(UserError, match="could not be read"):
        list(steps)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends at its limits")
def test_the_reader_ends_with_who_started_it(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(nested_divs())
    code = "import pathlib, sys; from gistdesk.core.documents import read_document as r; r(pathlib.Path(sys.argv[1]))"
    program = psutil.Popen([sys.executable, "-c", code, str(path)])
    deadline = time.monotonic() + 30
    while not (children := program.children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    program.kill()
    program.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_many_marks_on_one_letter_are_read_at_once(tmp_path: Path) -> None:
    """Their order took 64 s."""
    path = tmp_path / "a.txt"
    path.write_bytes(many_marks() + b" and a word")
    begun = time.process_time()
    text = "".join(page.text for page in document_parse.parse(path))
    assert time.process_time() - begun < 2
    assert text.endswith(" and a word")


def test_text_has_a_limit_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_parse, "MAX_TEXT_BYTES", 100)
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_bytes(["word " * 10] * 5))
    with pytest.raises(UserError, match="too much"):
        list(document_parse.parse(path))


def test_a_password_need_not_be_unicode(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_bytes(["secret"], user_password="tiger"))
    with pytest.raises(PasswordError, match="does not open with this password"):
        read_document(path, password="tiger\udcff")
    assert read_document(path, password="tiger").text == "secret"


def test_a_name_need_not_be_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff\xfe.txt")
    path.write_bytes(b"text")
    assert read_document(path).text == "text"


class Deleting:
    """Deletes a file at the first word of progress."""

    stage = ""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: Event | None = None) -> None:
        if event is not None:
            self._path.unlink(missing_ok=True)


def test_a_document_that_is_deleted_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_bytes(["one", "two"]))
    n_bytes = path.stat().st_size
    request = Extract(path=str(path), texts_folder=str(tmp_path / "texts"))
    done = keep_text(request, None, Deleting(path))  # type: ignore[arg-type]
    assert (done.n_pages, done.source_bytes) == (2, n_bytes)
    assert not path.exists()

"""How the engine process stops: on a cancel in each phase, at the end of stdin, when it is told to, when it is killed.

Nothing half done is left but a partial gist, and that is gone on with.
"""

import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gistdesk.core.gist_file import read_gist
from gistdesk.core.partial import read_partial
from gistdesk.folders import resource
from gistdesk.protocol import (
    PROTOCOL_VERSION,
    Answer,
    AnswerDelta,
    AnswerDone,
    Cancel,
    Cancelled,
    CompressDone,
    CompressProgress,
    ContextProgress,
    DownloadDropped,
    DropDownload,
    Error,
    Event,
    Extract,
    ExtractDone,
    ExtractProgress,
    Load,
    ModelLoadDone,
    ModelLoadProgress,
    Request,
    encode,
)
from tests.core.hostile_documents import nested_divs
from tests.core.test_documents import epub_members
from tests.worker.conftest import Kept
from tests.worker.process import ONE_THREAD, EngineProcess, engine_process

SOON_S = 3.0
"""A segment or a token of the starter takes a thirtieth of it; the machine may be busy with other things."""
STILL_S = 0.1
SMALL = DropDownload("org/model")
"""What takes no time and no model."""


def started(process: EngineProcess, request: Request, kind: type[Event], after: int = 1) -> Request:
    """The request, sent, once `after` events of a kind have come."""
    request = process.send(request)
    for event in process.events_of(request):
        after -= isinstance(event, kind)
        if not after:
            return request
    raise AssertionError(f"it ended before: {event}")


def cancelled(process: EngineProcess, request: Request) -> Event:
    """Its last event after a cancel, which must come soon."""
    begun = time.perf_counter()
    process.cancel(request)
    *_, last = process.events_of(request)
    assert time.perf_counter() - begun < SOON_S
    return last


def n_segments_of(part: Path) -> int:
    found = read_partial(part)
    return len(found.gist.segments) if found else 0


def part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


@pytest.mark.release
def test_cancel_while_loading_then_load(alice: Kept) -> None:
    with engine_process() as process:
        for seconds in (0.0, 0.2, 1.0, 1.5, 2.0):  # among them: libraries, weights
            request = started(process, Load(ONE_THREAD), ModelLoadProgress)
            time.sleep(seconds)
            process.cancel(request)
            *_, last = process.events_of(request)
            assert isinstance(last, (Cancelled, ModelLoadDone)), last
            if isinstance(last, ModelLoadDone):
                break
        process.do(Load(ONE_THREAD), ModelLoadDone)
        process.do(Answer((("Q", None),), gists=(str(alice.gist),), max_tokens=2, choice=ONE_THREAD), AnswerDone)


def test_cancel_while_extracting(engine: EngineProcess, tmp_path: Path) -> None:
    book = tmp_path / "long.epub"
    with zipfile.ZipFile(book, "w") as archive:
        for name, data in epub_members(["<p>" + "word " * 20_000 + "</p>"] * 300).items():
            archive.writestr(name, data)
    request = started(engine, Extract(str(book), str(tmp_path / "texts")), ExtractProgress, 2)
    assert isinstance(cancelled(engine, request), Cancelled)
    assert not (tmp_path / "texts").exists()


def test_a_document_that_is_slow_to_read_keeps_no_other_waiting(engine: EngineProcess, tmp_path: Path) -> None:
    """Its sheet is closed, and the next document is dropped."""
    slow, quick = tmp_path / "slow.html", tmp_path / "quick.txt"
    slow.write_bytes(nested_divs())
    quick.write_text("The harbour was quiet.")
    request = engine.send(Extract(str(slow), str(tmp_path / "texts")))
    time.sleep(1)
    assert isinstance(cancelled(engine, request), Cancelled)
    begun = time.perf_counter()
    engine.do(Extract(str(quick), str(tmp_path / "texts")), ExtractDone)
    assert time.perf_counter() - begun < SOON_S


def test_cancel_while_counting_tokens(engine: EngineProcess, novel_file: Path, tmp_path: Path) -> None:
    request = started(engine, Extract(str(novel_file), str(tmp_path)), ExtractProgress)
    assert isinstance(cancelled(engine, request), Cancelled)


def test_cancel_while_compressing_then_go_on(engine: EngineProcess, novel: Kept, tmp_path: Path) -> None:
    target = tmp_path / "novel.gistkv"
    request = started(engine, novel.request(target), CompressProgress, 4)
    assert isinstance(cancelled(engine, request), Cancelled)
    assert not target.exists()
    n_done = n_segments_of(part_of(target))
    assert n_done > 0
    request = engine.send(novel.request(target))
    first = next(event for event in engine.events_of(request) if isinstance(event, CompressProgress))
    assert first.done == n_done
    assert isinstance(cancelled(engine, request), Cancelled)
    assert n_segments_of(part_of(target)) >= n_done


def test_cancel_before_the_first_segment(engine: EngineProcess, novel: Kept, tmp_path: Path) -> None:
    request = engine.send(novel.request(tmp_path / "novel.gistkv"))
    time.sleep(STILL_S)  # tokenizing
    assert isinstance(cancelled(engine, request), Cancelled)


def test_cancel_while_text_is_read(engine: EngineProcess, alice: Kept) -> None:
    texts = (alice.text.text_path,) * 4
    request = started(engine, Answer((("Q", None),), text_paths=texts, choice=ONE_THREAD), ContextProgress, 2)
    assert isinstance(cancelled(engine, request), Cancelled)
    engine.do(Answer((("Q", None),), gists=(str(alice.gist),), max_tokens=2, choice=ONE_THREAD), AnswerDone)


def test_cancel_while_answering_keeps_what_there_is(engine: EngineProcess, alice: Kept) -> None:
    endless = Answer((("Q", None),), gists=(str(alice.gist),), temperature=100.0, max_tokens=3000, choice=ONE_THREAD)
    request = started(engine, endless, AnswerDelta, 5)
    done = cancelled(engine, request)
    assert isinstance(done, AnswerDone)
    assert done.stopped == "cancelled" and 5 <= done.n_tokens < 1000
    again = engine.do(
        Answer((("What is the passkey?", None),), gists=(str(alice.gist),), choice=ONE_THREAD), AnswerDone
    )
    assert again.stopped == "end" and again.prefill_s == 0


def test_a_waiting_request_is_cancelled_at_once(engine: EngineProcess, novel: Kept, tmp_path: Path) -> None:
    running = started(engine, novel.request(tmp_path / "novel.gistkv"), CompressProgress)
    waiting = [engine.send(SMALL) for _ in range(3)]
    engine.cancel(waiting[1])
    while not isinstance(event := engine.next(), Cancelled):
        assert isinstance(event, CompressProgress) and event.id == running.id
    assert event.id == waiting[1].id
    engine.cancel(running)
    ended = []
    while len(ended) < 3:
        event = engine.next()
        assert event is not None
        if isinstance(event, (Cancelled, DownloadDropped)) and event.id:
            ended.append(event.id)
    assert ended == [running.id, waiting[0].id, waiting[2].id]


def test_cancelling_what_is_over_or_never_was_does_nothing(engine: EngineProcess) -> None:
    done = engine.ask(SMALL)[-1]
    for target in (done.id, 10**9):
        engine.send(Cancel(target))
    engine.do(SMALL, DownloadDropped)


def test_rubbish_on_the_line_is_answered_and_passed_over(engine: EngineProcess) -> None:
    engine.write('\nrubbish\n{"do":"fly","id":3}\n')
    for _ in range(3):
        error = engine.next()
        assert isinstance(error, Error) and error.kind == "protocol"
    engine.write(encode(replace(SMALL, id=10**6))[:20])
    time.sleep(STILL_S)
    engine.write(encode(replace(SMALL, id=10**6))[20:])
    event = engine.next()
    assert isinstance(event, DownloadDropped) and event.id == 10**6


@pytest.mark.release
def test_the_end_of_stdin_keeps_what_is_done(novel: Kept, tmp_path: Path) -> None:
    target = tmp_path / "novel.gistkv"
    with engine_process() as process:
        started(process, novel.request(target), CompressProgress, 3)
        process.send(SMALL)
        begun = time.perf_counter()
        assert process.end() == 0
        assert time.perf_counter() - begun < SOON_S
    assert n_segments_of(part_of(target)) > 0
    assert list(tmp_path.iterdir()) == [part_of(target)]


@pytest.mark.release
def test_the_end_while_nothing_is_done() -> None:
    with engine_process() as process:
        assert process.end() == 0


def test_ctrl_c_is_for_the_window(engine: EngineProcess) -> None:
    engine.popen.send_signal(signal.SIGINT)
    time.sleep(STILL_S)
    engine.do(SMALL, DownloadDropped)


STUCK = """
import time, gistdesk.worker.__main__ as m, gistdesk.worker.serve as serve
serve.serve = lambda *_: time.sleep(60)
m.main()
"""


@pytest.mark.release
def test_work_that_does_not_stop_is_given_up() -> None:
    with engine_process((sys.executable, "-c", STUCK)) as process:
        begun = time.perf_counter()
        assert process.end() == 1
        assert 2 < time.perf_counter() - begun < 10


@pytest.mark.release
def test_killed_it_leaves_a_whole_partial_gist(engine: EngineProcess, novel: Kept, tmp_path: Path) -> None:
    target = tmp_path / "novel.gistkv"
    with engine_process() as process:
        request = started(process, novel.request(target), CompressProgress, 4)
        assert isinstance(cancelled(process, request), Cancelled)
        n_done = n_segments_of(part_of(target))
        started(process, novel.request(target), CompressProgress, 3)
        process.popen.kill()
        assert process.popen.wait() == -signal.SIGKILL
    assert n_segments_of(part_of(target)) == n_done
    request = engine.send(novel.request(target))
    first = next(event for event in engine.events_of(request) if isinstance(event, CompressProgress))
    assert first.done == n_done
    assert isinstance(cancelled(engine, request), Cancelled)


PARENT = """
import os, subprocess, sys, time
engine = subprocess.Popen([sys.executable, "-m", "gistdesk.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
engine.stdout.readline()
# a sibling holds the pipe open, so that the engine sees no end of stdin
holder = subprocess.Popen(["sleep", "30"], pass_fds=[engine.stdin.fileno()])
print(engine.pid, holder.pid, flush=True)
for line in sys.argv[1:]:
    engine.stdin.write(line.encode())
    engine.stdin.flush()
for line in engine.stdout:
    print(line.decode(), end="", flush=True)
"""


@pytest.mark.release
@pytest.mark.skipif(sys.platform != "linux", reason="on Windows the window's job object does this")
@pytest.mark.parametrize("is_working", [False, True])
def test_no_orphan_when_the_window_is_killed(is_working: bool, novel: Kept, tmp_path: Path) -> None:
    target = tmp_path / "novel.gistkv"
    lines = [encode(novel.request(target)).replace('"do"', '"id":1,"do"')] if is_working else []
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *lines], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    engine, holder = (psutil.Process(int(pid)) for pid in parent.stdout.readline().split())
    try:
        while is_working and '"done":4' not in parent.stdout.readline():
            pass
        assert engine.is_running()
        parent.kill()
        parent.wait()
        gone, _ = psutil.wait_procs([engine], timeout=5)
        assert gone and holder.is_running()
        assert part_of(target).exists() == is_working
    finally:
        holder.kill()
        parent.stdout.close()


NOISY = """
import os, subprocess, sys, gistdesk.worker.__main__ as m, gistdesk.core.documents as documents
quiet = documents.extract
def noisy(*args, **more):
    print("printed", flush=True)
    os.write(1, b"written\\n")
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
    try:
        print("answered", input("Trust remote code? [y/N] "))
    except EOFError:
        print("nobody there")
    return quiet(*args, **more)
documents.extract = noisy
m.main()
"""


@pytest.mark.release
def test_a_library_that_prints_or_asks_breaks_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with engine_process((sys.executable, "-c", NOISY)) as process:
        sample = resource("samples") / "harbour-day.md"
        events = process.ask(Extract(str(sample), str(tmp_path)))
        assert isinstance(events[-1], ExtractDone)
        assert process.end() == 0
    said = capfd.readouterr()
    assert said.out == "" and all(word in said.err for word in ("printed", "written", "child", "nobody there"))


@pytest.mark.release
def test_hello_comes_first_and_at_once() -> None:
    seconds = []
    for _ in range(3):
        with engine_process() as process:
            seconds.append(process.hello_s)
            assert process.hello.protocol == PROTOCOL_VERSION and process.hello.pid == process.popen.pid
    assert min(seconds) < 0.5


def test_nothing_large_is_imported_before_the_hello() -> None:
    code = "import sys, gistdesk.worker.__main__; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert not {"torch", "transformers", "numpy", "huggingface_hub", "psutil"} & set(out.stdout.split())


@pytest.mark.skipif(sys.platform == "win32", reason="there the window's job object does this")
def test_the_window_comes_first(engine: EngineProcess) -> None:
    assert os.getpriority(os.PRIO_PROCESS, engine.hello.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_a_compressed_novel_is_whole_after_all_that(engine: EngineProcess, alice: Kept, tmp_path: Path) -> None:
    done = engine.do(alice.request(tmp_path / "a.gistkv"), CompressDone)
    assert len(read_gist(Path(done.target)).gist.segments) == 8

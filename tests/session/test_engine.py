"""The window's side of the engine process: with the real engine, and with processes that behave as badly as can be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from gistdesk.folders import resource
from gistdesk.protocol import (
    PROTOCOL_VERSION,
    Answer,
    AnswerDelta,
    AnswerDone,
    Cancel,
    Cancelled,
    CompressProgress,
    DownloadDropped,
    DropDownload,
    Error,
    Event,
    Extract,
    ExtractDone,
    Load,
    ModelLoadDone,
    Request,
    is_last,
)
from gistdesk.session import engine as engine_module
from gistdesk.session.engine import Engine
from tests.worker.process import ONE_THREAD

PATIENCE_MS = 120_000  # loading the starter is five seconds of work; on a busy machine that was half a minute
SMALL = DropDownload("org/model")
"""What takes an engine no time and no model."""
HELLO = (
    f"PROTOCOL_VERSION = {PROTOCOL_VERSION}"
    + """
import json, sys, time, os
def say(**event):
    sys.stdout.write(json.dumps(event) + "\\n")
    sys.stdout.flush()
def greet():
    say(event="hello", protocol=PROTOCOL_VERSION, version="0", pid=os.getpid())
def done(**more):
    say(event="drop_download.done", hub_id="org/model", **more)
def ask():
    line = sys.stdin.readline()
    return json.loads(line) if line else sys.exit(0)
"""
)


class Listener:
    """Attributes: events, states, crashes: what an engine has said, in order."""

    def __init__(self, engine: Engine, qtbot: QtBot) -> None:
        self.engine, self._qtbot = engine, qtbot
        self.requests: dict[int, Request] = {}
        self.events: list[Event] = []
        self.states: list[str] = []
        self.crashes: list[str] = []
        engine.event.connect(self._on_event)
        engine.state_changed.connect(self.states.append)
        engine.crashed.connect(self.crashes.append)

    def send(self, request: Request) -> int:
        request_id = self.engine.send(request)
        self.requests[request_id] = request
        return request_id

    def _on_event(self, request_id: int, event: Event) -> None:
        assert request_id == event.id
        self.events.append(event)

    def of(self, request_id: int) -> list[Event]:
        return [event for event in self.events if event.id == request_id]

    def wait(self, condition: Callable[[], object]) -> None:
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_MS)

    def let_pass(self, milliseconds: int) -> None:
        self._qtbot.wait(milliseconds)

    def wait_state(self, state: str) -> None:
        self.wait(lambda: self.engine.state == state)

    def last(self, request_id: int) -> Event:
        """The last event of a request, once it is there."""
        self.wait(lambda: any(is_last(event, self.requests[request_id]) for event in self.of(request_id)))
        return self.of(request_id)[-1]


Make = Callable[..., Listener]


@pytest.fixture
def make(qtbot: QtBot) -> Iterator[Make]:
    """An engine of a command, or of a script that behaves like one; none of its processes outlives the test."""
    made: list[Engine] = []

    def build(script: str | None = None, **more: object) -> Listener:
        command = [sys.executable, "-c", HELLO + script] if script is not None else None
        engine = Engine(command=more.pop("command", command), **more)  # type: ignore[arg-type]
        made.append(engine)
        return Listener(engine, qtbot)

    yield build
    for engine in made:
        process_id = engine.process_id
        engine.close()
        assert not process_id or not psutil.pid_exists(process_id)


GOOD = "greet()\nwhile True: done(id=ask()['id'])\n"
DEAF = "greet()\nask()\ntime.sleep(60)\n"
DYING = "greet()\nask()\nprint('last words', file=sys.stderr)\nsys.exit(3)\n"


def test_a_real_document_is_read_and_asked_and_an_answer_cancelled(make: Make, tmp_path: Path) -> None:
    listener = make()
    engine = listener.engine
    assert engine.state == "off" and not engine.process_id
    sample = resource("samples") / "harbour-day.md"
    read = listener.send(Extract(str(sample), str(tmp_path)))
    load = listener.send(Load(ONE_THREAD))
    assert not listener.events, "nothing is told before send has returned"
    text = listener.last(read)
    assert isinstance(text, ExtractDone) and isinstance(listener.last(load), ModelLoadDone)
    ask = listener.send(Answer((("Who?", None),), text_paths=(text.text_path,), max_tokens=5, choice=ONE_THREAD))
    assert isinstance(listener.last(ask), AnswerDone)
    assert listener.states[:2] == ["starting", "busy"] and listener.states[-2:] == ["busy", "ready"]
    before = engine.process_id
    ask = listener.send(Answer((("Tell me.", None),), temperature=100.0, max_tokens=10_000, choice=ONE_THREAD))
    listener.wait(lambda: any(isinstance(event, AnswerDelta) for event in listener.of(ask)))
    engine.cancel(ask)
    engine.cancel(ask)
    done = listener.last(ask)
    assert isinstance(done, AnswerDone) and done.stopped == "cancelled"
    assert engine.process_id == before and engine.state == "ready"
    process = psutil.Process(before)
    engine.unload()
    assert engine.state == "stopping"
    listener.wait_state("off")
    assert not process.is_running() and not listener.crashes


def test_killed_while_it_works_it_comes_again(make: Make) -> None:
    listener = make()
    engine = listener.engine
    load = listener.send(Load(ONE_THREAD))
    listener.wait(lambda: listener.of(load))
    os.kill(engine.process_id, signal.SIGKILL)
    error = listener.last(load)
    assert isinstance(error, Error) and (error.kind, error.stage) == ("crash", "load")
    assert len(listener.crashes) == 1 and "killed" in listener.crashes[0]
    assert isinstance(listener.last(listener.send(SMALL)), DownloadDropped)


def test_what_waits_is_cancelled_without_the_process(make: Make) -> None:
    listener = make(GOOD)
    engine = listener.engine
    request = listener.send(SMALL)
    engine.cancel(request)
    assert isinstance(listener.last(request), Cancelled)
    listener.wait_state("ready")
    engine.cancel(request)
    engine.cancel(999)
    with pytest.raises(TypeError):
        engine.send(Cancel(1))


def test_a_cancel_that_is_not_heard_is_forced_and_the_others_go_on(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "FORCE_S", 0.5)
    once = f"mark = {str(tmp_path / 'mark')!r}; first = not os.path.exists(mark); open(mark, 'a').close()\n"
    listener = make(once + "greet()\nif first: ask(); time.sleep(60)\nwhile True: done(id=ask()['id'])\n")
    engine = listener.engine
    stuck, waiting = listener.send(SMALL), listener.send(SMALL)
    listener.wait_state("busy")
    begun = time.monotonic()
    engine.cancel(stuck)
    assert isinstance(listener.last(stuck), Cancelled)
    assert 0.4 < time.monotonic() - begun < 2
    assert isinstance(listener.last(waiting), DownloadDropped)
    assert not listener.crashes
    assert "stopping" in listener.states


def test_an_unload_that_is_not_heard_is_forced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "FORCE_S", 0.5)
    listener = make(DEAF)
    engine = listener.engine
    request = listener.send(SMALL)
    listener.wait_state("busy")
    engine.unload()
    again = listener.send(SMALL)
    assert isinstance(listener.last(request), Cancelled)
    listener.wait_state("busy")
    assert not listener.of(again) and not listener.crashes, "what was asked for after the unload starts it anew"


def test_three_crashes_and_no_more(make: Make) -> None:
    listener = make(DYING)
    engine = listener.engine
    times = []
    for number in range(3):
        request = listener.send(SMALL)
        error = listener.last(request)
        times.append(time.monotonic())
        assert isinstance(error, Error) and error.kind == "crash" and "last words" in (error.details or "")
        assert len(listener.crashes) == number + 1 and "exit code 3" in listener.crashes[-1]
    assert times[1] - times[0] > 0.15 and times[2] - times[1] > 0.8  # Qt's timers may be early by a twentieth
    assert engine.state == "failed" and not engine.process_id
    request = listener.send(SMALL)
    assert not listener.of(request)
    error = listener.last(request)
    assert isinstance(error, Error) and error.kind == "crash"
    engine.unload()
    assert engine.state == "off"
    assert isinstance(listener.last(listener.send(SMALL)), Error)
    assert engine.state == "starting" and len(listener.crashes) == 4


def test_crashes_that_are_far_apart_do_not_count(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_CRASHES_S", 0.1)
    monkeypatch.setattr(engine_module, "_BACK_OFF_S", (0.2,))
    listener = make(DYING)
    for _ in range(4):
        listener.last(listener.send(SMALL))
    assert listener.engine.state != "failed"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "/no/such/program"),
        ([sys.executable, "-c", "import no_such_module"], "No module named 'no_such_module'"),
        ([sys.executable, "-c", "print('Loading weights')"], "not understood"),
        ([sys.executable, "-c", HELLO + "say(event='hello', protocol=9, version='', pid=1); ask()"], "version 9"),
    ],
    ids=["no program", "no module", "no protocol", "another version"],
)
def test_what_cannot_start_fails_with_its_words(
    make: Make, monkeypatch: pytest.MonkeyPatch, command: list[str], words: str
) -> None:
    monkeypatch.setattr(engine_module, "_BACK_OFF_S", (0.05,))
    listener = make(command=command)
    request = listener.send(SMALL)
    error = listener.last(request)
    assert isinstance(error, Error) and error.kind == "crash" and words in (error.details or "")
    assert listener.engine.state == "failed" and len(listener.crashes) == 3 and words in listener.crashes[0]


def test_rubbish_in_the_middle_ends_the_process(make: Make) -> None:
    listener = make("greet()\nask()\nprint('Segmentation', flush=True)\ntime.sleep(60)\n")
    error = listener.last(listener.send(SMALL))
    assert isinstance(error, Error) and "Segmentation" in (error.details or "")


def test_lines_come_in_pieces(make: Make) -> None:
    script = """
greet()
line = json.dumps({"event": "answer.delta", "id": ask()["id"], "text": "\u00e9\u00df\ud55c"}, ensure_ascii=False)
for byte in (line + "\\n").encode():
    sys.stdout.buffer.write(bytes([byte]))
    sys.stdout.buffer.flush()
    time.sleep(0.001)
done(id=1)
ask()
"""
    listener = make(script)
    request = listener.send(SMALL)
    listener.last(request)
    assert listener.of(request)[0] == AnswerDelta("éß한", id=request)


FLOOD = """
greet()
number = ask()["id"]
line = json.dumps({"event": "answer.delta", "id": number, "text": "x" * 50}) + "\\n"
sys.stdout.write(line * 100_000)
done(id=number)
"""


@pytest.mark.parametrize("script", ["DEAF", "FLOOD"])
def test_closing_tells_the_rest_at_once(make: Make, script: str) -> None:
    """Later the library is closed, and whoever was told could keep nothing."""
    listener = make({"DEAF": DEAF, "FLOOD": FLOOD}[script])
    requests = [listener.send(SMALL)]
    listener.wait_state("busy")
    requests.append(listener.send(SMALL))
    listener.engine.close()
    n_told = len(listener.events)
    assert {event.id for event in listener.events if isinstance(event, Cancelled | DownloadDropped)} == set(requests)
    listener.let_pass(100)
    assert len(listener.events) == n_told and listener.engine.state == "off"


@pytest.mark.parametrize("then", ["time.sleep(60)", "sys.exit(1)"], ids=["lives on", "dies"])
def test_a_flood_does_not_freeze_the_window(make: Make, then: str) -> None:
    listener = make(FLOOD + f"{then}\n")
    gaps: list[float] = []
    before = time.perf_counter()

    def tick() -> None:
        nonlocal before
        now = time.perf_counter()
        gaps.append(now - before)
        before = now

    timer = QTimer()
    timer.timeout.connect(tick)
    listener.send(SMALL)
    listener.wait_state("busy")
    before = time.perf_counter()
    timer.start(16)
    listener.wait(lambda: len(listener.events) > 100_000)
    timer.stop()
    assert isinstance(listener.events[-1], DownloadDropped)
    assert sorted(gaps)[int(0.9 * len(gaps))] < 0.1 and len(gaps) > 20
    if "exit" in then:
        listener.wait(lambda: listener.crashes)


@pytest.mark.release
def test_it_is_ended_when_it_is_idle(make: Make) -> None:
    listener = make(GOOD, idle_unload_s=0.2)
    listener.last(listener.send(SMALL))
    listener.wait_state("off")
    listener.engine.set_idle_unload(0)
    listener.last(listener.send(SMALL))
    listener.let_pass(300)
    assert listener.engine.state == "ready"


def test_the_end_of_the_program_waits_for_the_engine(make: Make) -> None:
    listener = make()
    request = listener.send(Load(ONE_THREAD))
    listener.wait_state("busy")
    process = psutil.Process(listener.engine.process_id)
    listener.engine.close()
    assert not process.is_running()
    assert isinstance(listener.last(request), (Cancelled, ModelLoadDone))


WINDOW = """
import sys
from PySide6.QtCore import QCoreApplication
from gistdesk.protocol import Load, ModelChoice
from gistdesk.session.engine import Engine
app = QCoreApplication([])
engine = Engine()
engine.state_changed.connect(lambda state: print(engine.process_id if state == "busy" else 0, flush=True))
engine.send(Load(ModelChoice(threads=1)))
app.exec()
"""


@pytest.mark.release
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_no_engine_outlives_a_window_that_is_killed() -> None:
    window = subprocess.Popen([sys.executable, "-c", WINDOW], stdout=subprocess.PIPE, text=True)
    assert window.stdout is not None
    process_id = 0
    while not process_id:
        process_id = int(window.stdout.readline())
    engine = psutil.Process(process_id)
    assert engine.cmdline()[-1] == "gistdesk.worker"
    window.kill()
    window.wait()
    window.stdout.close()
    gone, _ = psutil.wait_procs([engine], timeout=6)
    assert gone


def test_the_window_imports_nothing_large() -> None:
    code = "import sys, gistdesk.session.engine; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(out.stdout.split())
    assert not {"torch", "transformers", "peft", "numpy", "gistdesk.worker"} & imported
    core = {name for name in imported if name.startswith("gistdesk.core")}
    assert core == {"gistdesk.core", "gistdesk.core.sentences"}  # the form in which the protocol carries sentences


def test_what_ends_a_request_is_known_for_each() -> None:
    assert is_last(DownloadDropped("org/model"), SMALL) and not is_last(AnswerDelta(""), SMALL)
    assert not is_last(CompressProgress(0, 1, None, None), SMALL)


def test_a_held_engine_has_no_process_and_its_requests_wait(make: Make) -> None:
    listener = make()
    assert isinstance(listener.last(listener.send(SMALL)), DownloadDropped)
    listener.engine.hold(True)
    listener.wait_state("off")
    waiting = listener.send(SMALL)
    listener.let_pass(300)
    assert listener.engine.process_id == 0 and not listener.of(waiting)
    listener.engine.hold(False)
    assert isinstance(listener.last(waiting), DownloadDropped)

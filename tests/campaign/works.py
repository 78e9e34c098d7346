"""The programs that are killed: what they are given to do, what holds in their folder at any moment, what they make.

Each runs in a process that is forked from one in which everything is imported, so that a kill costs a second and not
six. Knows nothing of when they are killed.
"""

import faulthandler
import hashlib
import json
import os
import runpy
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TypeVar

import psutil
from safetensors import safe_open

from gistdesk.core.compress import compress_document
from gistdesk.core.gist_file import read_gist
from gistdesk.folders import resource
from gistdesk.protocol import (
    Answer,
    AnswerDelta,
    AnswerDone,
    Cancelled,
    Compress,
    CompressDone,
    Error,
    Event,
    Extract,
    ExtractDone,
    ModelChoice,
    decode_event,
    encode,
    is_last,
)
from gistdesk.worker.__main__ import main as serve
from tests.core.tiny_models import write_model
from tests.trainer.tiny_runs import SHORT, write_questions
from trainer.training.checkpoint import read_checkpoint
from trainer.training.config import TrainConfig, to_yaml

_E = TypeVar("_E", bound=Event)
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Work:
    """What is done and killed.

    Attributes:
        prepare: what has to lie in a folder before it is begun there, or begun anew.
        begin: does it, in the folder given, in a process of its own.
        check: raises where what lies in the folder is not whole; asked after every signal.
        made: what a run that came to its end has made, to be compared with what an undisturbed one makes.
        victim: which of its processes gets the signal.
    """

    name: str
    prepare: Callable[[Path], object]
    begin: Callable[[Path], object]
    check: Callable[[Path], None]
    made: Callable[[Path], object]
    victim: Callable[[psutil.Process, Random], psutil.Process] = lambda process, random: process


def forked(work: Callable[[], object], folder: Path) -> int:
    """Run it in a process of its own, in a folder, what it prints appended to two files there -> its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        faulthandler.enable()  # SIGABRT tells where it stands
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" leaves it ignored
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait_for(pid: int, seconds: float) -> int | None:
    """Its exit code, negative for a signal; None where it goes on."""
    until = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.01)


def said(folder: Path) -> str:
    """What the last run in this folder told of errors."""
    path = folder / "stderr"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def run_to_its_end(work: Work, folder: Path) -> None:
    """Leave it alone in a process of its own; what it imports is imported here then, for those that come after it."""
    names = folder.with_name("imported")

    def begin() -> None:
        try:
            work.begin(folder)
        finally:
            names.write_text("\n".join(sys.modules))

    code = wait_for(forked(begin, folder), _PATIENCE_S)
    assert code == 0, f"{work.name}, undisturbed: {code}\n{said(folder)}"
    for name in names.read_text().splitlines():
        if name not in sys.modules:
            with suppress(ImportError):
                import_module(name)


def _run(*words: str) -> None:
    """`python -m` with these words."""
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _whole_lines(path: Path) -> None:
    """All lines but the last, which may be cut short, are whole."""
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            if line:
                json.loads(line)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"stdout", "stderr"}


# ---- compress

_BOOK, _GIST, _MODEL = "book.txt", "book.gistkv", "model"


def _write_book(folder: Path) -> None:
    text = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")
    (folder / _BOOK).write_text(text[:4000], "utf-8")
    for name in (_GIST, f"{_GIST}.part"):
        (folder / name).unlink(missing_ok=True)
    _write_model(folder)


def _write_model(folder: Path) -> None:
    if not (folder / _MODEL).exists():
        write_model(folder / _MODEL)


def _check_gist(folder: Path) -> None:
    if (folder / _GIST).exists():
        read_gist(folder / _GIST)


def _made_gist(folder: Path) -> object:
    left = _names(folder) - {_BOOK, _GIST, _MODEL}
    assert not left, left
    return _gist_of(folder)


def _gist_of(folder: Path) -> tuple[object, ...]:
    record = read_gist(folder / _GIST)
    return record.gist.kv, record.gist.segments, record.title, record.source_sha256


# ---- the engine

_REFUSED, _ENGINE_GONE = 2, 3


def _drive(folder: Path) -> None:
    """As a window does: start the engine, have a document read and compressed, ask a question of it; write the answer.

    Exits with `_REFUSED` where it says that it cannot, and with `_ENGINE_GONE` where it ended before that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    requests, asks = os.pipe()
    hears, events = os.pipe()
    engine = os.fork()
    if engine == 0:
        try:
            for number, pipe in ((0, requests), (1, events)):
                os.dup2(pipe, number)
            for pipe in (requests, asks, hears, events):
                os.close(pipe)
            serve()
        finally:
            os._exit(1)
    os.close(requests)
    os.close(events)
    with os.fdopen(hears, "rb") as lines, os.fdopen(asks, "wb", buffering=0) as stdin:
        said: list[str] = []

        def do(request: Extract | Compress | Answer, number: int, kind: type[_E]) -> _E:
            try:
                stdin.write(encode(replace(request, id=number)).encode())
            except BrokenPipeError:
                sys.exit(_ENGINE_GONE)
            for line in lines:
                event = decode_event(line)
                if isinstance(event, AnswerDelta):
                    said.append(event.text)
                if event.id == number and is_last(event, request):
                    if isinstance(event, kind):
                        return event
                    if isinstance(event, Cancelled):  # a signal ends the engine, and what it did before
                        sys.exit(_ENGINE_GONE)
                    assert isinstance(event, Error), event
                    assert event.kind == "user", event
                    sys.exit(_REFUSED)
            sys.exit(_ENGINE_GONE)

        model, target = str(folder / _MODEL), str(folder / _GIST)
        text = do(Extract(str(folder / _BOOK), str(folder / "texts"), model=model), 1, ExtractDone)
        choice = ModelChoice(model, "cpu", 1)
        whole = Compress(text.text_path, "a", text.source_sha256, target, 6.0, choice=choice)
        do(whole, 2, CompressDone)
        turns, ends = (("What is the passkey?", None),), {"choice": choice, "max_tokens": 8}
        do(Answer(turns, (target,), **ends), 3, AnswerDone)
        (folder / "answer").write_text("".join(said))
    os.waitpid(engine, 0)


def _check_engine(folder: Path) -> None:
    _check_gist(folder)
    for path in (folder / "texts").glob("*.txt"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem, path


def _made_engine(folder: Path) -> object:
    left = _names(folder) - {_BOOK, _GIST, _MODEL, "texts", "answer"}
    assert not left, left
    hidden = [path.name for path in (folder / "texts").iterdir() if path.suffix != ".txt"]
    assert not hidden, hidden
    return (*_gist_of(folder), (folder / "answer").read_text())


def _engine_or_window(window: psutil.Process, random: Random) -> psutil.Process:
    engines = window.children()
    return random.choice([window, *engines[:1]])


# ---- trainer

_STEPS = 8


def _write_run(folder: Path) -> None:
    shutil.rmtree(folder / "run", ignore_errors=True)
    _write_model(folder)
    write_questions(folder / "questions.jsonl")
    changes = {"base": str(folder / _MODEL), "questions": str(folder / "questions.jsonl"), "device": "cpu"}
    steps = {"steps": _STEPS, "evaluate_steps": _STEPS, "held_out_share": 0.05}
    config = TrainConfig(**{**SHORT, **changes, **steps})
    (folder / "config.yaml").write_text(to_yaml(config), "utf-8")


def _check_run(folder: Path) -> None:
    _whole_lines(folder / "run" / "run.jsonl")
    read_checkpoint(folder / "run" / "checkpoints")


def _made_run(folder: Path) -> object:
    """The adapter's tensors; where it was interrupted does not show in them."""
    work = folder / "run"
    left = [path for path in work.rglob("*") if path.is_file() and path.suffix in (".tmp", ".part")]
    assert not left, left
    with safe_open(work / "adapter" / "adapter_model.safetensors", "pt") as adapter:
        names = tuple(sorted(adapter.keys()))
        return names, tuple(adapter.get_tensor(name) for name in names)


# ---- benchmark


def _clear_benchmark(folder: Path) -> None:
    shutil.rmtree(folder / "out", ignore_errors=True)
    _write_model(folder)


def _check_benchmark(folder: Path) -> None:
    _whole_lines(folder / "out" / "samples.jsonl")


def _made_benchmark(folder: Path) -> object:
    lines = (folder / "out" / "samples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line]
    json.loads((folder / "out" / "results.json").read_text())
    return tuple(sorted((row["method"], row["expected"], row["given"]) for row in rows if "given" in row))


_NIAH = (
    *("gistdesk", "niah", "-m", _MODEL, "-o", "out", "--ratio", "6", "--lengths", "128", "--samples", "2"),
    *("--depths", "0,100", "--languages", "en", "--methods", "gist,none"),
)


def works() -> tuple[Work, ...]:
    """All but the window, which is never done."""
    assert compress_document.__kwdefaults__ is not None
    compress_document.__kwdefaults__["checkpoint_s"] = 0.0  # one after every batch, so that kills meet them
    compress = partial(_run, "gistdesk", "compress", _BOOK, "-o", _GIST, "-m", _MODEL, "--ratio", "6")
    train = partial(_run, "trainer", "train", "--config", "config.yaml", "--work", "run")
    return (
        Work("compress", _write_book, lambda folder: compress(), _check_gist, _made_gist),
        Work("engine", _write_book, _drive, _check_engine, _made_engine, _engine_or_window),
        Work("trainer", _write_run, lambda folder: train(), _check_run, _made_run),
        Work("benchmark", _clear_benchmark, lambda folder: _run(*_NIAH), _check_benchmark, _made_benchmark),
    )

"""Memory runs out: on a real limit the window is told with figures, after a second try with half the batch."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gistdesk.core import load
from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import read_gist
from gistdesk.protocol import (
    Answer,
    AnswerDone,
    Compress,
    CompressDone,
    CompressProgress,
    Error,
    Event,
    ExtractProgress,
    Load,
    ModelChoice,
    ModelLoadDone,
    decode_event,
)
from gistdesk.worker import serve
from gistdesk.worker.compressing import compress
from gistdesk.worker.failures import error_of
from gistdesk.worker.keeper import Keeper
from gistdesk.worker.pipes import Inbox, Outlet
from gistdesk.worker.pulse import Pulse
from tests.worker.conftest import Kept
from tests.worker.process import ONE_THREAD, engine_process


@pytest.fixture
def events() -> Iterator[tuple[Pulse, Callable[[], list[Event]]]]:
    """A pulse on a real pipe, and what has come out of it."""
    read, write = os.pipe()
    os.set_blocking(read, False)

    def said() -> list[Event]:
        return [decode_event(line) for line in os.read(read, 2**20).splitlines()]

    outlet = Outlet(write)
    yield Pulse(Inbox(read, outlet), outlet), said
    os.close(read)
    os.close(write)


@pytest.mark.release
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a running process is Linux's")
def test_a_real_limit(alice: Kept, novel: Kept, tmp_path: Path) -> None:
    import resource

    import psutil

    with engine_process() as process:
        process.do(Load(ONE_THREAD), ModelLoadDone)
        process.do(alice.request(tmp_path / "first.gistkv"), CompressDone)
        used = psutil.Process(process.popen.pid).memory_info().vms
        resource.prlimit(process.popen.pid, resource.RLIMIT_AS, (used + 256 * 2**20, resource.RLIM_INFINITY))
        # at this ratio the gist of a novel takes 450 MB: no batch is small enough
        events = process.ask(novel.request(tmp_path / "novel.gistkv", 4.0))
        error = events[-1]
        assert isinstance(error, Error), error
        assert (error.kind, error.stage) == ("out_of_memory", "compress")
        assert error.needed_bytes and error.free_bytes is not None
        assert error.needed_bytes > 300 * 2**20 > 257 * 2**20 > error.free_bytes
        assert "MiB" in error.message and error.details is None
        # and the engine goes on
        process.do(alice.request(tmp_path / "second.gistkv"), CompressDone)
        process.do(Answer((("Q", None),), gists=(str(alice.gist),), max_tokens=2, choice=ONE_THREAD), AnswerDone)


def limited(model: Any, max_positions: int, rows_seen: list[int]) -> Callable[..., Any]:
    """The model's encoder on a card with room for so many positions."""
    encoder = model.encoder

    def encode(input_ids: torch.Tensor) -> Any:
        rows_seen.append(input_ids.numel())
        if input_ids.numel() > max_positions:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.50 MiB. GPU 0 has a total capacity")
        return encoder(input_ids)

    return encode


def test_a_model_is_found_and_fingerprinted_once_per_load(
    events: tuple[Pulse, Callable[[], list[Event]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()

    def counted(name: str) -> None:
        plain = getattr(load, name)

        def count(*given: object) -> object:
            counts[name] += 1
            return plain(*given)

        monkeypatch.setattr(load, name, count)

    for name in ("find_model", "model_fingerprint", "tokenizer_fingerprint", "adapter_fingerprint"):
        counted(name)
    loaded = Keeper(events[0]).load(ModelChoice(device="cpu"))
    assert loaded.info.adapter_fingerprint == loaded.model.identity.adapter_fingerprint != ""
    assert set(counts.values()) == {1} and len(counts) == 4


def test_half_the_batch_is_tried_once(
    alice: Kept, tmp_path: Path, events: tuple[Pulse, Callable[[], list[Event]]]
) -> None:
    pulse, said = events
    keeper = Keeper(pulse)
    model = keeper.load(ModelChoice(device="cpu")).model
    request = alice.request(tmp_path / "a.gistkv", id=1)
    pulse.begin(request)
    rows: list[int] = []
    usual = model.encoder
    model.encoder = limited(model, 600, rows)
    assert compress(request, keeper, pulse).n_tokens == alice.text.n_tokens
    assert [n > 600 for n in rows] == [True] + [False] * 8
    assert read_gist(Path(request.target)).gist.n_slots == read_gist(alice.gist).gist.n_slots
    assert next(event.done for event in said() if isinstance(event, CompressProgress)) == 0

    model.encoder = usual
    rows.clear()
    model.encoder = limited(model, 100, rows)
    result = serve._result(request, keeper, pulse)
    assert isinstance(result, Error)
    assert (result.kind, result.stage, result.needed_bytes) == ("out_of_memory", "compress", int(20.5 * 2**20))
    assert len(rows) == 2 and rows[1] < rows[0]


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        (MemoryError(), None),
        (OSError(12, "Cannot allocate memory"), None),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), 2**31),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
            99,
        ),
    ],
)
def test_every_way_of_saying_it(error: Exception, needed: int | None) -> None:
    told = UserError("The model cannot be loaded.", "Try another.")
    told.__cause__ = error
    for each in (error, told):
        event = error_of(each, "load", "cpu")
        assert (event.kind, event.needed_bytes) == ("out_of_memory", needed) and event.free_bytes


def test_other_errors_are_no_lack_of_memory() -> None:
    assert error_of(UserError("No.", "Yes."), "load", "cpu") == Error("user", "load", "No.", "Yes.")
    bug = error_of(ZeroDivisionError("oops"), "answer", "")
    assert bug.kind == "bug" and bug.details and "ZeroDivisionError: oops" in bug.details


def test_progress_is_told_twenty_times_a_second_at_most(events: tuple[Pulse, Callable[[], list[Event]]]) -> None:
    pulse, said = events
    pulse.begin(Compress("", "", "", "", 1.0, id=7))
    for number in range(10_000):
        pulse(ExtractProgress(number, 10_000))
    told = said()
    assert 1 <= len(told) < 100 and told[0] == ExtractProgress(0, 10_000, id=7)

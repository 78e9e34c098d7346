"""Signals at random moments, to the commands that work for long: `python -m tests.campaign.kills --n 20 --seed 1`.

Compressing, training and the benchmark are killed (SIGKILL), ended (SIGTERM) and interrupted (SIGINT), started again in
the same folder, and in the end left to finish. After every signal: no file is half written, no process is left. What is
finished in the end is what an undisturbed run makes. Window and engine: `python -m tests.end2end.faults N`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import torch

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import read_gist
from gistdesk.core.resources import resource
from trainer.training.checkpoint import read_checkpoint

_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_PATIENCE_S = 1800.0


@dataclass(frozen=True)
class Work:
    """A command, what is to be true of its folder at any moment, and what it has made in the end."""

    name: str
    words: tuple[str, ...]
    check: Callable[[Path], None]
    made: Callable[[Path], object]


@dataclass
class Kills:
    """Counts of one command. Attributes: finished: runs that ended before their signal came."""

    tried: int = 0
    clean: int = 0
    finished: int = 0
    bad: list[str] = field(default_factory=list)


def _whole_lines(path: Path) -> None:
    """All lines but the last, which may be cut short, are whole."""
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)


def _check_gist(folder: Path) -> None:
    target = folder / "book.gistkv"
    if target.exists():
        read_gist(target)


def _made_gist(folder: Path) -> object:
    record = read_gist(folder / "book.gistkv")
    left = sorted(path.name for path in folder.iterdir() if path.name not in ("book.txt", "book.gistkv", "stderr"))
    assert not left, left
    return record.gist.kv, record.gist.segments, record.title, record.source_sha256


def _check_run(folder: Path) -> None:
    work = folder / "run"
    if work.is_dir():
        _whole_lines(work / "run.jsonl")
        read_checkpoint(work)


def _check_benchmark(folder: Path) -> None:
    _whole_lines(folder / "out" / "samples.jsonl")


def _made_benchmark(folder: Path) -> object:
    lines = (folder / "out" / "samples.jsonl").read_text().splitlines()
    return sorted((row["method"], row["expected"], row["given"]) for row in map(json.loads, lines) if "given" in row)


WORKS = (
    Work("compress", ("gistdesk", "compress", "book.txt", "-o", "book.gistkv"), _check_gist, _made_gist),
    Work(
        "benchmark",
        (
            *("gistdesk", "niah", "-o", "out", "--lengths", "256", "--samples", "2", "--depths", "0,100"),
            *("--languages", "en", "--methods", "gist,none"),
        ),
        _check_benchmark,
        _made_benchmark,
    ),
    Work(
        "trainer",
        ("trainer", "train", "--preset", "check", "--work", "run", "--set", "steps=6"),
        _check_run,
        lambda _: None,
    ),
)


def main() -> None:
    """See above. Exit code 1: something was bad."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--n", type=int, default=20, help="signals to each command")
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--what", default="", help="names of commands, with commas between; all of them else")
    asked = told.parse_args()
    bad = False
    for work in WORKS:
        if not asked.what or work.name in asked.what:
            found = disturb(work, asked.n, asked.seed)
            bad = bad or bool(found.bad)
            print(f"| {work.name} | {found.tried} | {found.clean} | {len(found.bad)} |", *found.bad, flush=True)
    sys.exit(bad)


def disturb(work: Work, n: int, seed: int) -> Kills:
    """Signal after signal, then to the end, and compare."""
    random, found = Random(f"{seed}:{work.name}"), Kills()
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        quiet, disturbed = Path(place, "quiet"), Path(place, "disturbed")
        for folder in (quiet, disturbed):
            folder.mkdir()
            (folder / "book.txt").write_bytes((resource("samples") / "alice-with-a-note.txt").read_bytes() * 3)
        begun = time.monotonic()
        assert _start(work, quiet).wait(timeout=_PATIENCE_S) == 0, (quiet / "stderr").read_text()
        whole_s = time.monotonic() - begun
        for _ in range(n):
            number = random.choice(_SIGNALS)
            problem = _one(work, disturbed, number, random.uniform(0.05, 1.0) * whole_s, found)
            found.tried += 1
            found.clean += not problem
            if problem:
                found.bad.append(f"{number.name}: {problem}")
                return found
        assert _start(work, disturbed).wait(timeout=_PATIENCE_S) == 0, (disturbed / "stderr").read_text()
        if not _same(work.made(quiet), work.made(disturbed)):
            found.bad.append("what was made in the end is not what an undisturbed run makes")
    return found


def _start(work: Work, folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "stderr").open("wb") as errors:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", *work.words], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )


def _one(work: Work, folder: Path, number: signal.Signals, after_s: float, found: Kills) -> str:
    """What is wrong after one signal; "" when nothing is."""
    process = _start(work, folder)
    watched = psutil.Process(process.pid)
    try:
        process.wait(timeout=after_s)
        found.finished += 1
    except subprocess.TimeoutExpired:
        children = watched.children(recursive=True)
        process.send_signal(number)
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            return "it did not end within two minutes"
        _, alive = psutil.wait_procs(children, timeout=15)
        if alive:
            return f"{len(alive)} processes are left"
    said = (folder / "stderr").read_text(errors="replace")
    if "Traceback" in said:
        return said[-500:]
    try:
        work.check(folder)
    except (UserError, ValueError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


if __name__ == "__main__":
    main()

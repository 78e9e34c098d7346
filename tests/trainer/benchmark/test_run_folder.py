"""A run that was interrupted, however that was, ends as an uninterrupted one does. Plumbing: any starter will do."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Trial
from trainer.benchmark.run_folder import read_run, read_trials
from trainer.report.folder import measure, read_results

CONFIG = BenchConfig(
    lengths=(128, 192),
    depths=(0, 100),
    samples=1,
    languages=("en",),
    methods=("gist", "wrong-gist", "none", "rag"),
    haystack="The harbour was quiet. A grey cat slept on the wall. Had the boat come back? " * 20,
    needle="The gate opens with {value}.",
    question="What opens the gate?",
    ratio=16,
    rank_by="bm25",
)
TIMES = {"ttft_s", "prepare_s", "tokens_per_second", "peak_memory_bytes"}


def told(folder: Path) -> list[dict[str, Any]]:
    """What samples.jsonl says, without what belongs to the clock."""
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def run(model: GistModel, folder: Path, config: BenchConfig = CONFIG) -> list[dict[str, Any]]:
    return list(measure(model, config, folder))


def interrupted(model: GistModel, folder: Path, n: int) -> None:
    steps = measure(model, CONFIG, folder)
    for _ in range(n):
        next(steps)
    steps.close()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def whole(starter: GistModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(starter, folder)
    return folder


def test_every_trial_is_a_line_with_prompt_expected_and_given(whole: Path) -> None:
    lines = told(whole)
    assert len(lines) == CONFIG.n_trials == 16
    for line in lines:
        assert {"prompt", "expected", "given", "sample", "method"} <= set(line)
    trials = list(read_trials(whole / "samples.jsonl"))
    assert {field.name for field in fields(Trial)} - {"answer"} | {"given"} == set(lines[0]) | TIMES
    assert [trial.answer for trial in trials] == [line["given"] for line in lines]
    description = read_run(whole)
    assert description is not None
    assert description["finished"] >= description["started"]


@pytest.mark.parametrize("n", [3, 16])
def test_it_goes_on_where_it_was_interrupted(starter: GistModel, whole: Path, tmp_path: Path, n: int) -> None:
    interrupted(starter, tmp_path, n)
    before = (tmp_path / "samples.jsonl").read_text("utf-8")
    assert before.count("\n") == n
    *steps, results = run(starter, tmp_path)
    assert [step["is_new"] for step in steps] == [False] * n + [True] * (16 - n)
    assert [step["done"] for step in steps] == list(range(1, 17))
    assert (tmp_path / "samples.jsonl").read_text("utf-8").startswith(before)  # not measured again
    assert told(tmp_path) == told(whole)
    assert results["samples"] == json.loads((whole / "results.json").read_text("utf-8"))["samples"]


@pytest.mark.parametrize("spoil", ["half a line", "no end", "rubbish between"])
def test_what_was_half_written_is_measured_again(starter: GistModel, whole: Path, tmp_path: Path, spoil: str) -> None:
    interrupted(starter, tmp_path, 5)
    path = tmp_path / "samples.jsonl"
    lines = path.read_bytes().split(b"\n")
    spoiled = {
        "half a line": b"\n".join(lines[:5]) + b"\n" + lines[3][: len(lines[3]) // 2],
        "no end": b"\n".join(lines[:5]),
        "rubbish between": b"\n".join([*lines[:2], b'\xff{"a": [', b"null", b"[]", b'{"given": 1}', *lines[2:]]),
    }
    path.write_bytes(spoiled[spoil])
    run(starter, tmp_path)
    assert told(tmp_path) == told(whole)


KILLED = """
import sys
from pathlib import Path
from dataclasses import replace
import torch
from gistdesk.core.load import load_model
sys.path.insert(0, sys.argv[2])
from test_run_folder import CONFIG
from trainer.report.folder import measure
model = load_model("starter", device="cpu", precision="fp32")
for step in measure(model, CONFIG, Path(sys.argv[1])):
    print(step.get("done"), flush=True)
    if step.get("done") == 6:
        import time
        time.sleep(60)
"""


@pytest.mark.release
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_run_loses_nothing(starter: GistModel, whole: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == "6":
                break
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=20)
    assert len(list(read_trials(tmp_path / "samples.jsonl"))) == 6
    assert not (tmp_path / "results.json").exists()
    steps = run(starter, tmp_path)
    assert sum(step.get("is_new", False) for step in steps) == 10
    assert told(tmp_path) == told(whole)


def test_a_finished_run_is_measured_anew(starter: GistModel, tmp_path: Path) -> None:
    config = replace(CONFIG, lengths=(128,), methods=("none",))
    run(starter, tmp_path, config)
    first = told(tmp_path)
    *steps, _ = run(starter, tmp_path, config)
    assert all(step["is_new"] for step in steps)
    assert told(tmp_path) == first
    run(starter, tmp_path, replace(config, seed=2))  # and may make way for another one
    assert told(tmp_path) != first


@pytest.mark.parametrize("change", [{"seed": 2}, {"methods": ("none",)}, {"haystack": CONFIG.haystack + "Yes. "}])
def test_an_unfinished_run_does_not_make_way_for_another(
    starter: GistModel, tmp_path: Path, change: dict[str, Any]
) -> None:
    interrupted(starter, tmp_path, 2)
    before = (tmp_path / "samples.jsonl").read_bytes()
    with pytest.raises(UserError, match="unfinished run of something else") as caught:
        next(measure(starter, replace(CONFIG, **change), tmp_path))
    assert "choose another folder" in caught.value.hint
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_an_interrupted_run_can_be_reported(starter: GistModel, tmp_path: Path) -> None:
    interrupted(starter, tmp_path, 7)
    results = read_results(tmp_path)
    assert len(results["samples"]) == 7
    assert not (tmp_path / "report.html").exists()  # it may be running: whoever reads it must not write over it
    assert sum(cell["n"] for cell in results["cells"]) == 7
    *steps, _ = run(starter, tmp_path)  # and gone on with afterwards
    assert sum(step["is_new"] for step in steps) == 9


def test_what_is_no_run_is_not_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no benchmark run in"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text('{"cells": 5}')
    with pytest.raises(UserError, match="no benchmark run in"):
        read_results(tmp_path)


def test_time_that_is_left_is_told_from_the_first_measured_trial_on(starter: GistModel, tmp_path: Path) -> None:
    steps = measure(starter, CONFIG, tmp_path)
    begun = time.perf_counter()
    first = next(steps)
    assert first["eta_s"] is not None
    assert 0 < first["eta_s"] < 60 * (time.perf_counter() - begun)
    steps.close()  # type: ignore[attr-defined]
    again = measure(starter, CONFIG, tmp_path)
    assert next(again)["eta_s"] is None  # found, not measured
    assert next(again)["eta_s"] > 0
    again.close()  # type: ignore[attr-defined]

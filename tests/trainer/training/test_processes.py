"""Two processes with gloo make the same loss curve as one with the same global batch; each has a card of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gistdesk.core.errors import UserError
from tests.core.tiny_models import write_model
from tests.trainer.tiny_runs import SHORT, tiny_config, write_questions
from trainer.command import run_training
from trainer.training import train as training
from trainer.training.config import TrainConfig
from trainer.training.processes import take_card


def curve(tmp_path: Path, name: str, start: list[str], precision: str) -> list[dict[str, Any]]:
    config = {
        **SHORT,
        "base": str(tmp_path / "model"),
        "questions": str(tmp_path / "questions.jsonl"),
        "batch": 3,
        "steps": 5,
        "precision": precision,
        "threads": 1,
        "device": "cpu",
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    words = ["train", "--config", str(tmp_path / "config.yaml"), "--work", str(tmp_path / name)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*start, "trainer", *words], capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = (tmp_path / name / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(done.stdout.splitlines()) == len(lines)  # one process speaks
    events = [json.loads(line) for line in lines]
    return [event for event in events if event["event"] != "evaluating"]  # told by the clock


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo on Windows needs a free port and a firewall")
@pytest.mark.parametrize(("precision", "off"), [("fp32", 1e-4), ("nf4", 0.02)])
def test_two_processes_train_as_one(tmp_path: Path, precision: str, off: float) -> None:
    """In NF4, the base computes in bfloat16: the order of sums shows."""
    write_model(tmp_path / "model", hidden_size=64, intermediate_size=128, head_dim=16)
    write_questions(tmp_path / "questions.jsonl")
    alone = curve(tmp_path, "alone", [sys.executable, "-P", "-m"], precision)
    torchrun = [sys.executable, "-P", "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    together = curve(tmp_path, "together", [*torchrun, "-m"], precision)
    assert [event["event"] for event in alone] == [event["event"] for event in together]
    for one, two in zip(alone, together, strict=True):
        for name, value in one.items():
            if name.startswith("questions") or name in ("gradient norm", "step", "learning_rate"):
                assert two[name] == pytest.approx(value, rel=off, abs=off / 10), (one["step"], name)
    assert sum(event["event"] == "progress" for event in alone) == 5


class LoadedError(Exception):
    """The test has seen what it wanted."""


def cards(monkeypatch: pytest.MonkeyPatch, n: int, *, rank: int, world: int) -> list[int]:
    """A computer with n cards, in process number `rank` of `world` -> what the card in use was set to."""
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("WORLD_SIZE", str(world))
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    return chosen


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_every_process_loads_its_weights_to_its_own_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    chosen = cards(monkeypatch, 3, rank=rank, world=3)

    def loads(*_: object, **__: object) -> None:
        assert chosen == [rank]  # before: "cuda" alone is the card in use
        raise LoadedError

    monkeypatch.setattr(training, "load_base", loads)
    with pytest.raises(LoadedError):
        list(training.train_adapter(tmp_path / "run", tiny_config(tmp_path, device="cuda")))


def test_memory_is_asked_of_the_own_card_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = cards(monkeypatch, 2, rank=1, world=2)

    def asked(_: TrainConfig) -> None:
        assert chosen == [1]
        raise LoadedError

    monkeypatch.setattr("trainer.training.estimate.check_fits", asked)
    with pytest.raises(LoadedError):
        run_training(preset="check", config=None, work=tmp_path, settings=[], dry_run=False)


def test_one_process_alone_takes_the_card_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = cards(monkeypatch, 2, rank=0, world=1)
    take_card()
    assert chosen == []


def test_more_processes_than_cards_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    cards(monkeypatch, 2, rank=2, world=3)
    with pytest.raises(UserError, match="has 2 cards, and process 3 was started on it"):
        take_card()

"""A card's path on a CPU, NF4 and moments in 8 bits: resumed it is the same run, bit by bit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.tiny_models import write_model
from trainer.training.checkpoint import read_checkpoint

MODULE = "tests.benchmarks.card_path"


def events(base: Path, work: Path, *words: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", MODULE, "--base", str(base), "--work", str(work), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def losses(found: list[dict[str, Any]]) -> list[float]:
    return [event["questions loss"] for event in found if event["event"] == "progress"]


@pytest.mark.slow
def test_resumed_it_is_one_run(tmp_path: Path) -> None:
    base = write_model(tmp_path / "model", hidden_size=64, intermediate_size=128, head_dim=16)
    whole = events(base, tmp_path / "whole", "--whole")
    parts = events(base, tmp_path / "parts")
    assert [event["event"] for event in parts].count("resumed") == 1
    assert losses(parts) == losses(whole)
    kept, again = (read_checkpoint(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert kept is not None
    assert again is not None
    assert any(name.endswith("state1") and t.dtype.itemsize == 1 for name, t in kept.tensors.items())
    assert all(again.tensors[name].equal(tensor) for name, tensor in kept.tensors.items())

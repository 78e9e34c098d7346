"""Two processes with gloo make the same loss curve as one with the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.tiny_models import write_model
from tests.trainer.tiny_runs import SHORT, write_questions


def curve(tmp_path: Path, name: str, start: list[str]) -> list[dict[str, Any]]:
    config = {
        **SHORT,
        "base": str(tmp_path / "model"),
        "questions": str(tmp_path / "questions.jsonl"),
        "batch": 3,
        "steps": 5,
        "precision": "fp32",
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
    return [json.loads(line) for line in lines]


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo on Windows needs a free port and a firewall")
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    write_questions(tmp_path / "questions.jsonl")
    alone = curve(tmp_path, "alone", [sys.executable, "-P", "-m"])
    torchrun = [sys.executable, "-P", "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    together = curve(tmp_path, "together", [*torchrun, "-m"])
    assert [event["event"] for event in alone] == [event["event"] for event in together]
    for one, two in zip(alone, together, strict=True):
        for name, value in one.items():
            if name.startswith("questions") or name in ("gradient norm", "step", "learning_rate"):
                assert two[name] == pytest.approx(value, rel=1e-4, abs=1e-5), (one["step"], name)
    assert sum(event["event"] == "progress" for event in alone) == 5

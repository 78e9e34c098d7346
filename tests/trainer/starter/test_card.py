"""The starter's model card says how it was trained and measured, in commands that anyone can repeat."""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gistdesk.core.errors import UserError
from gistdesk.folders import resource
from trainer.benchmark.config import BenchConfig
from trainer.data.samples import Samples
from trainer.starter.card import command_of, write_card
from trainer.starter.config import StarterConfig
from trainer.starter.train import train_starter

TINY = StarterConfig(steps=1, tokens_per_step=96, rank=4, warmup_steps=1, report_steps=1, checkpoint_s=0, threads=1)
CELL = {
    "method": "gist",
    "language": "en",
    "needle_kind": "passkey",
    "context_tokens": 512,
    "depth_percent": 50,
    "n": 4,
    "correct": 3,
    "accuracy": 0.75,
    "ratio": 102.4,
}


def written(config: BenchConfig) -> dict[str, Any]:
    """As it stands in results.json."""
    return dict(json.loads(json.dumps({**asdict(config), "haystack": "bundled"})))


@pytest.mark.parametrize(
    "config",
    [
        BenchConfig(),
        BenchConfig(lengths=(512, 16384), samples=7, methods=("gist", "none"), seed=2),
        BenchConfig(kinds=("landmark",), languages=("en",), depths=(0, 50), ratio=(8.0, 128.0)),
        BenchConfig(methods=("rag",), top_k=2, rank_by="bm25"),
    ],
)
def test_the_command_of_a_run_is_the_one_that_makes_it(monkeypatch: pytest.MonkeyPatch, config: BenchConfig) -> None:
    from gistdesk.cli.commands import app

    made: list[BenchConfig] = []

    def measure(model: object, config: BenchConfig, folder: Path) -> None:
        made.append(config)
        raise UserError("Enough.", "Stop.")

    monkeypatch.setattr("trainer.report.folder.measure", measure)
    _, *words = shlex.split(command_of(written(config)))
    with pytest.raises(UserError, match="Enough"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert made == [config]


def test_a_card_is_written_of_a_run_and_its_measurements(tmp_path: Path, training_samples: Samples) -> None:
    (tmp_path / "tokenizer").symlink_to(resource("starter"))
    *_, finished = train_starter(tmp_path, TINY, training_samples)
    assert finished["event"] == "finished"
    folder, run = tmp_path / "model", tmp_path / "niah"
    gist = json.loads((folder / "adapter" / "gist.json").read_text("utf-8"))
    identity = {"model_fingerprint": gist["base_model_fingerprint"]}
    config = replace(BenchConfig(), seed=2, samples=7)
    run.mkdir()
    results = {"model": identity, "config": written(config), "device": "cpu", "dtype": "bfloat16", "cells": [CELL]}
    (run / "results.json").write_text(json.dumps(results), "utf-8")
    write_card(folder, [run], tmp_path)
    card = (folder / "README.md").read_text("utf-8")
    assert "`gistdesk niah -o FOLDER --samples 7 --seed 2`" in card
    assert "| gist | en | passkey | 102x | 75% | 75.0% of 4 (30-95%) |" in card
    assert f"seed {TINY.seed}, 1 steps" in card
    assert "CPU in bfloat16" in card
    measured = json.loads((folder / "adapter" / "gist.json").read_text("utf-8"))["measured"]
    assert [row["accuracy"] for row in measured] == [0.75]

    (run / "results.json").write_text(json.dumps(results | {"model": {"model_fingerprint": "other"}}), "utf-8")
    with pytest.raises(UserError, match="measured on another model"):
        write_card(folder, [run], tmp_path)

"""A reader in training: its loss falls, the base stays as it is, a resumed run is an uninterrupted one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.reader import read_reader
from tests.trainer.data.test_stories import story, write
from trainer.training.loop import Event
from trainer.training.reader import ReaderConfig, ReaderRun, train_reader
from trainer.training.work_folder import write_control


@pytest.fixture
def config(tmp_path: Path) -> ReaderConfig:
    file = write(tmp_path / "train.jsonl.gz", *(story(i) for i in range(30)))
    return ReaderConfig(
        base="starter",
        fairytaleqa=str(file),
        steps=4,
        batch=4,
        held_out=8,
        rank=4,
        warmup_steps=1,
        learning_rate=2e-3,
        evaluate_steps=4,
        checkpoint_s=1e9,
        report_steps=1,
    )


def losses(events: list[Event]) -> list[dict[str, float]]:
    return [{k: v for k, v in e.items() if k.endswith("loss")} for e in events if e["event"] == "progress"]


def test_the_base_is_not_changed_and_what_is_learned_is_kept(
    starter: GistModel, config: ReaderConfig, tmp_path: Path
) -> None:
    before = {name: p.clone() for name, p in starter.causal_lm.named_parameters()}
    events = list(train_reader(tmp_path / "run", replace(config, steps=12, evaluate_steps=12), starter))
    for name, p in starter.causal_lm.named_parameters():
        assert torch.equal(p, before[name]), name
    measured = [e for e in events if e["event"] == "check"]
    first, last = (sum(v for k, v in e.items() if k.endswith("loss")) for e in (measured[0], measured[-1]))
    assert last < 0.9 * first
    reader = read_reader(tmp_path / "run" / "reader", starter.causal_lm.model)
    assert len(reader.lora) == 7 * starter.causal_lm.config.num_hidden_layers
    assert any(bool(b.any()) for _, b in reader.lora.values())


def test_a_resumed_run_is_an_uninterrupted_one(starter: GistModel, config: ReaderConfig, tmp_path: Path) -> None:
    whole = list(train_reader(tmp_path / "whole", config, starter))
    begun: list[Event] = []
    for event in train_reader(tmp_path / "parts", config, starter):
        begun.append(event)
        if event["event"] == "progress" and event["step"] == 2:
            write_control(tmp_path / "parts", "stop")
    assert begun[-1]["event"] == "stopped"
    rest = list(train_reader(tmp_path / "parts", config, starter))
    assert rest[0]["event"] == "resumed"
    assert losses(begun) + losses(rest) == losses(whole)
    name = "adapter_model.safetensors"
    one, other = (load_file(tmp_path / folder / "reader" / name) for folder in ("whole", "parts"))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_folder_of_another_recipe_and_stories_that_are_none_are_refused(
    starter: GistModel, config: ReaderConfig, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="stories"):
        ReaderRun(replace(config, fairytaleqa=str(tmp_path / "none.gz")), starter)
    list(train_reader(tmp_path / "run", replace(config, steps=1), starter))
    with pytest.raises(UserError, match="another rank"):
        list(train_reader(tmp_path / "run", replace(config, steps=1, rank=8), starter))

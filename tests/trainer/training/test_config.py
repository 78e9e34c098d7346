"""A configuration comes back from its YAML, and one that cannot be is refused with a sentence that says why."""

from dataclasses import fields
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from trainer.training.config import PRESETS, TrainConfig, changed, parse_settings, preset, read_config, to_yaml


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_back_from_its_yaml(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(preset(name)), encoding="utf-8")
    assert read_config(path) == preset(name)


def test_presets_are_what_the_documentation_says() -> None:
    assert (PRESETS["check"].samples, PRESETS["check"].steps, PRESETS["check"].base) == (10, 50, "starter")
    standard = PRESETS["standard"]
    assert (standard.samples, standard.slots, standard.ratio, standard.batch) == (1000, 25, 120.0, 8)
    assert standard.target_slots == 25


@pytest.mark.parametrize("path", sorted(Path("trainer/recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_can_be_read(path: Path) -> None:
    assert read_config(path).base in ("starter", "HuggingFaceTB/SmolLM2-135M-Instruct")
    assert f"--config {path.as_posix()}" in path.read_text(encoding="utf-8")


def test_every_field_is_documented() -> None:
    documented = TrainConfig.__doc__ or ""
    for field in fields(TrainConfig):
        assert f" {field.name}:" in documented, field.name


def test_a_file_may_start_from_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("preset: standard\nbase: some/model\nlearning_rate: 1e-4\nmix.facts: 0\n", encoding="utf-8")
    config = read_config(path)
    assert (config.base, config.learning_rate, config.slots) == ("some/model", 1e-4, 25)
    assert config.mix == {**preset("standard").mix, "facts": 0.0}


def test_words_of_a_command_line_change_single_fields() -> None:
    config = changed(
        preset("quick"),
        parse_settings(["steps=7", "warmup_steps=1", "mix.facts=0.5", "evaluate_lengths=64,128", "korean_share=0"]),
    )
    assert (config.steps, config.evaluate_lengths, config.korean_share) == (7, (64, 128), 0.0)
    assert config.mix == {"passkeys": 1.0, "facts": 0.5}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("colour=red", 'no field "colour"'),
        ("steps=many", 'steps cannot be "many"'),
        ("steps=1.5", 'steps cannot be "1.5"'),
        ("steps=0", "steps cannot be 0"),
        ("steps=true", "steps cannot be"),
        ("learning_rate=-1", "learning_rate cannot be -1"),
        ("learning_rate=.nan", "learning_rate cannot be nan"),
        ("korean_share=2", "korean_share cannot be 2"),
        ("precision=nf3", 'precision cannot be "nf3"'),
        ("device=tpu", 'device cannot be "tpu"'),
        ("mix.poems=1", 'no part "poems"'),
        ("mix.passkeys=-1", "mix.passkeys cannot be -1"),
        ("mix.passkeys=0", "The mix is empty"),
        ("mix=words", "mix must name parts"),
        ("evaluate_lengths=[8]", "evaluate_lengths must be 64"),
        ("remove_bottleneck=perhaps", "remove_bottleneck cannot be"),
        ("steps", '"steps" is not a setting'),
        # contradictions
        ("slots=2", "needs 4 gist tokens, but slots is 2"),
        ("ratio=1000", "more than a segment"),
        ("start_tokens=5000", "cannot start at 5000 tokens and grow to 512"),
        ("warmup_steps=10000", "warm-up do not fit into 600"),
        ("mix.questions=1", "questions is empty"),
        ("mix.fairytaleqa=1", "fairytaleqa is empty"),
        ("lowest_ratio=0.5", "atios from 0.5 to 512 are not possible"),
        ("highest_ratio=600", "atios from 32 to 600 are not possible"),
        ("alpaca=/tmp/x.jsonl", "the mix has no alpaca"),
        ("documents=/tmp/x", "the mix has no reconstruction, continuation, quotation, self_study"),
    ],
)
def test_what_cannot_be_is_refused(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        changed(preset("quick"), parse_settings([setting]))
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "[1, 2]", "steps: [", "just words", "\x00"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        read_config(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_config(tmp_path / "missing.yaml")

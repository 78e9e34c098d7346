"""What a preset for real models trains with: units are drawn, and their segments, lengths, slots and parts counted."""

from collections import Counter
from dataclasses import replace

import pytest

from gistdesk.core.model import GistModel
from tests.trainer.tiny_runs import write_questions
from trainer.data.samples import Samples
from trainer.data.units import Unit
from trainer.training.adapter import TrainableAdapter
from trainer.training.config import TEXT_PARTS, TrainConfig, preset
from trainer.training.mixture import Mixture
from trainer.training.run import gist_ids_of

N = 100


@pytest.fixture(scope="module")
def drawn(
    starter: GistModel, training_samples: Samples, evaluation_samples: Samples, tmp_path_factory: pytest.TempPathFactory
) -> list[list[Unit]]:
    """Units of `standard` at its first stage and at its last, with the starter's tokens."""
    questions = write_questions(tmp_path_factory.mktemp("presets") / "self_study.jsonl")
    config = replace(preset("standard"), base="starter", self_study=str(questions))
    mixture = Mixture(with_gist_tokens(starter, config), config, (training_samples, evaluation_samples))
    first = [mixture.unit(step, 0) for step in range(N)]
    for curriculum in mixture.curricula.values():
        curriculum.bound = curriculum.limit
    return [first, [mixture.unit(step, 1) for step in range(N)]]


def with_gist_tokens(starter: GistModel, config: TrainConfig) -> GistModel:
    """The starter's base with a fresh adapter of the configuration's segments and slots."""
    model = GistModel(starter.causal_lm, starter.tokenizer, starter.identity)
    ids = gist_ids_of(model, config.slots)
    made = TrainableAdapter(model.causal_lm.model, gist_ids=ids, segment_tokens=config.segment_tokens, rank=1, seed=1)
    model.adapter = made.adapter()
    return model


def n_segments(unit: Unit) -> int:
    return max(len(document) for document in unit.documents)


@pytest.mark.parametrize("stage", [0, 1], ids=["first", "last"])
def test_the_segment_counts_that_are_served_are_trained_from_the_start(drawn: list[list[Unit]], stage: int) -> None:
    config = preset("standard")
    texts = [unit for unit in drawn[stage] if unit.part in TEXT_PARTS]
    full = [[t for t in unit.texts if len(t) > 2 / 3 * config.segment_tokens] for unit in texts]
    # once 17 of 150 units had segments over 2,000 tokens, and two of them at most
    assert len(texts) > 0.3 * N
    assert sum(map(bool, full)) > 0.8 * len(texts)
    assert sum(len(segments) >= 4 for segments in full) > 0.3 * len(texts)
    assert max(map(len, full)) >= 12
    needles = [unit for unit in drawn[stage] if unit.part in ("passkeys", "facts")]
    assert max(map(n_segments, needles)) >= 8
    assert sum(n_segments(unit) >= 4 for unit in needles) > 0.3 * len(needles)
    long = [unit for unit in needles if min(map(len, unit.texts)) > 2 / 3 * config.segment_tokens]
    assert len(long) > 0.2 * len(needles) if stage else not long


def test_needles_are_the_smaller_part_and_slots_go_from_one_to_all(drawn: list[list[Unit]]) -> None:
    config, units = preset("standard"), drawn[0] + drawn[1]
    counts = Counter(unit.part for unit in units)
    assert counts["passkeys"] + counts["facts"] < 0.25 * len(units)
    assert counts["self_study"] > 0.15 * len(units)
    assert all(counts[part] > 0.04 * len(units) for part in (*TEXT_PARTS, "reports"))
    slots = {n for unit in units for n in unit.n_slots}
    assert (min(slots), max(slots)) == (1, config.slots)
    ratios = [unit.n_tokens / sum(unit.n_slots) for unit in units if unit.part == "continuation"]
    assert min(ratios) < 1.6 * config.ratio  # what is served
    assert max(ratios) > 5 * config.ratio


def test_a_long_text_is_repeated_from_a_place_that_is_named(drawn: list[list[Unit]], starter: GistModel) -> None:
    units = [unit for unit in drawn[1] if unit.part == "reconstruction"]
    for unit in units:
        [[turn]] = unit.turns
        text = starter.tokenizer.decode(unit.text(0))
        words = turn.question.split('"', 1)[1].rsplit('"', 1)[0]
        assert str(turn.answer) in text.split(words, 1)[1]


def test_full_is_the_same_for_longer_and_the_starters_presets_are_as_they_were() -> None:
    standard, full = preset("standard"), preset("full")
    same = ("mix", "segments", "served_segments", "segment_tokens", "ratio", "distill_parts")
    assert all(getattr(standard, name) == getattr(full, name) for name in same)
    assert full.steps > standard.steps
    assert [preset(name).served_segments for name in ("check", "quick")] == [0, 0]
    assert TrainConfig().unit_tokens == TrainConfig().document_tokens
    assert standard.unit_tokens == pytest.approx(3000 * 15 / 2.7726, rel=1e-3)

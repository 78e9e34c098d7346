"""All of a run's data together: units are of the size asked for, and evaluation stays out of training."""

from pathlib import Path
from random import Random
from typing import Any

import torch

from gistdesk.core.model import GistModel
from tests.trainer.data.test_sources import check_unit
from tests.trainer.data.test_stories import story, write
from trainer.data.facts import GENERAL, PASSKEY
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.samples import Samples
from trainer.data.stories import Stories
from trainer.training.config import TrainConfig
from trainer.training.mixture import Mixture, drawn_ratio, drawn_slots


def mixture(starter: GistModel, training: Samples, evaluation: Samples, **changes: Any) -> Mixture:
    return Mixture(starter, TrainConfig(**{"mix": {"passkeys": 1.0, "facts": 1.0}, **changes}), (training, evaluation))


def test_needles_become_units_of_about_the_size_asked_for(
    starter: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    mixed = mixture(starter, training_samples, evaluation_samples)
    for bound, segments in ((40, 1), (512, 12)):
        for curriculum in mixed.curricula.values():
            curriculum.bound = bound if curriculum.limit == 512 else segments
        seen = [mixed.unit(step, 0) for step in range(30)]
        assert {unit.part for unit in seen} == {"passkeys", "facts"}
        for unit in seen:
            check_unit(starter, unit)
            assert 800 < unit.n_tokens < 4000
            for document, turns in enumerate(unit.turns):
                text = starter.tokenizer.decode(unit.text(document))
                assert all(str(turn.answer) in text for turn in turns)
        most = max(len(document) for unit in seen for document in unit.documents)
        assert most == 1 if segments == 1 else 6 < most <= 12
    assert torch.equal(mixed.unit(7, 1).texts[0], mixed.unit(7, 1).texts[0])
    assert mixed.unit(7, 0).texts[0].tolist() != mixed.unit(7, 1).texts[0].tolist()


def test_a_number_of_samples_bounds_what_is_seen(
    starter: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    few = mixture(starter, training_samples, evaluation_samples, samples=3, mix={"passkeys": 1.0})
    assert len({tuple(few.unit(step, 0).turns) for step in range(40)}) <= 3 * 20
    answers = {turns[0].answer for step in range(40) for turns in few.unit(step, 0).turns}
    endless = mixture(starter, training_samples, evaluation_samples, mix={"passkeys": 1.0})
    assert len(answers) < len({turns[0].answer for step in range(40) for turns in endless.unit(step, 0).turns}) / 4


def test_training_and_evaluation_have_no_text_no_statement_and_no_question_in_common(
    starter: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    for language in ("en", "ko"):
        training, evaluation = (set(haystack_names(language, evaluation=e)) for e in (False, True))
        assert not training & evaluation
        sentences = [
            {s for name in names for s in haystack_text(name).split(". ") if len(s) > 60}
            for names in (training, evaluation)
        ]
        assert len(sentences[0] & sentences[1]) < 3
        for kind in (PASSKEY, *GENERAL.values()):
            wording = kind.wording(language)
            assert wording.held_out[0] not in wording.statements
            assert wording.held_out[1] not in wording.questions
    mixed = mixture(starter, training_samples, evaluation_samples)
    held = [turn.question for units in mixed.held_out().values() for u in units for ts in u.turns for turn in ts]
    drawn = {turn.question for step in range(60) for ts in mixed.unit(step, 0).turns for turn in ts}
    assert len(held) > 20
    assert not drawn & set(held)
    again = mixture(starter, training_samples, evaluation_samples)
    assert [u.text(0).tolist() for u in again.held_out()["facts"]] == [
        u.text(0).tolist() for u in mixed.held_out()["facts"]
    ]


def test_slots_and_ratios_are_drawn_by_their_logarithm_over_the_whole_range() -> None:
    config = TrainConfig(slots=16, segment_tokens=512, ratio=128.0, lowest_ratio=8.0, highest_ratio=128.0)
    drawn = [drawn_slots(Random(i), config) for i in range(2000)]
    assert set(drawn) == set(range(1, 17))
    assert 0.42 < sum(n <= 3 for n in drawn) / 2000 < 0.5  # log 3.5 / log 16
    ratios = [drawn_ratio(Random(i), config) for i in range(2000)]
    assert 8.0 <= min(ratios) < 8.2
    assert 125.0 < max(ratios) <= 128.0
    assert 0.46 < sum(ratio < 32.0 for ratio in ratios) / 2000 < 0.54


def test_ordinary_text_is_measured_whatever_is_trained(
    starter: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    mixed = mixture(starter, training_samples, evaluation_samples, mix={"passkeys": 1.0}, korean_share=0.0)
    units = mixed.held_out()["text"]
    held, trained = (
        " ".join(haystack_text(name) for name in haystack_names("en", evaluation=e)) for e in (True, False)
    )
    assert len(units) == 6
    for unit in units:
        check_unit(starter, unit)
        assert str(unit.turns[0][0].answer) in held
        assert str(unit.turns[0][0].answer) not in trained


def test_held_out_stories_are_not_read_either(starter: GistModel, tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl.gz", *(story(i) for i in range(40)))
    held = {s.name for s in Stories(starter, path, document_tokens=400, questions=4, held_out_share=0.3).reserved}
    assert 4 < len(held) < 25
    config = TrainConfig(
        mix={"fairytaleqa": 1.0, "continuation": 1.0}, fairytaleqa=str(path), held_out_share=0.3, document_tokens=300
    )
    mixed = Mixture(starter, config)
    texts = "".join(mixed.sources["continuation"].training)  # type: ignore[attr-defined]
    assert "a fox met" in texts
    assert not any(f"{name} a fox" in texts for name in held)

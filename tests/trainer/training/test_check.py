"""The bottleneck check says nothing of a sound run and speaks up when the answers see the document by another way."""

import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from tests.trainer.tiny_runs import outcome, tiny_run
from trainer.data.samples import Samples
from trainer.data.units import Unit
from trainer.training.base import load_base
from trainer.training.check import CONDITIONS, Figure, closed_share, measure_conditions, warnings_of
from trainer.training.config import TrainConfig
from trainer.training.loss import Answers
from trainer.training.run import AdapterRun
from trainer.training.train import Examiner

CONFIG = TrainConfig(
    steps=12,
    samples=10,
    document_tokens=600,
    warmup_steps=2,
    evaluate_lengths=(64,),
    evaluate_samples=1,
    precision="fp32",
    learning_rate=3e-3,
)


def figures(**losses_and_right: tuple[float, int]) -> dict[str, Figure]:
    names = dict(zip(("gist", "wrong", "none", "full"), CONDITIONS, strict=True))
    return {names[name]: Figure(loss, right, 20) for name, (loss, right) in losses_and_right.items()}


@pytest.mark.parametrize(
    ("measured", "when", "said"),
    [
        # sound: nothing at the start, own gist far better than a wrong one later
        (figures(gist=(2.3, 0), wrong=(2.3, 0), none=(2.3, 0), full=(0.0, 20)), "start", ""),
        (figures(gist=(0.1, 18), wrong=(4.8, 0), none=(2.3, 0), full=(0.0, 20)), "middle", ""),
        (figures(gist=(0.1, 18), wrong=(4.8, 0), none=(2.3, 0), full=(0.0, 20)), "end", ""),
        # not yet learned is no alarm, not learned at the end is one
        (figures(gist=(2.0, 0), wrong=(2.0, 0), none=(2.3, 0), full=(0.0, 20)), "middle", ""),
        (figures(gist=(2.0, 0), wrong=(2.0, 0), none=(2.3, 0), full=(0.0, 20)), "end", "do not depend on the gist"),
        # the document is seen beside the gist
        (figures(gist=(0.1, 19), wrong=(0.1, 19), none=(2.3, 0), full=(0.0, 20)), "start", "suspiciously low"),
        (figures(gist=(0.1, 19), wrong=(0.1, 19), none=(2.3, 0), full=(0.0, 20)), "middle", "do not depend on"),
        # what the base knows anyway says nothing
        (figures(gist=(0.1, 19), wrong=(0.1, 19), none=(0.1, 19), full=(0.0, 20)), "start", ""),
    ],
)
def test_what_is_said_of_figures(measured: dict[str, Figure], when: str, said: str) -> None:
    found = warnings_of(measured, fresh=True, at_start=when == "start", last=when == "end")
    assert bool(found) == bool(said)
    assert said in " ".join(found)


def test_an_adapter_that_is_gone_on_with_may_begin_low() -> None:
    low = figures(gist=(0.1, 18), wrong=(4.8, 0), none=(2.3, 0), full=(0.0, 20))
    assert not warnings_of(low, fresh=False, at_start=True, last=False)
    assert "suspiciously low" in " ".join(warnings_of(low, fresh=True, at_start=True, last=False))


@pytest.fixture(scope="module")
def base() -> GistModel:
    return load_base("starter", device="cpu", precision="fp32")


def run_of(base: GistModel, texts: tuple[Samples, Samples], **changes: bool) -> AdapterRun:
    config = TrainConfig(**{**CONFIG.__dict__, **changes})
    return AdapterRun(base, config, texts=texts)


@pytest.mark.release
def test_a_run_whose_answers_see_the_text_is_caught_at_once_and_a_sound_one_is_not(
    base: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    """The same recipe twice, on the starter: as it should be, and with the bottleneck removed on purpose."""
    texts = training_samples, evaluation_samples
    sound = outcome(Examiner(run_of(base, texts)).measure())
    assert [event for event in sound.events if event["event"] == "warning"] == []

    leaking = outcome(Examiner(run_of(base, texts, remove_bottleneck=True)).measure())
    said = " ".join(event["message"] for event in leaking.events if event["event"] == "warning")
    assert "The first loss is suspiciously low" in said
    assert "The answers do not depend on the gist" in said
    [check] = [event for event in leaking.events if event["event"] == "check" and event["part"] == "passkeys"]
    assert check["gist right"] > 0.8 * check["n"]
    assert check["wrong-gist right"] > 0.8 * check["n"]
    assert check["none right"] == 0
    # compressing and asking as a user does knows nothing of the text
    [needles] = [event for event in leaking.events if event["event"] == "needles"]
    assert needles["gist accuracy"] == 0
    assert leaking.score == 0  # nor does what a wrong gist does as well count for ordinary text
    assert "the two do not do the same" in said


def test_evaluation_leaves_the_base_and_the_adapter_as_they_were(
    base: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    run = run_of(base, (training_samples, evaluation_samples))
    before = [p.detach().clone() for p in run.descent.parameters]
    base_before = {name: p.detach().clone() for name, p in base.causal_lm.named_parameters()}
    outcome(run.conditions(run.mixture.held_out()))
    assert all(torch.equal(p, q) for p, q in zip(run.descent.parameters, before, strict=True))
    assert all(torch.equal(p, base_before[name]) for name, p in base.causal_lm.named_parameters())
    run.train_step()
    assert not all(torch.equal(p, q) for p, q in zip(run.descent.parameters, before, strict=True))
    assert all(torch.equal(p, base_before[name]) for name, p in base.causal_lm.named_parameters())


def test_a_fresh_adapter_has_nothing_of_the_shipped_one(
    base: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    run = run_of(base, (training_samples, evaluation_samples))
    shipped = load_model("starter", device="cpu", precision="fp32").adapter
    assert shipped is not None
    mine = run.adapter.adapter()
    assert all(float(b.detach().abs().max()) == 0 for _, b in mine.lora.values())
    for name, (a, _) in mine.lora.items():
        if a.shape == shipped.lora[name][0].shape:
            assert not torch.allclose(a, shipped.lora[name][0].float(), atol=1e-3)


@pytest.mark.release
def test_every_evaluation_reads_ordinary_text_and_the_best_is_chosen_by_it_too(
    base: GistModel, training_samples: Samples, evaluation_samples: Samples
) -> None:
    examiner = Examiner(run_of(base, (training_samples, evaluation_samples)))
    found = outcome(examiner.measure())
    [text] = [event for event in found.events if event["event"] == "check" and event["part"] == "text"]
    [needles] = [event for event in found.events if event["event"] == "needles"]
    assert len({text[f"{name} loss"] for name in CONDITIONS}) == 4  # each of them was read
    assert text["n"] == 6
    figures = {name: Figure(text[f"{name} loss"], 0, 6) for name in CONDITIONS}
    assert found.score == pytest.approx((needles["gist accuracy"] + closed_share(figures)) / 2, abs=1e-3)
    again = outcome(examiner.measure())  # what needs no gist is known by now, and the same
    assert again.events == found.events


@pytest.mark.release
def test_an_adapter_is_measured_at_both_ends_of_its_ratios_too(
    base: GistModel, training_samples: Samples, evaluation_samples: Samples, tmp_path: Path
) -> None:
    """What is aimed at decides which is the best; the others are in the table that ships with the adapter."""
    run = run_of(base, (training_samples, evaluation_samples))
    assert run.config.other_ratios == (32.0, 512.0)
    examiner = Examiner(run)
    examiner._held_out, examiner._base_trials = {}, []  # only what an adapter is asked as a user asks it
    found = outcome(examiner.measure())
    n = {ratio: sum(row["n"] for row in found.rows if row["ratio_asked"] == ratio) for ratio in (32.0, 128.0, 512.0)}
    assert n == {32.0: 10, 128.0: 10, 512.0: 10}
    assert len(found.rows) == 30  # five depths, two languages
    [needles] = [event for event in found.events if event["event"] == "needles"]
    assert needles["n"] == 10
    run.write(tmp_path / "adapter", found.rows)
    gist = json.loads((tmp_path / "adapter" / "gist.json").read_text())
    assert gist["ratios"] == [32.0, 512.0]
    assert {row["ratio_asked"] for row in gist["measured"]} == {32.0, 128.0, 512.0}


def test_what_is_aimed_at_is_no_end_of_its_own() -> None:
    narrow = replace(CONFIG, lowest_ratio=120.0, highest_ratio=140.0)
    assert narrow.other_ratios == ()
    assert replace(CONFIG, ratio=33.0).other_ratios == (512.0,)


@pytest.mark.parametrize("part", ["text", "continuation", "fairytaleqa"])
def test_ordinary_text_counts_by_the_share_that_is_closed_and_questions_by_right_answers(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody repeats a text to its last token, so right answers would say nothing of it."""
    run = tiny_run(tmp_path)
    found = {
        part: figures(gist=(2.0, 0), wrong=(4.0, 0), none=(4.0, 0), full=(1.0, 0)),
        "questions": figures(gist=(2.0, 5), wrong=(4.0, 0), none=(4.0, 0), full=(1.0, 20)),
    }

    def conditions(_: object) -> Generator[None, None, dict[str, dict[str, Figure]]]:
        yield
        return found

    monkeypatch.setattr(run, "conditions", conditions)
    assert outcome(Examiner(run).measure()).score == pytest.approx((2 / 3 + 5 / 20) / 2)


def test_the_share_that_is_closed_counts_what_only_the_own_gist_brings() -> None:
    assert closed_share(figures(gist=(2.0, 0), wrong=(4.0, 0), none=(4.0, 0), full=(1.0, 0))) == pytest.approx(2 / 3)
    # a wrong gist brings the form of the answers, too
    assert closed_share(figures(gist=(2.0, 0), wrong=(2.5, 0), none=(4.0, 0), full=(1.0, 0))) == pytest.approx(1 / 6)
    # a wrong gist misleads: that is no merit
    assert closed_share(figures(gist=(3.0, 0), wrong=(7.0, 0), none=(4.0, 0), full=(1.0, 0))) == pytest.approx(1 / 3)
    assert closed_share(figures(gist=(5.0, 0), wrong=(7.0, 0), none=(4.0, 0), full=(1.0, 0))) == 0
    assert closed_share(figures(gist=(0.5, 0), wrong=(7.0, 0), none=(4.0, 0), full=(1.0, 0))) == 1
    assert closed_share(figures(gist=(0.5, 0), wrong=(7.0, 0), none=(1.0, 0), full=(1.0, 0))) == 0


def test_wrong_gists_are_of_documents_with_other_answers(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, held_out_share=0.6)
    found = outcome(run.conditions(run.mixture.held_out()))["questions"]
    assert found["gist"].n == found["wrong-gist"].n > 5
    assert found["gist"].loss != found["wrong-gist"].loss


def test_wrong_gists_are_never_of_the_same_answer_nor_of_shared_segments() -> None:
    """Gists that hold the number of their document; which one each question got as the wrong one."""

    def unit(first: int, documents: Sequence[Sequence[int]], answers: Sequence[str]) -> Unit:
        turns = [(Turn(str(first + d), answer),) for d, answer in enumerate(answers)]
        return Unit("questions", [torch.zeros(4)] * 9, [1] * 9, documents, turns)

    units = [
        unit(1, [[0], [1], [1, 2]], ["red", "red", "blue"]),  # 1 to 3; the last two share a segment
        unit(4, [[0], [1]], ["blue", "green"]),  # 4 and 5
        unit(6, [[0]], ["red"]),
    ]
    given: dict[int, float] = {}

    def numbered(unit: Unit) -> list[Tensor]:
        return [torch.tensor([float(turns[0].question)]) for turns in unit.turns]

    def answering(unit: Unit, documents: Sequence[int], gists: list[Tensor] | None) -> Answers:
        [own] = [int(unit.turns[d][0].question) for d in documents]
        if gists is not None and float(gists[0]) != own:
            given[own] = float(gists[0])
        one = torch.zeros(1, dtype=torch.long)
        return Answers(torch.zeros(1, 2), one, one, torch.tensor([True]))

    outcome(measure_conditions(units, numbered, answering, lambda unit, documents: answering(unit, documents, None)))
    assert given == {1: 3, 2: 4, 3: 1, 4: 5, 5: 4, 6: 3}

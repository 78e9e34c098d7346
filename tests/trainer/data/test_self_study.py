"""Self-study is a function of its seed, reads only what is there, and becomes units with a teacher."""

import json
from pathlib import Path
from random import Random

import pytest

from gistdesk.core.model import GistModel
from tests.trainer.data.test_sources import check_unit
from tests.trainer.tiny_runs import tiny_config, tiny_gist_base, tiny_run
from trainer.data.self_study import KINDS, self_study_lines, study
from trainer.data.source import Stage
from trainer.training import train as training
from trainer.training.work_folder import write_control

BLOCKS = ["The keeper lit the lamp at dusk. A grey cat slept on the wall. " * 20, "Snow fell on the harbour. " * 30]


def lines(model: GistModel, **changes: int) -> list[dict[str, object]]:
    settings = {"n": 6, "passage_tokens": 60, "answer_tokens": 8, "seed": 1, **changes}
    return [json.loads(line) for line in self_study_lines(model, BLOCKS, **settings)]


def test_self_study_is_a_function_of_its_seed() -> None:
    model = tiny_gist_base()
    found = lines(model)
    assert len(found) == 6
    assert found == lines(model)
    assert found != lines(model, seed=2)
    for line in found:
        assert line["kind"] in KINDS
        assert len(model.token_ids(str(line["context"]))) <= 64
        assert any(str(line["context"]).strip()[:40] in block for block in BLOCKS)
        [answer] = line["answers"]  # type: ignore[misc]
        assert answer


def test_what_is_no_question_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["No question at all.", "Who lit the lamp? The keeper did.", "The keeper.", *["So."] * 50])
    monkeypatch.setattr("trainer.data.self_study._said", lambda *_: next(said))
    monkeypatch.setattr("trainer.data.self_study.KINDS", ("question",))
    [line] = lines(tiny_gist_base(), n=1)
    assert line["question"] == "Who lit the lamp?"
    assert line["answers"] == ["The keeper."]


def test_self_study_becomes_units_with_a_teacher(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines(tiny_gist_base())), encoding="utf-8")
    run = tiny_run(
        tmp_path, mix={"self_study": 1.0}, questions="", self_study=str(path), distill_weight=1.0, held_out_share=0.0
    )
    unit = run.mixture.sources["self_study"].unit(Random(1), Stage(24, 1, 4))
    assert unit.part == "self_study"
    check_unit(run.model, unit)
    assert run.train_step().figures["self_study distillation"] > 0


def test_a_study_that_was_killed_goes_on_to_the_same_lines(tmp_path: Path) -> None:
    model, path = tiny_gist_base(), tmp_path / "study.jsonl"
    settings = {"n": 6, "passage_tokens": 60, "answer_tokens": 8, "seed": 1}
    begun = study(path, model, BLOCKS, **settings)
    assert [next(begun) for _ in range(3)] == [1, 2, 3]
    begun.close()
    assert not path.exists()
    part = tmp_path / "study.jsonl.part"
    part.write_text(part.read_text(encoding="utf-8") + '{"context": "half a li', encoding="utf-8")
    assert list(study(path, model, BLOCKS, **settings)) == [4, 5, 6]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == lines(model)
    assert not part.exists()


def test_a_run_without_a_file_of_self_study_makes_its_own_and_may_be_stopped_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "N_STUDIED", 4)
    monkeypatch.setattr(training, "_TOLD", 2)
    monkeypatch.setattr(training, "training_texts", lambda config: BLOCKS)
    config = tiny_config(tmp_path, mix={"self_study": 1.0}, questions="", steps=2, evaluate_steps=9, target_tokens=16)
    folder, seen = tmp_path / "run", []
    for event in training.train_adapter(folder, config, model=tiny_gist_base()):
        seen.append(event["event"])
        write_control(folder, "stop")
    assert seen == ["studying", "stopped"]
    assert not (folder / training.SELF_STUDY).exists()
    found = list(training.train_adapter(folder, config, model=tiny_gist_base()))
    assert [event["event"] for event in found][:2] == ["studying", "started"]
    assert found[-1]["event"] == "finished"
    assert len((folder / training.SELF_STUDY).read_text(encoding="utf-8").splitlines()) == 4

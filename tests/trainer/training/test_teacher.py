"""What the teacher says is read once: found again it changes nothing, and what is left out of it is a small part."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn, prompt_of
from tests.core.tiny_models import PLAIN, Kind, tiny_model, write_model
from tests.trainer.tiny_runs import tiny_config, tiny_gist_base
from trainer.data.samples import Samples
from trainer.training import teacher as teaching
from trainer.training.checkpoint import DAMAGED, read_whole
from trainer.training.config import TrainConfig, changed, preset
from trainer.training.estimate import teacher_disk_bytes
from trainer.training.footprint import shape_of_model
from trainer.training.loss import Answers, full_answers
from trainer.training.run import AdapterRun
from trainer.training.teacher import Teacher, bytes_per_token, divergence, likeliest
from trainer.training.train import train_adapter
from trainer.training.work_folder import write_control

QUESTION = (Turn("Who?", "the heron"),)


def kl(teacher: Tensor, student: Tensor) -> Tensor:
    expected, own = teacher.log_softmax(-1), student.log_softmax(-1)
    return (expected.exp() * (expected - own)).sum(-1).mean()


def pulled(loss: Any, student: Tensor) -> tuple[float, Tensor]:
    leaf = student.clone().requires_grad_()
    value = loss(leaf)
    value.backward()
    assert leaf.grad is not None
    return float(value.detach()), leaf.grad


def two_logits(n: int = 7, vocab_size: int = 200) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    teacher = 3 * torch.randn(n, vocab_size, generator=generator)
    return teacher, teacher + torch.randn(n, vocab_size, generator=generator)


# --- What is kept


def test_of_a_small_vocabulary_all_is_kept() -> None:
    teacher, student = two_logits()
    ours = pulled(partial(divergence, likeliest(teacher)), student)
    theirs = pulled(partial(kl, teacher), student)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-7)


def test_what_is_left_out_is_the_divergence_within_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "KEPT", 20)
    teacher, student = two_logits()
    said = likeliest(teacher)
    assert said.ids.shape == said.logs.shape == (7, 20)
    assert bytes_per_token(200) * 7 == sum(t.numel() * t.element_size() for t in vars(said).values())
    torch.testing.assert_close(said.logs.exp().sum(-1) + said.rest.exp(), torch.ones(7))
    assert (said.logs[:, :-1] >= said.logs[:, 1:]).all()

    others = torch.ones(7, 200, dtype=torch.bool).scatter(1, said.ids.long(), False)
    within = torch.tensor([float(kl(t[o][None], s[o][None])) for t, s, o in zip(teacher, student, others, strict=True)])
    left_out = (said.rest.exp() * within).mean()
    assert float(left_out) > 0.01
    assert float(divergence(said, student)) == pytest.approx(float(kl(teacher, student) - left_out), rel=1e-4)
    assert float(divergence(said, teacher)) == pytest.approx(0.0, abs=1e-6)


def test_of_a_real_model_little_is_left_out(starter: GistModel, training_samples: Samples, tmp_path: Path) -> None:
    """The starter on texts to be continued, 1,024 of its 8,192 tokens; between 17% and 23% of the mass is outside."""
    mix = {"continuation": 1.0}
    config = TrainConfig(document_tokens=256, warmup_steps=1, distill_weight=1.0, mix=mix, target_tokens=48)
    base = GistModel(starter.causal_lm, starter.tokenizer, starter.identity)
    run = AdapterRun(base, config, texts=(training_samples, training_samples))
    for step in range(3):
        unit = run.mixture.unit(step, 0)
        with torch.no_grad():
            student = run.answers(unit, [0], run._gists(unit)[:1]).logits
        teacher = run.in_full(unit, [0]).logits
        ours, whole = pulled(partial(divergence, likeliest(teacher)), student), pulled(partial(kl, teacher), student)
        assert 0.9 * whole[0] < ours[0] <= whole[0] * (1 + 1e-5)
        assert float(torch.nn.functional.cosine_similarity(ours[1].flatten(), whole[1].flatten(), dim=0)) > 0.9998


# --- Files


class Readings:
    """Counts how often the teacher reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        monkeypatch.setattr(teaching, "full_answers", self._read)

    def _read(self, *given: Any) -> Answers:
        self.n += 1
        return full_answers(*given)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


def run_of(folder: Path, name: str = "kept", **changes: Any) -> AdapterRun:
    config = tiny_config(folder, distill_weight=1.0, batch=4, **changes)
    return AdapterRun(tiny_gist_base(), config, kept=folder / name)


def curve(run: AdapterRun, n: int = 6) -> list[dict[str, float]]:
    return [run.train_step().figures for _ in range(n)]


def weights(run: AdapterRun) -> Tensor:
    return torch.cat([p.detach().flatten() for p in run.descent.parameters])


def files(folder: Path) -> list[Path]:
    return sorted((folder / "kept").iterdir())


def test_a_run_is_the_same_whatever_is_found_and_reads_what_is_not(tmp_path: Path, readings: Readings) -> None:
    first = run_of(tmp_path)
    expected = curve(first)
    n_first = readings.n
    assert 0 < n_first == len(files(tmp_path)) < 24  # some came again

    again = run_of(tmp_path)
    assert curve(again) == expected
    assert readings.n == n_first
    assert torch.equal(weights(again), weights(first))

    for path in files(tmp_path)[::2]:
        path.unlink()
    some = run_of(tmp_path)
    assert curve(some) == expected
    assert readings.n == n_first + len(range(0, n_first, 2))
    assert torch.equal(weights(some), weights(first))


def test_a_run_differs_little_from_one_that_keeps_nothing(tmp_path: Path) -> None:
    """Of the tiny models' vocabulary all is kept: what is left is rounding."""
    bare = AdapterRun(tiny_gist_base(), tiny_config(tmp_path, distill_weight=1.0, batch=4))
    ours, theirs = curve(run_of(tmp_path)), curve(bare)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another's", "no tensors"])
def test_a_damaged_file_is_made_again(tmp_path: Path, readings: Readings, damage: str) -> None:
    expected = curve(run_of(tmp_path))
    n_first = readings.n
    hurt, other = files(tmp_path)[:2]
    whole, (before, _) = hurt.read_bytes(), read_whole(hurt)
    before = {name: tensor.clone() for name, tensor in before.items()}  # else they are pages of the file
    data = {
        "cut": whole[:-5],
        "flipped": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        "empty": b"",
        "another's": other.read_bytes(),
        "no tensors": b"\x02\0\0\0\0\0\0\0{}",
    }
    hurt.write_bytes(data[damage])
    assert curve(run_of(tmp_path)) == expected
    assert readings.n == n_first + 1
    after, key = read_whole(hurt)
    assert key == hurt.stem
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_cut_file_is_noticed(tmp_path: Path) -> None:
    curve(run_of(tmp_path), 1)
    [first, *_] = files(tmp_path)
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(DAMAGED):
        read_whole(first)


def test_a_full_or_forbidden_place_costs_time_alone(
    tmp_path: Path, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = curve(run_of(tmp_path))
    (tmp_path / "file").write_text("no folder")
    assert curve(run_of(tmp_path, "file")) == expected

    one = files(tmp_path)[0].stat().st_size
    monkeypatch.setattr(teaching, "MOST_BYTES", 4 * one)
    readings.n = 0
    assert curve(run_of(tmp_path, "small")) == expected
    kept = list((tmp_path / "small").iterdir())
    assert 1 <= len(kept) <= 4
    assert sum(path.stat().st_size for path in kept) <= 4 * one
    n_small = readings.n
    assert curve(run_of(tmp_path, "small")) == expected  # what is there counts
    assert len(list((tmp_path / "small").iterdir())) == len(kept)
    assert readings.n - n_small < n_small


def test_processes_share_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    text = [torch.arange(20, 40)]
    alone = Teacher(model, prompt_of(model.tokenizer), tmp_path / "a")
    alone.says(text, [QUESTION])
    [path] = (tmp_path / "a").iterdir()
    monkeypatch.setattr(teaching, "MOST_BYTES", 3 * path.stat().st_size)
    both = [Teacher(model, prompt_of(model.tokenizer), tmp_path / "b", n_processes=2) for _ in range(2)]
    for number, own in enumerate(both):
        for i in range(3):
            own.says([torch.arange(20 + 3 * number + i, 60)], [QUESTION])
    assert len(list((tmp_path / "b").iterdir())) == 2


def test_what_is_found_is_of_the_same_model_text_and_conversation(tmp_path: Path, readings: Readings) -> None:
    def says(model: GistModel, text: Sequence[int], *turns: Turn) -> None:
        Teacher(model, prompt_of(model.tokenizer), tmp_path).says([torch.tensor(text)], [turns])

    model, text = tiny_model(), list(range(20, 50))
    other = replace(model.identity, model_fingerprint="f" * 64)
    asked = [
        (model, text, QUESTION),
        (model, [*text, 7], QUESTION),
        (model, text, (Turn("Who", "the heron"),)),
        (model, text, (Turn("Who?", "a heron"),)),
        (model, text, QUESTION * 2),
        (tiny_model(Kind(chat=False)), text, QUESTION),
        (GistModel(model.causal_lm, model.tokenizer, other), text, QUESTION),
    ]
    for _ in range(2):
        for own_model, own_text, turns in asked:
            says(own_model, own_text, *turns)
    assert readings.n == len(asked) == len(list(tmp_path.iterdir()))


# --- In a run


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({}, True),
        ({"distill_weight": 0.0}, False),
        ({"distill_parts": ("continuation",)}, False),
        ({"distill_tokens": 1}, False),
    ],
)
def test_only_what_is_distilled_and_comes_again_is_kept(tmp_path: Path, changes: dict[str, Any], keeps: bool) -> None:
    run = AdapterRun(tiny_gist_base(), tiny_config(tmp_path, **{"distill_weight": 1.0, **changes}), kept=tmp_path / "k")
    run.train_step()
    assert (tmp_path / "k").exists() == keeps


@pytest.mark.parametrize(("samples", "keeps"), [(0, False), (3, True)])
def test_texts_are_kept_where_their_samples_are_few(tmp_path: Path, samples: int, keeps: bool) -> None:
    changes = {"mix": {"continuation": 1.0}, "questions": "", "documents": str(tmp_path / "texts"), "samples": samples}
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("A grey heron stood in the pond and saw nobody. " * 40)
    config = tiny_config(tmp_path, distill_weight=1.0, target_tokens=16, **changes)
    config = replace(config, held_out_share=0.0, document_tokens=48)
    run = AdapterRun(tiny_gist_base(), config, kept=tmp_path / "k")
    curve(run, 4)
    assert (tmp_path / "k").exists() == keeps
    if keeps:
        assert len(list((tmp_path / "k").iterdir())) <= samples < 8


def test_the_folder_is_there_until_the_run_is_over_and_then_gone(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    config = tiny_config(tmp_path, base=str(tmp_path / "model"), device="cpu", distill_weight=1.0, precision="fp32")

    def figures(folder: Path, *, stop_at: int = 0) -> list[dict[str, Any]]:
        found = []
        for event in train_adapter(folder, config):
            if event["event"] == "progress":
                found.append({name: event[name] for name in ("step", "questions distillation", "gradient norm")})
                assert list((folder / "teacher").iterdir())
                if event["step"] == stop_at:
                    write_control(folder, "stop")
        return found

    whole = figures(tmp_path / "whole")
    assert not (tmp_path / "whole" / "teacher").exists()
    parts = figures(tmp_path / "parts", stop_at=3)
    assert list((tmp_path / "parts" / "teacher").iterdir())
    parts += figures(tmp_path / "parts")
    assert parts == whole
    assert len(whole) == 6
    assert not (tmp_path / "parts" / "teacher").exists()
    assert read_config_of(tmp_path / "parts") == read_config_of(tmp_path / "whole")


def read_config_of(folder: Path) -> str:
    return (folder / "config.yaml").read_text(encoding="utf-8")


# --- Beforehand


def test_the_room_on_disk_is_told_beforehand(tmp_path: Path) -> None:
    run = run_of(tmp_path, target_tokens=16, steps=24)
    curve(run, 24)
    used = sum(path.stat().st_size for path in files(tmp_path))
    said = teacher_disk_bytes(shape_of_model(run.model.causal_lm), run.config)
    assert 0.3 * said < used < said  # short answers, and some lines are held out


def test_what_is_told_is_what_can_be_kept() -> None:
    shape = shape_of_model(tiny_gist_base(PLAIN).causal_lm)
    per_conversation = 128 * bytes_per_token(shape.vocab_size)

    def said(name: str, **changes: Any) -> float:
        return teacher_disk_bytes(shape, changed(preset(name), changes)) / per_conversation

    assert said("quick") == 0  # has no teacher
    assert said("check") == 10  # samples
    assert said("full") == 400  # lines of self-study; its other texts never come again
    assert said("standard") == pytest.approx(400 + 960 + 720 + 480, abs=1)
    assert said("full", samples=50) == 4 * 50
    assert said("full", distill_parts=["continuation"]) == 0
    big = replace(shape, vocab_size=10**6)
    assert (
        teacher_disk_bytes(big, changed(preset("standard"), {"steps": 10**6, "samples": 10**6})) == teaching.MOST_BYTES
    )
    assert math.isfinite(said("standard", samples=0))


def test_a_file_has_no_more_lines_than_it_has(tmp_path: Path) -> None:
    shape = shape_of_model(tiny_gist_base(PLAIN).causal_lm)
    config = tiny_config(tmp_path, distill_weight=1.0, steps=1000)
    lines = (tmp_path / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    assert teacher_disk_bytes(shape, config) == len(lines) * config.target_tokens * bytes_per_token(shape.vocab_size)
    gone = replace(config, questions=str(tmp_path / "gone.jsonl"), steps=2)
    assert teacher_disk_bytes(shape, gone) == 4 * config.target_tokens * bytes_per_token(shape.vocab_size)
    json.dumps(teacher_disk_bytes(shape, config))

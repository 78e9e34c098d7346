"""A few steps of the real recipe: they repeat, resume exactly, survive a kill, and end in a folder that loads."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors import safe_open

from gistdesk.core.compress import compress
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.folders import resource
from trainer.data.facts import LANGUAGES
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.pool import Pool
from trainer.data.samples import Samples
from trainer.starter.base import GIST_IDS, N_GIST, VOCABULARY, build_base
from trainer.starter.batches import Batch
from trainer.starter.config import StarterConfig
from trainer.starter.export import TOKENIZER_FILES
from trainer.starter.train import StarterRun, train_starter
from trainer.training.loop import Event, Plan, Wish, train
from trainer.training.work_folder import write_control

TINY = StarterConfig(steps=6, tokens_per_step=96, rank=4, warmup_steps=2, report_steps=1, checkpoint_s=1e9, threads=1)
LATE = replace(TINY, settle_step=0, words_step=0, long_step=0)
NewRun = Callable[..., StarterRun]


def grown(run: StarterRun) -> StarterRun:
    """As at the end of a run: every curriculum at its limit."""
    for curriculum in run.batches.curricula.values():
        curriculum.bound = curriculum.limit
    return run


@pytest.fixture
def new_run(training_samples: Samples) -> NewRun:
    """A new run, as a new process would make it, but for the tokenizer and the texts, which are there already."""
    return lambda config=TINY: StarterRun(resource("starter"), config, training_samples)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the shipped tokenizer in it: training one takes half a minute."""
    (tmp_path / "tokenizer").symlink_to(resource("starter"))
    return tmp_path


def plan(folder: Path, checkpoint_s: float = 1e9) -> Plan:
    return Plan(folder, "model", checkpoint_s, keep_checkpoints=2, report_steps=1)


def stopping(after: int) -> Callable[[], Wish]:
    wishes: Iterator[Wish] = iter([*["go"] * (after - 1), "stop"])
    return lambda: next(wishes)


def figures(events: list[Event]) -> list[dict[str, float]]:
    """What a step computed, without what it took."""
    words = ("step", "learning_rate", "gradient norm")
    return [
        {name: e[name] for name in e if name in words or name.rsplit(" ", 1)[-1] in ("loss", "accuracy", "bound")}
        for e in events
        if e["event"] == "progress"
    ]


def steps(run: StarterRun, n: int) -> list[dict[str, float]]:
    return [run.train_step().figures for _ in range(n)]


def gist_of(model: GistModel, ids: torch.Tensor) -> GistKV:
    *_, gist = compress(model, plan_tokens(model, ids, ratio=8))
    return gist


# --- Repeating and resuming


@pytest.mark.release
@pytest.mark.parametrize("config", [TINY, LATE], ids=["early", "late"])
def test_a_resumed_run_equals_an_uninterrupted_one_step_by_step(
    new_run: NewRun, config: StarterConfig, tmp_path: Path
) -> None:
    def made() -> StarterRun:
        return new_run(config) if config is TINY else grown(new_run(config))

    whole, resumed = made(), new_run(config)
    expected = list(train(whole, plan(tmp_path / "whole")))
    first = list(train(made(), plan(tmp_path / "parts"), wish=stopping(2)))
    assert [e["event"] for e in first][-2:] == ["checkpoint", "stopped"]
    rest = list(train(resumed, plan(tmp_path / "parts")))
    assert (rest[0]["event"], rest[0]["step"]) == ("resumed", 2)
    assert figures(first) + figures(rest) == figures(expected)
    assert len(figures(expected)) == 6
    assert resumed.batches.curricula == whole.batches.curricula
    for ours, theirs in zip(resumed.descent.parameters, whole.descent.parameters, strict=True):
        assert torch.equal(ours, theirs)


def test_the_same_seed_trains_the_same_and_another_does_not(new_run: NewRun) -> None:
    first, again, other = steps(new_run(), 2), steps(new_run(), 2), steps(new_run(replace(TINY, seed=1)), 1)
    assert first == again
    assert other[0].values() != first[0].values()


@pytest.mark.release
def test_the_recipe_begins_as_that_of_the_shipped_starter(new_run: NewRun) -> None:
    """Losses in nats, from the run that made it; another processor rounds bfloat16 a little differently."""
    run = new_run(StarterConfig())
    found = [run.train_step() for _ in range(4)]
    assert [step.n_tokens for step in found] == [1592, 1190, 1616, 1401]
    kinds = ["passkey gist", "passkey full", "passkey gist", "passkey gist"]
    losses = [step.figures[f"{kind} loss"] for step, kind in zip(found, kinds, strict=True)]
    assert losses == pytest.approx([9.099, 8.967, 9.046, 9.082], abs=0.01)
    assert found[1].figures["text loss"] == pytest.approx(9.056, abs=0.01)
    assert [step.learning_rate for step in found] == pytest.approx([9e-4 * n / 150 for n in (1, 2, 3, 4)])


def test_the_rates_are_less_than_half_once_the_run_settles(new_run: NewRun) -> None:
    run = new_run(StarterConfig(steps=8000))
    shares = {}
    for run.step in (0, 149, 799, 800, 4000, 6000, 7999):
        shares[run.step] = run._share()
    assert shares == {
        0: pytest.approx(1 / 150),
        149: 1,
        799: 1,
        800: 0.45,
        4000: 0.45,
        6000: pytest.approx(0.225),
        7999: pytest.approx(0.009),
    }


def test_a_batch_is_a_function_of_seed_and_step(new_run: NewRun) -> None:
    batches, other = new_run().batches, new_run().batches
    first, again = batches.batch(1000), other.batch(1000)
    assert (first.task, first.mode, first.n_segments) == (again.task, again.mode, again.n_segments)
    for one, two in zip(texts_of(first), texts_of(again), strict=True):
        assert torch.equal(one, two)
    assert any(
        a.shape != b.shape or not torch.equal(a, b)
        for a, b in zip(texts_of(batches.batch(1001)), texts_of(first), strict=False)
    )


def texts_of(batch: Batch) -> list[torch.Tensor]:
    if isinstance(batch.work, Pool):
        return [*(sample.token_ids for sample in batch.work.keyed), *batch.work.plain]
    return [sample.token_ids for sample in batch.work]


def test_batches_keep_to_the_recipe_at_every_stage(new_run: NewRun) -> None:
    """About the tokens per step; one short segment and mostly passkeys first, then longer ones, many of them."""
    run = new_run(StarterConfig(words_step=60))
    seen: dict[bool, list[Batch]] = {}
    for late in (False, True):
        if late:
            grown(run)
        for step in range(60 * late, 60 + 60 * late):
            batch = run.batches.batch(step)
            seen.setdefault(late, []).append(batch)
            assert 400 < sum(map(len, texts_of(batch))) < 6000
            if not isinstance(batch.work, Pool):
                assert all(sample.turns for sample in batch.work)
                continue
            texts, n_slots = texts_of(batch), batch.work.n_slots
            assert len(texts) == len(n_slots)
            assert all(1 <= n <= 64 and len(text) <= 512 for n, text in zip(n_slots, texts, strict=True))
            assert batch.work.keyed
            assert batch.work.distracting == (batch.task == "facts")
    early, late_ones = seen[False], seen[True]
    assert {batch.n_segments for batch in early} == {1}
    assert sum(batch.task != "passkey" for batch in early) < 15 < sum(batch.task != "passkey" for batch in late_ones)
    tasks = ("passkey", "facts", "words")
    assert {(b.task, b.mode) for b in late_ones} == {(task, mode) for task in tasks for mode in ("gist", "full")}
    assert max(batch.n_segments for batch in late_ones) == 40
    assert max(len(text) for batch in late_ones for text in texts_of(batch)) > 1500
    assert max(len(text) for batch in early for text in texts_of(batch)) < 120  # facts of Korean are the longest


def test_every_weight_is_trained_that_can_matter(new_run: NewRun) -> None:
    """Base, LoRA and gist rows together. Of the last layer's LoRA only keys and values reach a gist."""
    run = new_run(replace(TINY, warmup_steps=1))
    weights = dict(run.base.named_parameters()) | {"gist rows": run.adapter.gist_rows}
    for name, (a, b) in run.adapter.adapter().lora.items():
        weights |= {f"{name} A": a, f"{name} B": b}
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    last = [f"layers.5.{name}" for name in ("mlp.down_proj", "mlp.gate_proj", "mlp.up_proj")]
    last += [f"layers.5.self_attn.{name}" for name in ("o_proj", "q_proj")]
    idle = {f"{name} {factor}" for name in last for factor in "AB"}
    same = set(weights)
    while same != idle and run.step < 8:  # a step reads either the text or its gist
        run.train_step()
        same = {name for name, weight in weights.items() if torch.equal(weight, start[name])}
    assert same == idle
    assert all(bool(weight.isfinite().all()) for weight in weights.values())


# --- In a folder


def test_a_left_run_goes_on_and_ends_in_a_model(folder: Path, training_samples: Samples) -> None:
    config = replace(TINY, steps=4, checkpoint_s=0)  # a checkpoint after every step
    events = train_starter(folder, config, training_samples)
    started, first, checkpoint, second = (next(events) for _ in range(4))
    assert [e["event"] for e in (started, first, checkpoint)] == ["started", "progress", "checkpoint"]
    assert (first["step"], first["steps"], second["step"]) == (1, 4, 2)
    assert first["tokens_per_s"] > 0
    assert first["passkey bound"] == 40
    events.close()  # type: ignore[attr-defined]  # after step 2, before its checkpoint

    rest = list(train_starter(folder, config, training_samples))
    assert (rest[0]["event"], rest[0]["step"]) == ("resumed", 1)
    assert [e["step"] for e in figures(rest)] == [2, 3, 4]
    assert figures(rest)[0] == figures([second])[0]  # the step that was lost is done again, the same way
    assert rest[-1]["event"] == "finished"
    assert rest[-1]["seconds"] >= first["seconds"]
    assert len((folder / "run.jsonl").read_text(encoding="utf-8").splitlines()) == 4 + len(rest)
    assert load_model(str(folder / "model"), device="cpu").adapter is not None

    with pytest.raises(UserError, match="holds a run with a different seed"):
        next(train_starter(folder, replace(config, seed=1), training_samples))
    written = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    again = list(train_starter(folder, replace(config, checkpoint_s=5.0), training_samples))
    assert [e["event"] for e in again] == ["resumed", "finished"]
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == written


def test_a_wish_to_stop_loses_no_step(folder: Path, training_samples: Samples) -> None:
    events = train_starter(folder, TINY, training_samples)
    assert [next(events)["event"] for _ in range(2)] == ["started", "progress"]
    write_control(folder, "stop")
    assert [(e["event"], e["step"]) for e in events] == [("checkpoint", 1), ("stopped", 1)]


# --- Export


def test_the_exported_folder_loads_and_gives_the_gists_of_the_run(
    new_run: NewRun, tmp_path: Path, training_samples: Samples
) -> None:
    run = new_run(replace(TINY, learning_rate=1e-2, matrix_rate=1e-2))
    steps(run, 2)
    ids = training_samples.passkey(Random(1), 900, 2).token_ids
    with torch.no_grad():
        trained = gist_of(run.model, ids)
    run.write(tmp_path / "model", [])
    loaded = load_model(str(tmp_path / "model"), device="cpu", precision="fp32")
    assert loaded.adapter is not None
    exported = gist_of(loaded, ids)
    assert exported.segments == trained.segments
    # weights are stored as float16: 11 bits, and a few layers of them
    assert torch.allclose(exported.kv, trained.kv, atol=2e-2, rtol=1e-2)
    shipped = gist_of(load_model("starter", device="cpu", precision="fp32"), ids)
    assert not torch.allclose(exported.kv, shipped.kv, atol=2e-2, rtol=1e-2)
    # and the base without its adapter is the run's base
    with torch.no_grad():
        theirs = loaded.causal_lm(input_ids=ids[None, :200]).logits
        ours = run.base(input_ids=ids[None, :200]).logits
    assert torch.allclose(theirs, ours, atol=5e-2, rtol=1e-2)


def test_the_exported_folder_is_complete_small_and_safe(new_run: NewRun, tmp_path: Path) -> None:
    new_run().write(tmp_path / "model", [{"n": 1}])
    files = {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert files >= {
        "config.json",
        "model.safetensors",
        *TOKENIZER_FILES,
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/gist.json",
    }
    assert {name.rsplit(".", 1)[-1] for name in files} <= {"json", "safetensors", "jinja"}
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as opened:
        assert {str(opened.get_tensor(name).dtype) for name in opened.keys()} == {"torch.float16"}  # noqa: SIM118
    assert all((tmp_path / "model" / name).stat().st_mode & 0o044 for name in files)
    # the rank of the shipped adapter is larger, the rest is the same
    n_bytes = sum((tmp_path / "model" / name).stat().st_size for name in files)
    assert n_bytes < 40 * 2**20


# --- The base


def test_the_base_is_a_function_of_its_seed() -> None:
    first, again, other = build_base(5), build_base(5), build_base(6)
    names = [name for name, p in first.named_parameters() if p.ndim == 2]
    for name in names:
        assert torch.equal(first.get_parameter(name), again.get_parameter(name))
    assert any(not torch.equal(first.get_parameter(name), other.get_parameter(name)) for name in names)
    assert 6e6 < sum(p.numel() for p in first.parameters()) < 8e6


def test_digits_are_single_tokens_wherever_they_stand(starter: GistModel) -> None:
    for text in ("71432", " 71432", "The key is 71432.", "암호는 71432이다.", "KX-482"):
        ids = starter.token_ids(text)
        digits = [starter.tokenizer.decode([i]).strip() for i in ids]
        assert [d for d in digits if any(c.isdigit() for c in d)] == [c for c in text if c.isdigit()]


def test_a_word_has_the_same_tokens_in_a_text_and_at_the_start_of_an_answer(starter: GistModel) -> None:
    for word in ("Ada Stone", "baker", "김민호", "71432"):
        assert starter.token_ids(word) == starter.token_ids(" " + word)
        assert starter.tokenizer.decode(starter.token_ids(word)) == word


def test_no_text_can_spell_a_gist_token(starter: GistModel) -> None:
    assert starter.adapter is not None
    assert starter.adapter.gist_ids == GIST_IDS
    assert len(starter.tokenizer) <= VOCABULARY - N_GIST == GIST_IDS[0]
    for language in LANGUAGES:
        [name] = haystack_names(language, evaluation=True)
        ids = starter.token_ids(haystack_text(name)[:40_000] + "<|begin|><|end|><|gist|>")
        assert max(ids) < GIST_IDS[0]
        assert not set(ids) & set(starter.tokenizer.all_special_ids)

"""A few steps of the real recipe: they repeat, resume exactly, survive a kill, and export to a folder that loads."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors import safe_open

from gistdesk.core.compress import compress, plan_tokens
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.resources import resource
from trainer.facts import LANGUAGES
from trainer.haystack import haystack_names, haystack_text
from trainer.loss import Pool
from trainer.samples import Samples
from trainer.starter import Batch, StarterConfig, StarterRun, train_starter
from trainer.starter_base import GIST_IDS, N_GIST, VOCABULARY, build_base
from trainer.starter_export import export_starter

TINY = StarterConfig(steps=6, tokens_per_step=96, rank=4, warmup_steps=2, report_steps=1, checkpoint_s=1e9)
LATE = replace(TINY, settle_step=0, words_step=0, long_step=0)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
NewRun = Callable[..., StarterRun]


def grown(run: StarterRun) -> StarterRun:
    """As at the end of a run: every curriculum at its limit."""
    for curriculum in run.curricula.values():
        curriculum.bound = curriculum.limit
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the shipped tokenizer in it: training one takes half a minute."""
    for name in TOKENIZER:
        shutil.copy(resource("starter") / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def new_run(folder: Path, training_samples: Samples) -> NewRun:
    """A new run in the folder, as a new process would make it, but for the texts, which are read already."""
    return lambda config=TINY: StarterRun(folder, config, training_samples)


def losses(run: StarterRun, n_steps: int) -> list[tuple[str, float, float, int]]:
    found = []
    for _ in range(n_steps):
        batch, result, rate = run.train_step()
        found.append((batch.task, float(result.answer_loss.detach()), rate, result.n_tokens))
    return found


def gist_of(model: GistModel, ids: torch.Tensor) -> GistKV:
    *_, gist = compress(model, plan_tokens(model, ids, ratio=8))
    return gist


# --- Repeating and resuming


@pytest.mark.parametrize("config", [TINY, LATE], ids=["early", "late"])
def test_a_killed_run_loses_only_the_steps_since_its_checkpoint_and_repeats_them_exactly(
    new_run: NewRun, config: StarterConfig
) -> None:
    uninterrupted = new_run(config) if config is TINY else grown(new_run(config))
    before = losses(uninterrupted, 2)
    uninterrupted.save_checkpoint()
    after = losses(uninterrupted, 3)  # a kill here would lose these
    resumed = new_run(config)
    assert resumed.load_checkpoint()
    assert resumed.step == 2
    assert losses(resumed, 3) == after
    assert resumed.curricula == uninterrupted.curricula
    assert resumed.step == uninterrupted.step == 5
    for ours, theirs in zip(resumed.parameters, uninterrupted.parameters, strict=True):
        assert torch.equal(ours, theirs)
    assert before[0][1] != after[0][1]


def test_the_same_seed_trains_the_same_and_another_does_not(new_run: NewRun) -> None:
    first, again = losses(new_run(), 2), losses(new_run(), 2)
    assert first == again
    assert losses(new_run(replace(TINY, seed=1)), 1)[0][1] != first[0][1]


def test_a_batch_is_a_function_of_seed_and_step(new_run: NewRun) -> None:
    run, other = new_run(), new_run()
    run.step = other.step = 1000
    first, again = run.batch(), other.batch()
    assert (first.task, first.mode, first.n_segments) == (again.task, again.mode, again.n_segments)
    for one, two in zip(texts_of(first), texts_of(again), strict=True):
        assert torch.equal(one, two)
    run.step = 1001
    assert any(
        a.shape != b.shape or not torch.equal(a, b)
        for a, b in zip(texts_of(run.batch()), texts_of(first), strict=False)
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
            run.step = step
            batch = run.batch()
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


# --- The generator of events


def test_events_tell_of_progress_and_a_left_run_goes_on(folder: Path, training_samples: Samples) -> None:
    config = replace(TINY, steps=4, checkpoint_s=0)  # a checkpoint after every step
    events = train_starter(folder, config, training_samples)
    assert next(events) == {"event": "started", "step": 0, "resumed": False}
    progress, checkpoint, second = next(events), next(events), next(events)
    assert (progress["event"], progress["step"], progress["steps"]) == ("progress", 1, 4)
    assert progress["learning_rate"] > 0
    assert progress["tokens_per_second"] > 0
    assert any(name.endswith("accuracy") for name in progress)
    assert checkpoint == {"event": "checkpoint", "step": 1}
    assert second["step"] == 2
    events.close()  # type: ignore[attr-defined]  # after step 2, before its checkpoint

    rest = list(train_starter(folder, config, training_samples))
    assert rest[0] == {"event": "started", "step": 1, "resumed": True}
    assert [e["step"] for e in rest if e["event"] == "progress"] == [2, 3, 4]
    assert rest[-1]["event"] == "finished"
    assert rest[-1]["seconds"] >= progress["seconds"]
    # the step that was lost is done again, the same way
    again = next(e for e in rest if e["event"] == "progress")
    assert [v for k, v in again.items() if k.endswith("loss")] == [v for k, v in second.items() if k.endswith("loss")]

    done = list(train_starter(folder, config, training_samples))
    assert [e["event"] for e in done] == ["started", "finished"]


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(new_run: NewRun, folder: Path) -> None:
    run = new_run()
    losses(run, 1)
    run.save_checkpoint()
    whole = (folder / "checkpoint.safetensors").read_bytes()
    (folder / "checkpoint.safetensors.tmp").write_bytes(whole[: len(whole) // 2])
    resumed = new_run()
    assert resumed.load_checkpoint()
    assert resumed.step == 1
    losses(resumed, 1)
    resumed.save_checkpoint()
    again = new_run()
    again.load_checkpoint()
    assert again.step == 2


def test_a_checkpoint_of_another_recipe_or_a_damaged_one_is_refused(new_run: NewRun, folder: Path) -> None:
    run = new_run()
    run.save_checkpoint()
    assert new_run(replace(TINY, checkpoint_s=5.0)).load_checkpoint()
    with pytest.raises(UserError, match="another seed"):
        new_run(replace(TINY, seed=1)).load_checkpoint()
    path = folder / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        new_run().load_checkpoint()


def test_a_run_without_a_checkpoint_starts_at_the_beginning(new_run: NewRun) -> None:
    run = new_run()
    assert not run.load_checkpoint()
    assert run.step == 0


# --- Export


def test_the_exported_folder_loads_and_gives_the_gists_of_the_run(
    new_run: NewRun, tmp_path: Path, training_samples: Samples
) -> None:
    run = new_run(replace(TINY, learning_rate=1e-2, matrix_rate=1e-2))
    losses(run, 2)
    ids = training_samples.passkey(Random(1), 900, 2).token_ids
    with torch.no_grad():
        trained = gist_of(run.model, ids)
    export_starter(run, tmp_path / "model", [])
    loaded = load_model(str(tmp_path / "model"), device="cpu", dtype=torch.float32)
    assert loaded.adapter is not None
    exported = gist_of(loaded, ids)
    assert exported.segments == trained.segments
    # weights are stored as float16: 11 bits, and a few layers of them
    assert torch.allclose(exported.kv, trained.kv, atol=2e-2, rtol=1e-2)
    shipped = gist_of(load_model("starter", device="cpu", dtype=torch.float32), ids)
    assert not torch.allclose(exported.kv, shipped.kv, atol=2e-2, rtol=1e-2)
    # and the base without its adapter is the run's base
    with torch.no_grad():
        theirs = loaded.causal_lm(input_ids=ids[None, :200]).logits
        ours = run.base(input_ids=ids[None, :200]).logits
    assert torch.allclose(theirs, ours, atol=5e-2, rtol=1e-2)


def test_the_exported_folder_is_complete_small_and_safe(new_run: NewRun, tmp_path: Path) -> None:
    export_starter(new_run(), tmp_path / "model", [{"n": 1}])
    files = {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert files >= {
        "config.json",
        "model.safetensors",
        *TOKENIZER,
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

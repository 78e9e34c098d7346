"""What keeping the teacher's answers on disk saves, and what is lost by keeping the likeliest tokens alone.

    python -m tests.benchmarks.teacher --base FOLDER --adapter resources/adapters/smollm2-passkeys --work FOLDER --n 8

The recipe of SmolLM2, on texts to be continued alone, which is what it distils. First, per answer token, the
divergence (KL) over the whole vocabulary, and how much of it, and of its gradient's direction, is left with so many
tokens kept. Then the same steps three times, in seconds of CPU time: nothing kept, kept but not there yet, and there.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from trainer.training import teacher as teaching
from trainer.training.base import load_base
from trainer.training.config import TrainConfig, read_config
from trainer.training.loss import gist_answers
from trainer.training.run import AdapterRun
from trainer.training.teacher import Teacher, divergence, likeliest

_RECIPE = "trainer/recipes/smollm2_second.yaml"
_KEPT = (4, 16, 64, 256, 1024)
_STEPS_EACH = 2
"""Readings of the clock per way and step; the shorter one counts."""


def config_of(base: str, adapter: str, texts: str) -> TrainConfig:
    recipe = read_config(Path(_RECIPE))
    return replace(
        recipe, base=base, start_from=adapter, mix={"continuation": 1.0}, fairytaleqa="", documents=texts, samples=1000
    )


def pulls(run: AdapterRun, step: int) -> tuple[Tensor, Tensor]:
    """Logits of teacher and student, (n_tokens, vocab_size) each, of one unit."""
    unit = run.mixture.unit(step, 0)
    with torch.no_grad():
        student = gist_answers(run.model, run.prompt, run._gists(unit), unit.turns)
    return run.in_full(unit, [0]).logits, student.logits


def whole(teacher: Tensor, student: Tensor) -> Tensor:
    """Scalar: KL over the whole vocabulary per token, nats."""
    expected, own = teacher.log_softmax(-1), student.log_softmax(-1)
    return torch.nn.functional.kl_div(own, expected, reduction="batchmean", log_target=True)


def with_gradient(loss: Callable[[Tensor], Tensor], student: Tensor) -> tuple[float, Tensor]:
    leaf = student.clone().requires_grad_()
    value = loss(leaf)
    value.backward()
    assert leaf.grad is not None
    return float(value.detach()), leaf.grad.flatten()


def show_what_is_lost(run: AdapterRun, n: int) -> None:
    pairs = [pulls(run, step) for step in range(n)]
    exact = [with_gradient(partial(whole, teacher), student) for teacher, student in pairs]
    before = teaching.KEPT
    for kept in _KEPT:
        teaching.KEPT = kept
        found = [with_gradient(partial(divergence, likeliest(teacher)), student) for teacher, student in pairs]
        left = [ours / all_of_it for (ours, _), (all_of_it, _) in zip(found, exact, strict=True)]
        cosines = [
            float(torch.nn.functional.cosine_similarity(ours, all_of_it, dim=0))
            for (_, ours), (_, all_of_it) in zip(found, exact, strict=True)
        ]
        mean = sum(kl for kl, _ in exact) / n
        row = {"kept": kept, "n": n, "kl": round(mean, 4), "least_left": round(min(left), 4)}
        row |= {"mean_left": round(sum(left) / n, 4), "least_cosine": round(min(cosines), 4)}
        print(json.dumps(row), flush=True)
    teaching.KEPT = before


def cpu_seconds(run: AdapterRun, teacher: Teacher | None, step: int) -> float:
    run.step, run.teacher = step, teacher
    begun = time.process_time()
    run.train_step()
    return time.process_time() - begun


def show_what_is_saved(run: AdapterRun, folder: Path, n: int) -> None:
    def new() -> Teacher:
        return Teacher(run.model, run.prompt, folder)

    cpu_seconds(run, None, n)  # shapes are met for the first time
    ways: dict[str, list[float]] = {"nothing kept": [], "made and kept": [], "found": []}
    for step in range(n):
        bare = [cpu_seconds(run, None, step) for _ in range(_STEPS_EACH)]
        made = cpu_seconds(run, new(), step)
        found = [cpu_seconds(run, new(), step) for _ in range(_STEPS_EACH)]
        for way, seconds in zip(ways, (min(bare), made, min(found)), strict=True):
            ways[way].append(seconds)
    n_files = sum(1 for _ in folder.iterdir())
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    means = {way: round(sum(seconds) / n, 3) for way, seconds in ways.items()}
    print(json.dumps({"steps": n, "units_per_step": run.config.batch, "cpu_s_per_step": means}))
    print(json.dumps({"files": n_files, "mean_kib": round(n_bytes / n_files / 1024, 1)}))


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.teacher", description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="a model's folder, or its name")
    parser.add_argument("--adapter", default="", help="a trained adapter's folder; a fresh one is used otherwise")
    parser.add_argument("--texts", default="", help="a folder of documents; the bundled texts are used otherwise")
    parser.add_argument("--work", required=True, type=Path, help="a new folder")
    parser.add_argument("--n", type=int, default=8, help="steps, and units")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    config = config_of(given.base, given.adapter, given.texts)
    run = AdapterRun(load_base(given.base, device="cpu", precision=config.precision), config)
    show_what_is_lost(run, given.n)
    show_what_is_saved(run, given.work, given.n)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

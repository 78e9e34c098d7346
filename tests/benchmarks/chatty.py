"""Do bare answers and the teacher's distribution pull an adapter the same way, where the teacher answers in sentences?

    python -m tests.benchmarks.chatty --model smollm2 --adapter resources/adapters/smollm2-passkeys --n 12

The same questions about the same report-like documents, once with the bare value as the answer and once with what the
model itself writes with the whole text in front. Per way: the loss of that answer to the teacher, its probability of
the answer's first token, and the cosine between the gradients of cross-entropy and of the divergence (KL), over the
adapter's weights: at 1 both ask for the same, at 0 they have nothing to do with each other, below they disagree.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.prompt import Turn
from trainer.data.report_units import Reports
from trainer.data.units import Unit
from trainer.training.base import load_base
from trainer.training.config import TrainConfig, read_config
from trainer.training.run import AdapterRun

_ANSWER_TOKENS = 32
_RATIO = 16.0


def units(run: AdapterRun, n: int) -> Iterator[dict[str, Unit]]:
    """Reports that training never draws, one question each, by the way they are answered."""
    source = Reports(run.model, document_tokens=256, questions=1)
    for i in range(n):
        unit = source.unseen(Random(f"chatty:{i}"), _RATIO)
        [turn] = unit.turns[0]
        said = Context(run.model, text_ids=unit.text(0)).answer(
            [Turn(turn.question)], Sampling(max_tokens=_ANSWER_TOKENS)
        )
        own = Turn(turn.question, "".join(said).strip() or ".")
        yield {"bare": unit, "own": replace(unit, turns=[(own,)])}


def gradient(run: AdapterRun, unit: Unit, weight: float) -> Tensor:
    """Of cross-entropy and `weight` times the divergence, (n_trained,)."""
    run.config = replace(run.config, distill_weight=weight)
    run._backward(unit, [0.0] * 6)
    found = torch.cat([p.grad.flatten().float() for p in run.descent.parameters if p.grad is not None])
    for parameter in run.descent.parameters:
        parameter.grad = None
    return found


def measured(run: AdapterRun, unit: Unit) -> dict[str, float]:
    teacher = run.in_full(unit, [0])
    bare = gradient(run, unit, 0.0)
    pull = gradient(run, unit, 1.0) - bare
    return {
        "teacher_loss": float(teacher.loss),
        "first_token": float(teacher.logits.softmax(-1)[0, teacher.wanted[0]]),
        "cosine": float(torch.nn.functional.cosine_similarity(bare, pull, dim=0)),
        "ratio_of_norms": float(pull.norm() / bare.norm()),
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chatty", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--adapter", default="", help="a trained adapter's folder; a fresh one is used otherwise")
    parser.add_argument("--n", type=int, default=12)
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    recipe = TrainConfig(rank=8, slots=8)
    if given.adapter:
        recipe = replace(read_config(Path(given.adapter) / "config.yaml"), start_from=given.adapter)
    config = replace(
        recipe, base=given.model, device="cpu", mix={"reports": 1.0}, fairytaleqa="", distill_parts=(), batch=1
    )
    run = AdapterRun(load_base(given.model, device="cpu", precision=config.precision), config)
    found: dict[str, list[dict[str, float]]] = {"bare": [], "own": []}
    for pair in units(run, given.n):
        for way, unit in pair.items():
            found[way].append(measured(run, unit))
            print(json.dumps({"way": way, "answer": unit.turns[0][0].answer, **found[way][-1]}), flush=True)
    for way, rows in found.items():
        means = {name: round(statistics.mean(row[name] for row in rows), 3) for name in rows[0]}
        print(json.dumps({"way": way, "n": len(rows), "negative": sum(row["cosine"] < 0 for row in rows), **means}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

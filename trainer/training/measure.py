"""What an adapter keeps of reports and stories never seen in training: loss and right answers under four conditions.

Every question is asked separately, after the document's own gist, another document's, nothing, and the whole text.
Knows nothing of runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import prompt_of
from trainer.data.report_units import Reports
from trainer.data.source import Stage
from trainer.data.stories import Stories
from trainer.data.units import Unit
from trainer.training.check import closed_share, measure_conditions
from trainer.training.loss import Answers, full_answers, gist_answers
from trainer.training.staged import encode_unit

_MICRO_TOKENS = 2048
_QUESTIONS = 2


def measure_adapter(
    model: GistModel,
    ratios: Sequence[float],
    *,
    n: int,
    document_tokens: int,
    stories: Path | None = None,
    seed: int = 1,
) -> Iterator[dict[str, Any]]:
    """One row per ratio, with the same documents and questions at each.

    Args:
        n: number of questions, two on every document.
        stories: FairytaleQA's validation file; None measures generated reports.

    Raises:
        UserError: the model has no adapter, or the stories cannot be read.
    """
    if model.adapter is None:
        raise UserError("The model has no gist adapter.", "Train one, or measure full, none and rag only.")
    prompt = prompt_of(model.tokenizer)
    units = [list(_units(model, ratio, n, document_tokens, stories, seed)) for ratio in ratios]
    of_base: dict[tuple[int, int, str], tuple[float, float, int]] = {}

    def answering(unit: Unit, documents: Sequence[int], gists: list[Tensor] | None) -> Answers:
        return gist_answers(model, prompt, gists or [None] * len(documents), [unit.turns[d] for d in documents])

    def in_full(unit: Unit, documents: Sequence[int]) -> Answers:
        return full_answers(model, prompt, [unit.text(d) for d in documents], [unit.turns[d] for d in documents])

    for ratio, own in zip(ratios, units, strict=True):
        steps = measure_conditions(
            own, lambda unit: encode_unit(model, unit, micro_tokens=_MICRO_TOKENS), answering, in_full, of_base
        )
        while True:
            try:
                next(steps)
            except StopIteration as end:
                figures = end.value
                break
        row: dict[str, Any] = {"part": "fairytaleqa" if stories else "reports", "ratio": ratio}
        row["kept_ratio"] = round(sum(u.n_tokens for u in own) / sum(sum(u.n_slots) for u in own), 1)
        for name, figure in figures.items():
            row |= {f"{name} loss": round(figure.loss, 3), f"{name} right": figure.right, "n": figure.n}
        yield {**row, "closed_share": round(closed_share(figures), 3)}


def _units(
    model: GistModel, ratio: float, n: int, document_tokens: int, stories: Path | None, seed: int
) -> Iterator[Unit]:
    """Units of documents that are the same at every ratio; each question is a separate conversation."""
    source: Stories | Reports
    if stories:
        source = Stories(model, stories, document_tokens=document_tokens, questions=_QUESTIONS, held_out_share=0.0)
    else:
        source = Reports(model, document_tokens=document_tokens, questions=_QUESTIONS)
    asked = number = 0
    while asked < n:
        random, number = Random(f"measure:{seed}:{number}"), number + 1
        if isinstance(source, Stories):
            unit = source.unit(random, Stage(0, 0, 0, ratio))
        else:
            unit = source.unseen(random, ratio)
        turns = unit.turns[0][: n - asked]
        asked += len(turns)
        yield replace(unit, documents=[unit.documents[0]] * len(turns), turns=[(turn,) for turn in turns])

"""The part "reports": report-like documents as units, cut into as many segments as the program would make of them.

Knows tokens and segments; leaves what a report says to `reports`.
"""

import math
from random import Random

import torch

from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.reports import draw_report
from trainer.data.source import Stage
from trainer.data.units import Unit, unit_cut

_N_HELD_OUT = 9
_HELD_OUT_RATIOS = (8.0, 16.0, 32.0)
_CHARACTERS_PER_TOKEN = 4.4
_TOKENS_PER_FACT = 50
_PROSE_CHARACTERS = 3000


class Reports:
    """Reports of any length up to `document_tokens`, short ones as often as long ones."""

    def __init__(self, model: GistModel, *, document_tokens: int, questions: int) -> None:
        self._model, self._document_tokens, self._questions = model, document_tokens, questions

    def unit(self, random: Random, stage: Stage) -> Unit:
        return self._unit(random, stage.ratio, held_out=False)

    def unseen(self, random: Random, ratio: float) -> Unit:
        """A report whose names, wordings and perhaps kind of document never occur in training."""
        return self._unit(random, ratio, held_out=True)

    def held_out(self) -> list[Unit]:
        return [
            self._unit(Random(f"held out:reports:{i}"), _HELD_OUT_RATIOS[i % len(_HELD_OUT_RATIOS)], held_out=True)
            for i in range(_N_HELD_OUT)
        ]

    def _unit(self, random: Random, ratio: float, *, held_out: bool) -> Unit:
        n_tokens = math.exp(random.uniform(math.log(64), math.log(max(64, self._document_tokens))))
        n_facts = max(1, min(self._questions, round(n_tokens / _TOKENS_PER_FACT)))
        [name] = random.choices(haystack_names("en", evaluation=held_out))
        text = haystack_text(name)
        start = random.randrange(len(text) - _PROSE_CHARACTERS)
        report = draw_report(
            random,
            n_characters=int(n_tokens * _CHARACTERS_PER_TOKEN),
            n_facts=n_facts,
            held_out=held_out,
            prose=text[start : start + _PROSE_CHARACTERS],
        )
        ids = torch.tensor(self._model.token_ids(report.text))
        turns = tuple(Turn(question, answer) for question, answer in report.asked)
        return unit_cut(self._model, "reports", ids, [turns], ratio=ratio)

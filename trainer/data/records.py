"""The user's own questions and answers as training data.

Knows nothing of the forms of files or of losses.
"""

from pathlib import Path
from random import Random

from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.plan import tokenize
from gistdesk.core.prompt import Turn
from trainer.data.forms import Record, read_records
from trainer.data.samples import Sample
from trainer.data.source import Stage, is_held_out
from trainer.data.units import Unit, unit_of

_N_HELD_OUT = 16
_WINDOW_RESERVE = 256
"""Positions kept free for template and answer."""


class Records:
    """A file of records as training data; records about one text are asked one after another."""

    def __init__(
        self, model: GistModel, part: str, path: Path, *, held_out_share: float, questions: int, n_slots: int
    ) -> None:
        self._model, self._part, self._path = model, part, path
        self._questions, self._n_slots = questions, n_slots
        groups: dict[str, list[Record]] = {}
        for record in read_records(path, "questions" if part == "self_study" else part):
            groups.setdefault(record.context, []).append(record)
        self.training = [g for c, g in groups.items() if not is_held_out(c, held_out_share)]
        self.reserved = [g for c, g in groups.items() if is_held_out(c, held_out_share)]
        if not self.training:
            raise UserError("All records of {path} are held out.", "Lower held_out_share or add records.", path=path)

    def unit(self, random: Random, stage: Stage) -> Unit:
        group = self.training[random.randrange(len(self.training))]
        asked = random.sample(group, min(len(group), self._questions))
        return self._unit(asked, [random.choice(record.answers) for record in asked], stage.n_slots)

    def held_out(self) -> list[Unit]:
        groups = self.reserved[:_N_HELD_OUT]
        return [self._unit(g[: self._questions], [r.answers[0] for r in g], self._n_slots) for g in groups]

    def _unit(self, records: list[Record], answers: list[str], n_slots: int) -> Unit:
        # as compressing does it: piece by piece, so that the tokenizer's bookkeeping stays small
        document = Document("", (records[0].context,), None, self._path, "")
        ids = tokenize(self._model, document)[0].long()
        turns = tuple(Turn(record.question, answer) for record, answer in zip(records, answers, strict=False))
        unit = unit_of(self._model, self._part, Sample(ids, turns, ""), n_slots=n_slots)
        asked = sum(len(self._model.token_ids(turn.question + str(turn.answer))) for turn in turns)
        n_slots = sum(unit.n_slots)
        if n_slots + asked + _WINDOW_RESERVE > self._model.max_positions:
            number = records[0].line.number
            raise UserError(
                "{path}, line {n}: {n_tokens} tokens become {n_slots} gist tokens, which do not fit into the "
                "model's window of {window} together with the question.",
                "Shorten the text, remove the line, or train with fewer slots.",
                path=self._path,
                n=number,
                n_tokens=len(ids),
                n_slots=n_slots,
                window=self._model.max_positions,
            )
        return unit

"""The user's own questions and answers, from JSON lines: three published forms, one kind of record.

- questions: `{"context": str, "question": str, "answers": [str, ...]}`; `"answers"` may be one string.
- alpaca (Alpaca+ of the gist-token paper): `{"instruction": str, "input": str, "output": str}`; the instruction is what
  gets compressed, `"input"` may be missing or empty.
- longbench: `{"context": str, "input": str, "answers": [str, ...]}`, as LongBench publishes it, other fields ignored.

A record that lacks a field is refused with its file and line. Knows nothing of how records are trained on.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from gistdesk.core.compress import tokenize
from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.data.source import Stage, is_held_out
from trainer.samples import Sample
from trainer.staged import Unit, unit_of

_N_HELD_OUT = 16
_WINDOW_RESERVE = 256
"""Positions kept free for template and answer."""


@dataclass(frozen=True)
class Record:
    """A text to compress, what is asked about it, and the answers that count as right.

    Attributes:
        line: where it stands in its file, from 1.
    """

    context: str
    question: str
    answers: tuple[str, ...]
    line: int


def _question_answer(fields: dict[str, Any]) -> tuple[str, str, Any]:
    return fields["context"], fields["question"], fields["answers"]


def _alpaca(fields: dict[str, Any]) -> tuple[str, str, Any]:
    return fields["instruction"], fields.get("input") or "", fields["output"]


def _longbench(fields: dict[str, Any]) -> tuple[str, str, Any]:
    return fields["context"], fields["input"], fields["answers"]


FORMS: dict[str, Callable[[dict[str, Any]], tuple[str, str, Any]]] = {
    "questions": _question_answer,
    "alpaca": _alpaca,
    "longbench": _longbench,
}


def read_records(path: Path, form: str) -> list[Record]:
    """All records of a file; empty lines are passed over.

    Raises:
        UserError: the file cannot be read or holds none, or a line is no record of this form.
    """
    records = []
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    records.append(_record(path, number, line, form))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"{path} cannot be read ({reason}).", "Give a file of JSON lines in UTF-8.") from error
    if not records:
        raise UserError(f"{path} holds no records.", "Give a file with one JSON object per line.")
    return records


def _record(path: Path, number: int, line: str, form: str) -> Record:
    where = f"{path}, line {number}"
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is no JSON ({str(error).splitlines()[0]}).", "Correct or remove it.") from error
    if not isinstance(fields, dict):
        raise UserError(f"{where} is no JSON object.", "Correct or remove it.")
    try:
        context, question, answers = FORMS[form](fields)
    except KeyError as error:
        raise UserError(f"{where} has no {error.args[0]!r}.", "Add the field or remove the line.") from error
    found = [answers] if isinstance(answers, str) else answers
    if not isinstance(context, str) or not isinstance(question, str):
        raise UserError(f"{where}: context and question must be text.", "Correct or remove it.")
    if not isinstance(found, list) or not found or not all(isinstance(a, str) and a.strip() for a in found):
        raise UserError(f"{where}: there is no answer in text.", "Correct or remove it.")
    if not context.strip():
        raise UserError(f"{where}: there is nothing to compress.", "Correct or remove it.")
    return Record(context, question, tuple(found), number)


class Records:
    """A file of records as training data; records about one text are asked one after another."""

    def __init__(
        self, model: GistModel, part: str, path: Path, *, held_out_share: float, questions: int, n_slots: int
    ) -> None:
        self._model, self._part, self._path = model, part, path
        self._questions, self._n_slots = questions, n_slots
        groups: dict[str, list[Record]] = {}
        for record in read_records(path, part):
            groups.setdefault(record.context, []).append(record)
        self.training = [g for c, g in groups.items() if not is_held_out(c, held_out_share)]
        self.reserved = [g for c, g in groups.items() if is_held_out(c, held_out_share)]
        if not self.training:
            raise UserError(f"All records of {path} are held out.", "Lower held_out_share or add records.")

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
        if sum(unit.n_slots) + asked + _WINDOW_RESERVE > self._model.max_positions:
            raise UserError(
                f"{self._path}, line {records[0].line}: {len(ids)} tokens make {sum(unit.n_slots)} gist tokens, which "
                f"with the question do not fit into the model's window of {self._model.max_positions}.",
                "Shorten the text, remove the line, or train with fewer slots.",
            )
        return unit


def check_file(path: Path, form: str) -> Iterator[str]:
    """What a file of records holds, in sentences."""
    records = read_records(path, form)
    texts = {record.context for record in records}
    yield f"{path}: {len(records)} records about {len(texts)} texts."
    yield f"The longest text has {max(map(len, texts)):,} characters."

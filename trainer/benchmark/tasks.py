"""What a benchmark asks: grids of needles, questions about whole texts, and records of files.

Knows tokens; knows nothing of how a sample is answered.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Prompt, Turn, prompt_of
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.metrics import declines, is_contained, word_f1, word_rouge_l
from trainer.benchmark.needle_tasks import needle_tasks
from trainer.benchmark.records import ScoredRecord, choice_records, instruction_records, longbench_records
from trainer.benchmark.samples import ANSWER_TOKENS, Sample, Source, Task, without_middle
from trainer.benchmark.texts import QuestionedText, documents, read_stories, some_questions

_TEXT_ANSWER_TOKENS = 96
"""Longest answer about a text: a passage's longest sentence is not cut."""
_SUMMARY_TOKENS = 96
SUMMARISE = "What is this text about?"


def tasks_of(model: GistModel, config: BenchConfig) -> list[Task]:
    """Everything a configuration asks for.

    Raises:
        UserError: a haystack is too short, a file cannot be used, or a text does not fit into the window.
    """
    tasks: list[Task] = [*needle_tasks(model, config)]
    tasks += _text_tasks(model, config)
    for name, records in _records(config).items():
        tasks.append(RecordTask(model, name, records))
    return tasks


def _text_tasks(model: GistModel, config: BenchConfig) -> Iterator[Task]:
    stories = read_stories(Path(config.reading)) if config.reading else []
    for kind in config.text_kinds:
        if kind == "documents":
            texts = documents()
            absent = [_with(text, has_answer=False) for text in texts]
            asked = [_with(text, has_answer=True) for text in texts]
            for place in range(len(texts)):  # both about one text, for which gists are made once
                yield from _text_task(model, kind, asked, place, accepted_points)
                yield from _text_task(model, "documents-absent", absent, place, None)
        elif kind == "reading":
            texts = some_questions(stories, config.records, config.seed)
            for place in range(len(texts)):
                yield from _text_task(model, kind, texts, place, f1_points)
        else:
            yield SummaryTask(model, kind, some_questions(stories, config.records, config.seed))


def _text_task(
    model: GistModel,
    name: str,
    texts: Sequence[QuestionedText],
    place: int,
    points: Callable[[str, Sequence[str]], float] | None,
) -> Iterator[Task]:
    """The task of the text in this place, if anything is asked about it; the text after it is its wrong document."""
    if texts[place].questions:
        yield TextTask(model, name, texts[place], texts[(place + 1) % len(texts)], points)


def _with(text: QuestionedText, *, has_answer: bool) -> QuestionedText:
    return replace(text, questions=tuple(q for q in text.questions if bool(q.answers) is has_answer))


def _records(config: BenchConfig) -> dict[str, list[ScoredRecord]]:
    found: dict[str, list[ScoredRecord]] = {}
    if config.longbench:
        found |= longbench_records(Path(config.longbench), limit=config.records)
    if config.choices:
        found["choices"] = choice_records(Path(config.choices), limit=config.records)
    if config.instructions:
        found["instructions"] = instruction_records(Path(config.instructions), limit=config.records)
    kept = {name: [r for r in records if r.language in config.languages] for name, records in found.items()}
    for name, records in kept.items():
        if not records:
            raise UserError(
                "{name} has no records in {language}.",
                "Name its language in --languages.",
                name=name,
                language=", ".join(config.languages),
            )
    return kept


class RecordTask:
    """The records of one file."""

    has_sections = False

    def __init__(self, model: GistModel, name: str, records: list[ScoredRecord]) -> None:
        self._model, self._name, self._records = model, name, records
        self._made = lru_cache(maxsize=2)(self._make)

    @property
    def names(self) -> list[str]:
        return [f"{self._name}:{index}" for index in range(len(self._records))]

    @property
    def lengths(self) -> list[int]:
        return [len(record.text) // 4 for record in self._records]

    def sample(self, index: int) -> Sample:
        record, source = self._records[index], self._made(index)
        return Sample(
            source.name,
            self._name,
            record.language,
            None,
            source,
            record.question,
            record.expected,
            record.max_tokens,
            record.points,
            record.is_graded,
            lambda: self._other(index),
            True,
            record.accepted,
            prompt=self._prompt(record),
        )

    def _prompt(self, record: ScoredRecord) -> Prompt | None:
        """Instructions before the text; for sets published without a chat template, only BOS and the instructions."""
        if not record.before:
            return None
        own = prompt_of(self._model.tokenizer)
        if not record.is_plain:
            return replace(own, prefix=own.prefix + record.before, before_question=record.joint)
        start = str(self._model.tokenizer.bos_token or "")
        return Prompt(start + record.before, record.joint, "", "\n\n", own.after_answer)

    def _make(self, index: int) -> Source:
        ids = torch.tensor(self._model.token_ids(self._records[index].text), dtype=torch.long)
        return Source(f"{self._name}:{index}", ids)

    def _other(self, index: int) -> Source:
        """The next record's text that differs; a sentence about nothing if all are the same."""
        for other in self._following(index):
            if self._records[other].text != self._records[index].text:
                return self._made(other)
        return Source(f"{self._name}:nothing", torch.tensor(self._model.token_ids("There is nothing here to be read.")))

    def _following(self, index: int) -> Iterator[int]:
        n_records = len(self._records)
        return ((index + step) % n_records for step in range(1, n_records))


class TextTask:
    """Questions about one whole text.

    Args:
        other: a text that does not hold the answers.
        points: maps an answer and the right ones to a number from 0 to 1; None: any answer that says the text does
            not say is right.
    """

    def __init__(
        self,
        model: GistModel,
        name: str,
        text: QuestionedText,
        other: QuestionedText,
        points: Callable[[str, Sequence[str]], float] | None,
    ) -> None:
        self._model, self._name, self._points = model, name, points
        self._text, self._other = text, other
        self._read = lru_cache(maxsize=2)(self._source)
        self.has_sections = points is not None

    @property
    def names(self) -> list[str]:
        return [f"{self._name}:{self._text.name}:{i}" for i in range(len(self._text.questions))]

    @property
    def lengths(self) -> list[int]:
        return [len(self._text.text) // 4 if i == 0 else 0 for i in range(len(self._text.questions))]

    def sample(self, index: int) -> Sample:
        question = self._text.questions[index]
        section = self._text.section_text(question) if self.has_sections else ""
        return Sample(
            self.names[index],
            self._name,
            "en",
            None,
            self._read(self._text),
            question.question,
            question.answers[0] if question.answers else "(not in the text)",
            _TEXT_ANSWER_TOKENS,
            lambda answer: self._points(answer, question.answers) if self._points else float(declines(answer)),
            self._points is f1_points,
            lambda: self._read(self._other),
            True,
            question.answers,
            torch.tensor(self._model.token_ids(section), dtype=torch.long) if section else None,
            True,
            question.answers[0] if question.answers else "",
        )

    def _source(self, text: QuestionedText) -> Source:
        name = f"{self._name.removesuffix('-absent')}:{text.name}"
        return Source(name, torch.tensor(self._model.token_ids(text.text), dtype=torch.long))


class SummaryTask:
    """Summaries of whole texts, against the model's own summary with the full text in context."""

    has_sections = False

    def __init__(self, model: GistModel, name: str, texts: Sequence[QuestionedText]) -> None:
        self._model, self._name, self._texts = model, name, texts
        self._read = lru_cache(maxsize=2)(self._source)

    @property
    def names(self) -> list[str]:
        return [f"{self._name}:{text.name}" for text in self._texts]

    @property
    def lengths(self) -> list[int]:
        return [len(text.text) // 4 for text in self._texts]

    def sample(self, index: int) -> Sample:
        source = self._read(index)
        room = self._model.max_positions - _SUMMARY_TOKENS - ANSWER_TOKENS
        context = Context(self._model, text_ids=without_middle(source.token_ids, room))
        summary = "".join(context.answer([Turn(SUMMARISE)], Sampling(max_tokens=_SUMMARY_TOKENS)))
        return Sample(
            self.names[index],
            self._name,
            "en",
            None,
            source,
            SUMMARISE,
            summary,
            _SUMMARY_TOKENS,
            lambda answer: word_rouge_l(answer, summary),
            True,
            lambda: self._read((index + 1) % len(self._texts)),
            True,
            (summary,),
            loss_of=summary,
        )

    def _source(self, index: int) -> Source:
        ids = torch.tensor(self._model.token_ids(self._texts[index].text), dtype=torch.long)
        return Source(f"{self._name}:{self._texts[index].name}", ids)


def accepted_points(answer: str, right: Sequence[str]) -> float:
    """1 if an answer contains one of the right ones."""
    return float(any(is_contained(answer, one) for one in right))


def f1_points(answer: str, right: Sequence[str]) -> float:
    """Token F1 against the right answer it is most like."""
    return max(word_f1(answer, one) for one in right)

"""Where samples come from: grids of needles in haystacks, questions about whole texts, and records of files.

A sample is made on demand.

A sample depends only on seed and position, never on the methods or on earlier samples.
Knows tokens; knows nothing of how they are answered.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Protocol

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Prompt, Turn, prompt_of
from trainer.benchmark.config import DRAWN, BenchConfig
from trainer.benchmark.metrics import declines, is_contained, word_f1, word_rouge_l
from trainer.benchmark.needles import LANDMARK_FILLER, Needle, own_needle
from trainer.benchmark.records import ScoredRecord, choice_records, instruction_records, longbench_records
from trainer.benchmark.ruler import NOISE, other_needle, ruler_haystack, word_list
from trainer.benchmark.ruler_words import WORD_KINDS, words_document
from trainer.benchmark.texts import QuestionedText, documents, read_stories, some_questions
from trainer.data.haystack import haystack_names, haystack_text

_ANSWER_TOKENS = 64
"""Room kept free in the context window for template and answer."""
_TEXT_ANSWER_TOKENS = 96
"""Longest answer about a text: a passage's longest sentence is not cut."""
_SUMMARY_TOKENS = 96
SUMMARISE = "What is this text about?"
_RULER_TOKENS = 128
"""Longest answer to a RULER question, as published."""


@dataclass(frozen=True)
class Source:
    """A document that gists and passages are made from; its name is unique within a run."""

    name: str
    token_ids: Tensor


@dataclass(frozen=True)
class Sample:
    """One question about one document.

    Attributes:
        task: needle kind, or the name of a set of records.
        depth_percent: where the needle is; None if unknown.
        max_tokens: longest answer.
        points: maps an answer to a number from 0 to 1.
        is_graded: whether there is anything between 0 and 1.
        other: a document that does not hold the answer.
        may_be_cut: a text too long for the window is read without its middle, as LongBench does.
        accepted: answers any of which is right, for the scores that every kind has; empty if there are none.
        section: the part of the document that holds the answer, (n_tokens,); None if unknown.
        is_one_of_several: there are more questions about this document: what comes before them is made once.
        loss_of: the answer whose loss is measured; empty if none.
        prompt: the text around document and question, if it differs from a user's.
    """

    name: str
    task: str
    language: str
    depth_percent: int | None
    source: Source
    question: str
    expected: str
    max_tokens: int
    points: Callable[[str], float]
    is_graded: bool
    other: Callable[[], Source]
    may_be_cut: bool
    accepted: tuple[str, ...] = ()
    section: Tensor | None = None
    is_one_of_several: bool = False
    loss_of: str = ""
    prompt: Prompt | None = None


class Task(Protocol):
    """A group of samples of one kind.

    Attributes:
        has_sections: it is known which part of a document holds the answer.
    """

    has_sections: bool

    @property
    def names(self) -> list[str]:
        """The names of its samples, in order."""

    @property
    def lengths(self) -> list[int]:
        """Roughly how many document tokens have to be read anew for each sample."""

    def sample(self, index: int) -> Sample:
        """Make one sample."""


def tasks_of(model: GistModel, config: BenchConfig) -> list[Task]:
    """Everything a configuration asks for.

    Raises:
        UserError: a haystack is too short, a file cannot be used, or a text does not fit into the window.
    """
    tasks: list[Task] = []
    stacks = _Stacks(model, config)
    for kind, language in config.series:
        _check_possible(model, config, stacks, kind, language)
    for kind, language in config.series:
        for length in config.lengths:
            tasks += [NeedleTask(model, config, stacks, kind, language, length, depth) for depth in config.depths]
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


class Haystack:
    """A text as tokens, with the positions where sentences start."""

    def __init__(self, model: GistModel, text: str) -> None:
        self.ids = torch.tensor(model.token_ids(" " + text.strip()))
        self.starts = model.ends_sentence[self.ids].nonzero()[:, 0] + 1

    def document(self, model: GistModel, random: Random, needle: Needle, n_tokens: int, depth: int) -> Tensor:
        """A stretch that starts at a sentence, with the needle moved back to a sentence end; (n_tokens,).

        Distractors are put between other sentences at random.
        """
        statements = [torch.tensor(model.token_ids(" " + text)) for text in needle.statements]
        n_hay = n_tokens - sum(len(ids) for ids in statements)
        if n_tokens > len(self.ids):
            raise UserError(
                "The haystack has {n} tokens; {wanted} are needed.",
                "Give a longer text.",
                n=len(self.ids),
                wanted=n_tokens,
            )
        if n_hay < 0:
            raise UserError("The needle does not fit into {n} tokens.", "Ask for longer documents.", n=n_tokens)
        possible = self.starts[self.starts <= len(self.ids) - n_hay]
        start = int(possible[random.randrange(len(possible))]) if len(possible) else 0
        hay = self.ids[start : start + n_hay]
        inside = self.starts[(self.starts > start) & (self.starts < start + n_hay)] - start
        ends = [0, *inside.tolist(), n_hay] if depth == 100 else [0, *inside.tolist()]
        target = n_hay * depth / 100
        places = [max(end for end in ends if end <= target)]
        places += [random.choice(ends) for _ in statements[1:]]
        if needle.in_order:
            places.sort()
        order = sorted(range(len(statements)), key=lambda i: places[i])
        pieces, last = [], 0
        for i in order:
            pieces += [hay[last : places[i]], statements[i]]
            last = places[i]
        return torch.cat([*pieces, hay[last:]])


class _Stacks:
    """Per needle kind and language, the text to hide needles in; landmark and RULER's noise bring their own."""

    def __init__(self, model: GistModel, config: BenchConfig) -> None:
        self._model, self._longest = model, max(config.lengths)
        self._own = config.haystack
        self._made: dict[str, Haystack] = {}

    def of(self, kind: str, language: str, random: Random) -> Haystack:
        """`random` draws the other needles if the haystack consists of them."""
        what = ruler_haystack(kind)
        if what == "needles":
            return self._of_needles(kind, language, random)
        if kind == "landmark" or what == "noise":
            filler = LANDMARK_FILLER if kind == "landmark" else NOISE[language]
            return self._kept(filler * (self._longest // 12 + 2))
        return self._kept(self._own or " ".join(haystack_text(n) for n in haystack_names(language, evaluation=True)))

    def _kept(self, text: str) -> Haystack:
        if text not in self._made:
            self._made[text] = Haystack(self._model, text)
        return self._made[text]

    def _of_needles(self, kind: str, language: str, random: Random) -> Haystack:
        """A haystack of needles, long enough for a start anywhere in its first tenth."""
        text, n_tokens = "", 0
        while n_tokens <= self._longest * 1.1:
            sentences = "".join(f"{other_needle(kind, random, language)} " for _ in range(20))
            text += sentences
            n_tokens += len(self._model.token_ids(sentences))
        return Haystack(self._model, text)


def _words(model: GistModel, random: Random, kind: str, language: str, n_tokens: int) -> tuple[Tensor, Needle]:
    """A document of words, padded with line ends to the number of tokens asked for."""
    text, needle = words_document(
        kind, random, language, word_list(language), n_tokens, lambda text: len(model.token_ids(text))
    )
    ids = model.token_ids(text)
    filler = model.token_ids("\n")
    return torch.tensor(ids + (filler * n_tokens)[: n_tokens - len(ids)]), needle


def _draw_of(config: BenchConfig, kind: str) -> Callable[[Random, str], Needle]:
    return own_needle(config.needle, config.question) if config.needle else DRAWN[kind]


def _check_possible(model: GistModel, config: BenchConfig, stacks: _Stacks, kind: str, language: str) -> None:
    """Refuse at the start what would otherwise end the benchmark hours later."""
    random = Random(f"{config.seed}:{kind}:{language}")
    for length in sorted(config.lengths):
        if kind in WORD_KINDS:
            _, needle = _words(model, random, kind, language, length)
        else:
            needle = _draw_of(config, kind)(random, language)
            stacks.of(kind, language, random).document(model, random, needle, length, config.depths[0])
        n_full = length + len(model.token_ids(needle.question)) + _ANSWER_TOKENS
        if "full" in config.methods and n_full > model.max_positions:
            raise UserError(
                "{n} tokens of text and a question do not fit into the model's window of {window}.",
                "Ask for shorter documents, or leave full out of --methods.",
                n=length,
                window=model.max_positions,
            )


class NeedleTask:
    """The samples of one cell: a needle kind, a language, a length and a depth."""

    has_sections = False

    def __init__(
        self, model: GistModel, config: BenchConfig, stacks: _Stacks, kind: str, language: str, length: int, depth: int
    ) -> None:
        self._model, self._stacks, self._config = model, stacks, config
        self._kind, self._language, self._length, self._depth = kind, language, length, depth
        self._seed = config.seed
        self._cell = f"{kind}:{language}:{length}:{depth}"
        self._n_samples = config.samples
        self._made = lru_cache(maxsize=2)(self._make)

    @property
    def names(self) -> list[str]:
        return [f"{self._cell}:{index}" for index in range(self._n_samples)]

    @property
    def lengths(self) -> list[int]:
        return [self._length] * self._n_samples

    def sample(self, index: int) -> Sample:
        source, needle = self._made(index)
        n_expected = len(self._model.token_ids(needle.expected))
        return Sample(
            source.name,
            self._kind,
            self._language,
            self._depth,
            source,
            needle.question,
            needle.expected,
            _RULER_TOKENS if needle.values else n_expected + 16,
            needle.points,
            len(needle.values) > 1,
            lambda: self._other(index),
            False,
            () if needle.is_absent or len(needle.values) > 1 else needle.accepted or (needle.expected,),
        )

    def _make(self, index: int) -> tuple[Source, Needle]:
        random = Random(f"{self._seed}:{self._cell}:{index}")
        if self._kind in WORD_KINDS:
            words, needle = _words(self._model, random, self._kind, self._language, self._length)
            return Source(f"{self._cell}:{index}", words), needle
        needle = _draw_of(self._config, self._kind)(random, self._language)
        stack = self._stacks.of(self._kind, self._language, random)
        ids = stack.document(self._model, random, needle, self._length, self._depth)
        return Source(f"{self._cell}:{index}", ids), needle

    def _other(self, index: int) -> Source:
        """The next sample's document; after the last one there is an extra document, used only for this."""
        (source, needle), (other, other_needle) = self._made(index), self._made(index + 1)
        if other_needle.expected != needle.expected or needle.is_absent:
            return other
        return without_needle(self._model, source, needle)


def without_needle(model: GistModel, source: Source, needle: Needle) -> Source:
    """The document without its statement: the wrong document for a needle whose value is always the same."""
    ids = source.token_ids.tolist()
    statement = model.token_ids(" " + needle.statements[0])
    place = next(i for i in range(len(ids)) if ids[i : i + len(statement)] == statement)
    return Source(f"{source.name}:without", torch.tensor(ids[:place] + ids[place + len(statement) :]))


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
        room = self._model.max_positions - _SUMMARY_TOKENS - _ANSWER_TOKENS
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


def without_middle(ids: Tensor, n_tokens: int) -> Tensor:
    """At most `n_tokens` tokens of a text, half from each end; (n_tokens,) or fewer."""
    if len(ids) <= n_tokens:
        return ids
    first = n_tokens - n_tokens // 2
    return torch.cat([ids[:first], ids[len(ids) - (n_tokens - first) :]])


def accepted_points(answer: str, right: Sequence[str]) -> float:
    """1 if an answer contains one of the right ones."""
    return float(any(is_contained(answer, one) for one in right))


def f1_points(answer: str, right: Sequence[str]) -> float:
    """Token F1 against the right answer it is most like."""
    return max(word_f1(answer, one) for one in right)

"""Grids of needles in haystacks: every kind and language at every length and depth.

Knows tokens; knows nothing of how they are answered.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random

import torch
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from trainer.benchmark.config import DRAWN, BenchConfig
from trainer.benchmark.needles import LANDMARK_FILLER, Needle, own_needle
from trainer.benchmark.ruler import NOISE, other_needle, ruler_haystack, word_list
from trainer.benchmark.ruler_words import WORD_KINDS, words_document
from trainer.benchmark.samples import ANSWER_TOKENS, Sample, Source, Task
from trainer.data.haystack import haystack_names, haystack_text

_RULER_TOKENS = 128
"""Longest answer to a RULER question, as published."""


def needle_tasks(model: GistModel, config: BenchConfig) -> Iterator[Task]:
    """The cells of a configuration: by kind and language, length and depth.

    Raises:
        UserError: a haystack is too short, or a text does not fit into the window.
    """
    stacks = _Stacks(model, config)
    for kind, language in config.series:
        _check_possible(model, config, stacks, kind, language)
    for kind, language in config.series:
        for length in config.lengths:
            for depth in config.depths:
                yield NeedleTask(model, config, stacks, kind, language, length, depth)


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
        n_full = length + len(model.token_ids(needle.question)) + ANSWER_TOKENS
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

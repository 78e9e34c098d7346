"""Self-study of one text's own words: sentences to complete, and sentences to quote.

What follows numbers and names gets the larger part, since those are what a small gist loses first. Knows nothing of
models, gists, losses or training.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["quotation", "completion"]

_FEWEST_WORDS, _WINDOW_WORDS = 5, 12
_OPENING_WORDS = 3
_BETWEEN = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_EXACT = re.compile(r"[\dA-Z]")
"""What an answer must get exactly right: a word with a digit or a capital, unless the capital starts a sentence."""


@dataclass(frozen=True)
class Study:
    """A request, and the words of the text that correctly follow it."""

    kind: Kind
    question: str
    answer: str


def studies(random: Random, text: str, kinds: Sequence[Kind]) -> Iterator[Study]:
    """One of each kind in order; if the text has nothing exact, a completion becomes a quotation."""
    sentences = sentences_of(text)
    exact = [(words, place) for words in sentences for place in _exact_places(words)]
    for kind in kinds:
        if kind == "completion" and exact:
            words, place = random.choice(exact)
            before, after = " ".join(words[:place]), " ".join(words[place:])
            yield Study("completion", f'Complete this sentence of the text: "{before} ..."', after)
            continue
        words = random.choice(sentences)
        opening = " ".join(words[:_OPENING_WORDS])
        yield Study("quotation", f'Quote the sentence of the text that begins with "{opening}".', " ".join(words))


def sentences_of(text: str) -> list[list[str]]:
    """The words of every sentence of some length; if a text has none, stretches of it."""
    sentences = [part.split() for part in _BETWEEN.split(text)]
    long = [words for words in sentences if len(words) >= _FEWEST_WORDS]
    every = text.split()
    return long or [every[i : i + _WINDOW_WORDS] for i in range(0, len(every), _WINDOW_WORDS)] or [[text]]


def _exact_places(words: list[str]) -> list[int]:
    """Indices of the words of a sentence that must match to the letter and have some others before them."""
    return [i for i, word in enumerate(words) if i >= _OPENING_WORDS and _EXACT.search(word)]

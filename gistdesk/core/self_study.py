"""Self-study of one text: questions that a model asks itself, and quotations of the text's own words.

The idea is that of Cartridges (Eyuboglu et al., arXiv 2506.06266): what a text's keys and values have to answer is not
known beforehand, so the model that reads it in full is asked. Quotations and what follows numbers and names are made
from the text itself, since those are what a small gist loses first. Knows nothing of gists, losses or training.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.prompt import Turn

Kind = Literal["question", "quotation", "completion"]

_REQUESTS = (
    "Ask one short question that the text answers. Write the question only.",
    "Which question about a name, a number or a place in the text would a reader ask? Write the question only.",
    "Write one question about what happens in the text, and nothing else.",
    "Ask for one detail of the text in a single short question.",
)
_QUESTION_TOKENS, _ANSWER_TOKENS = 32, 32
_FEWEST_WORDS, _WINDOW_WORDS = 5, 12
_OPENING_WORDS = 3
_BETWEEN = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_EXACT = re.compile(r"[\dA-Z]")
"""What an answer has to get exactly right: a word with a digit or, not at its sentence's start, with a capital."""


@dataclass(frozen=True)
class Study:
    """A question and what is right after it: the model's own answer to the full text, or the text's words."""

    kind: Kind
    question: str
    answer: str


def studies(random: Random, context: Context, text: str, kinds: Sequence[Kind]) -> Iterator[Study]:
    """One of each kind in order; a question that comes to nothing becomes a quotation.

    Args:
        context: the model with the whole text in front of it.
        text: the same.
    """
    sentences = sentences_of(text)
    exact = [(words, place) for words in sentences for place in _exact_places(words)]
    for kind in kinds:
        if kind == "question" and (question := own_question(random, context)):
            answer = said(context, question, Sampling(max_tokens=_ANSWER_TOKENS))
            if answer:
                yield Study("question", question, answer)
                continue
        if kind == "completion" and exact:
            words, place = random.choice(exact)
            before, after = " ".join(words[:place]), " ".join(words[place:])
            yield Study("completion", f'Complete this sentence of the text: "{before} ..."', after)
            continue
        words = random.choice(sentences)
        opening = " ".join(words[:_OPENING_WORDS])
        yield Study("quotation", f'Quote the sentence of the text that begins with "{opening}".', " ".join(words))


def sentences_of(text: str) -> list[list[str]]:
    """Words of every sentence of some length; of a text without any, stretches of it."""
    sentences = [part.split() for part in _BETWEEN.split(text)]
    long = [words for words in sentences if len(words) >= _FEWEST_WORDS]
    every = text.split()
    return long or [every[i : i + _WINDOW_WORDS] for i in range(0, len(every), _WINDOW_WORDS)] or [[text]]


def _exact_places(words: list[str]) -> list[int]:
    """Which words of a sentence have to be right to the letter and have some others before them."""
    return [i for i, word in enumerate(words) if i >= _OPENING_WORDS and _EXACT.search(word)]


def own_question(random: Random, context: Context) -> str:
    """One sentence that ends with a question mark, or nothing."""
    sampling = Sampling(temperature=0.7, seed=random.randrange(2**31), max_tokens=_QUESTION_TOKENS)
    told = said(context, random.choice(_REQUESTS), sampling)
    question = told[: told.find("?") + 1].splitlines()[-1:]
    return question[0].strip(' "*-') if question else ""


def said(context: Context, question: str, sampling: Sampling) -> str:
    """A whole answer."""
    return "".join(context.answer([Turn(question)], sampling)).strip()

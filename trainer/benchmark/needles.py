"""What the benchmark hides and asks: needles in wordings that no training ever contains, and how answers are scored.

Knows nothing of tokens or models.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gistdesk.core.errors import UserError
from trainer.benchmark.metrics import all_matched, declines
from trainer.data.facts import draw_fact, draw_facts
from trainer.data.values import digits

LANDMARK_FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
"""The filler of the passkey test of Landmark Attention (Mohtashami and Jaggi, 2023), repeated to any length."""

_SANDWICH = "eat a sandwich and sit in Dolores Park on a sunny day"


@dataclass(frozen=True)
class Needle:
    """One question with what has to be in the document for it.

    Attributes:
        statements: sentences to hide; the first is the one that is asked for, the others are distractors.
        question: what is asked.
        expected: the right answer.
        digits_only: the first run of digits of an answer is compared; otherwise the whole answer, trimmed.
        values: RULER's rule instead: the share of these that the answer contains.
        is_absent: the document does not hold the answer; right is whatever says so.
    """

    statements: tuple[str, ...]
    question: str
    expected: str
    digits_only: bool
    values: tuple[str, ...] = ()
    is_absent: bool = False

    def points(self, answer: str) -> float:
        """From 0 to 1."""
        return all_matched(answer, self.values) if self.values else float(self.is_right(answer))

    def is_right(self, answer: str) -> bool:
        if self.is_absent:
            return declines(answer)
        if self.values:
            return all_matched(answer, self.values) == 1.0
        if self.digits_only:
            found = re.search(r"\d+", answer)
            return found is not None and found.group() == self.expected
        return _plain(answer) == _plain(self.expected)


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .!?\"'").casefold()


def _passkey(random: Random, language: str) -> Needle:
    subject = "passkey" if language == "en" else "패스키"
    while True:
        fact = draw_fact(random, language, "passkey", subject=subject, held_out=True)
        if len(fact.answer) == 5:
            return Needle((fact.statement,), fact.question, fact.answer, True)


def _landmark(random: Random, language: str) -> Needle:
    key = digits(random, 5)
    return Needle(
        (f"The pass key is {key}. Remember it. {key} is the pass key.",),
        "What is the pass key? The pass key is",
        key,
        True,
    )


def _sandwich(random: Random, language: str) -> Needle:
    statement = f"The best thing to do in San Francisco is {_SANDWICH}."
    return Needle((statement,), "What is the best thing to do in San Francisco?", _SANDWICH, False)


def _facts(n: int) -> Callable[[Random, str], Needle]:
    def draw(random: Random, language: str) -> Needle:
        facts = draw_facts(random, language, n, held_out=True)
        asked = facts[0]
        return Needle(tuple(f.statement for f in facts), asked.question, asked.answer, asked.answer.isdecimal())

    return draw


_ABSENT = {
    "en": ('If the text does not say, answer: "Not in the text."', "Not in the text."),
    "ko": ('글에 없으면 "글에 없습니다"라고 답하세요.', "글에 없습니다"),
}


def _absent(random: Random, language: str) -> Needle:
    """Facts like the one that is asked for, at least one of its kind, but not that one: is an answer made up?"""
    while True:
        asked, *others = draw_facts(random, language, 4, held_out=True)
        if any(fact.kind == asked.kind for fact in others):
            break
    request, expected = _ABSENT[language]
    statements = tuple(fact.statement for fact in others)
    return Needle(statements, f"{asked.question} {request}", expected, False, is_absent=True)


NEEDLE_KINDS: dict[str, Callable[[Random, str], Needle]] = {
    "passkey": _passkey,
    "landmark": _landmark,
    "sandwich": _sandwich,
    "fact": _facts(1),
    "facts-4": _facts(4),
    "facts-8": _facts(8),
    "absent": _absent,
}
"""`fact` is one general fact, `facts-N` the same among N in all; `landmark` is hidden in its own filler; `absent` asks
for a fact that is not there."""


def own_needle(needle: str, question: str) -> Callable[[Random, str], Needle]:
    """A needle of the user's own: `{value}` in it becomes five random digits.

    Raises:
        UserError: there is no {value} in it.
    """
    if "{value}" not in needle:
        raise UserError("The needle has no {value} in it.", 'Write one, for example "The code is {value}."')

    def draw(random: Random, language: str) -> Needle:
        value = digits(random, 5)
        return Needle((needle.replace("{value}", value),), question.replace("{value}", "?"), value, True)

    return draw

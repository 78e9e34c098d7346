"""What the benchmark hides and asks for: needles in wordings held out from training, and how answers are scored.

The kinds are listed in the table `gistdesk.benchmark_names.NEEDLE_KINDS`; each of its functions draws one needle.

Knows nothing of tokens or models.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gistdesk.core.errors import UserError
from trainer.benchmark.metrics import all_matched, declines, is_contained
from trainer.data.facts import draw_fact, draw_facts
from trainer.data.values import digits

LANDMARK_FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
"""The filler of the passkey test of Landmark Attention (Mohtashami and Jaggi, 2023), repeated to any length."""

_SANDWICH = "eat a sandwich and sit in Dolores Park on a sunny day"


@dataclass(frozen=True)
class Needle:
    """One question, with what the document has to contain for it.

    Attributes:
        statements: sentences to hide; the first is the one asked for, the others are distractors.
        question: what is asked.
        expected: the right answer.
        digits_only: compare the first run of digits in an answer; otherwise the whole answer, trimmed.
        values: score by RULER's rule instead: the share of these that the answer contains.
        is_absent: the document does not hold the answer; any answer that says so is right.
        accepted: any answer that contains one of these, in however many words, is right.
        in_order: the statements appear in the document in this order.
    """

    statements: tuple[str, ...]
    question: str
    expected: str
    digits_only: bool
    values: tuple[str, ...] = ()
    is_absent: bool = False
    accepted: tuple[str, ...] = ()
    in_order: bool = False

    def points(self, answer: str) -> float:
        """The score of an answer, from 0 to 1."""
        return all_matched(answer, self.values) if self.values else float(self.is_right(answer))

    def is_right(self, answer: str) -> bool:
        if self.is_absent:
            return declines(answer)
        if self.accepted:
            return any(is_contained(answer, one) for one in self.accepted)
        if self.values:
            return all_matched(answer, self.values) == 1.0
        if self.digits_only:
            found = re.search(r"\d+", answer)
            return found is not None and found.group() == self.expected
        return _plain(answer) == _plain(self.expected)


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .!?\"'").casefold()


def passkey(random: Random, language: str) -> Needle:
    subject = "passkey" if language == "en" else "패스키"
    while True:
        drawn = draw_fact(random, language, "passkey", subject=subject, held_out=True)
        if len(drawn.answer) == 5:
            return Needle((drawn.statement,), drawn.question, drawn.answer, True)


def landmark(random: Random, language: str) -> Needle:
    key = digits(random, 5)
    return Needle(
        (f"The pass key is {key}. Remember it. {key} is the pass key.",),
        "What is the pass key? The pass key is",
        key,
        True,
    )


_UNSEEN = {
    "en": (
        ("Anyone who comes after eight has to dial {v} at the side gate.", "What has to be dialled at the side gate?"),
        ("They painted {v} on the lid in white, and nobody has lifted it since.", "What did they paint on the lid?"),
        ("Of all the raffle tickets it was {v} that won the ham.", "Which raffle ticket won the ham?"),
        (
            "He hummed {v} to himself, digit by digit, until the lift stopped.",
            "What did he hum in the lift?",
        ),
        ("Should the alarm go off, ring extension {v} and ask for Mabel.", "Which extension is Mabel's?"),
        ("On the back of the photograph somebody had scribbled {v}.", "What was scribbled on the photograph?"),
    ),
    "ko": (
        ("여덟 시가 지나서 오는 사람은 옆문에서 {v}번을 눌러야 열린다.", "옆문에서 몇 번을 눌러야 합니까?"),
        ("뚜껑에는 흰 페인트로 {v}라고 적혀 있었고 그 뒤로 아무도 열지 않았다.", "뚜껑에 뭐라고 적혀 있었습니까?"),
        ("경품 추첨에서는 {v}번 표가 햄을 탔다.", "몇 번 표가 햄을 탔습니까?"),
        ("경보가 울리면 내선 {v}번으로 걸어 순자를 찾으십시오.", "순자의 내선은 몇 번입니까?"),
        ("사진 뒷면에 누군가 {v}라고 휘갈겨 놓았다.", "사진 뒷면에 뭐라고 쓰여 있었습니까?"),
    ),
}
"""Neither a passkey nor a code: no training wording has these sentences or what the number means in them."""


def unseen(random: Random, language: str) -> Needle:
    statement, question = random.choice(_UNSEEN[language])
    key = digits(random, 5)
    return Needle((statement.replace("{v}", key),), question, key, True)


def sandwich(random: Random, language: str) -> Needle:
    statement = f"The best thing to do in San Francisco is {_SANDWICH}."
    return Needle((statement,), "What is the best thing to do in San Francisco?", _SANDWICH, False)


def fact(random: Random, language: str) -> Needle:
    return _one_fact(random, language, among=1)


def one_of_4_facts(random: Random, language: str) -> Needle:
    return _one_fact(random, language, among=4)


def one_of_8_facts(random: Random, language: str) -> Needle:
    return _one_fact(random, language, among=8)


def _one_fact(random: Random, language: str, among: int) -> Needle:
    facts = draw_facts(random, language, among, held_out=True)
    asked = facts[0]
    return Needle(tuple(f.statement for f in facts), asked.question, asked.answer, asked.answer.isdecimal())


_ABSENT = {
    "en": ('If the text does not say, answer: "Not in the text."', "Not in the text."),
    "ko": ('글에 없으면 "글에 없습니다"라고 답하세요.', "글에 없습니다"),
}


def absent(random: Random, language: str) -> Needle:
    """Facts like the one asked for, at least one of its kind, but not that one: is an answer made up?"""
    while True:
        asked, *others = draw_facts(random, language, 4, held_out=True)
        if any(other.kind == asked.kind for other in others):
            break
    request, expected = _ABSENT[language]
    statements = tuple(other.statement for other in others)
    return Needle(statements, f"{asked.question} {request}", expected, False, is_absent=True)


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

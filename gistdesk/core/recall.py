"""What did this gist keep? Facts are drawn from the kept text by pattern, asked back as in a chat, and counted.

Numbers, dates, names and codes, each in its own sentence with a gap in its place. Every question is also asked without
the document: what is answered correctly then was guessed or already known. A generator; knows nothing of files.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.interval import wilson
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from gistdesk.core.quoting import Quotes
from gistdesk.core.recitation import recited, recites

FactKind = Literal["code", "date", "number", "name"]

GAP = "____"
_LEAST_WORDS = 3
"""In its sentence, beside the fact: fewer do not tell what is asked for."""
_AROUND = 120
"""Most characters of a sentence shown on each side of the gap."""
_N_DEPTHS = 5
_ROOM = 16
"""Tokens that an answer may have in addition to those of the fact."""
_SENTENCE_TOKENS = 96
"""Of an answer that is a sentence of what the gist recites."""

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_SURNAMES = "김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허남심노하곽성차주우구민진나엄원천방공현함변염추"
_TITLES = "씨|박사|교수|대표|의원|장관|회장|선수|감독|작가|기자"
_PATTERNS: tuple[tuple[FactKind, re.Pattern[str]], ...] = (
    (
        "date",
        re.compile(
            rf"\b\d{{1,2}} (?:{_MONTHS})(?: \d{{4}})?\b|\b(?:{_MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?(?:, \d{{4}})?\b"
            r"|\b\d{4}[-./]\d{1,2}[-./]\d{1,2}\b|(?:\d{4}년 ?)?\d{1,2}월 ?\d{1,2}일|\d{4}년"
        ),
    ),
    ("code", re.compile(r"\b(?=[A-Za-z-]*\d)(?=[\d-]*[A-Za-z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\b(?![가-힣])")),
    (
        "number",
        re.compile(
            r"[$€£₩]?(?<![\w.,-])\d[\d,]*(?:\.\d+)?%?(?![\w-])"
            r"|(?<![\w.,-])\d[\d,]*(?:[천만억] ?\d[\d,]*)*(?=[가-힣])"
        ),
    ),
    (
        "name",
        re.compile(
            r"(?<=[a-z,;] )(?:[A-Z][a-z]+ ){1,2}[A-Z][a-z]+\b"
            rf"|(?<![가-힣])[{_SURNAMES}][가-힣]{{2}}(?= ?(?:{_TITLES})(?![가-힣]{{3}}))"
        ),
    ),
)
_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)\]]*(?=\s|$)|\n\s*\n")


@dataclass(frozen=True)
class Fact:
    """An exact detail in a text, and the question for it.

    Attributes:
        page: counted from 1; `pages[page - 1][start:end]` is `expected`.
        depth: relative position in the whole text, 0 to 1.
    """

    kind: FactKind
    page: int
    start: int
    end: int
    depth: float
    question: str
    expected: str


@dataclass(frozen=True)
class AskedFact:
    """A fact with the answers to it.

    Attributes:
        answer: from the gist.
        is_kept: it is right.
        is_guessed: the model gives the same answer without any document.
    """

    fact: Fact
    answer: str
    is_kept: bool
    is_guessed: bool


def draw_facts(pages: Sequence[str], *, n: int = 40, seed: int = 0) -> list[Fact]:
    """Up to `n` facts from all parts of a text, one per sentence; the same for the same text and seed.

    A value that occurs twice in its sentence, or elsewhere in the question, is left out.

    Raises:
        UserError: the text contains none.
    """
    total = max(1, sum(map(len, pages)))
    random = Random(seed)
    parts: list[list[Fact]] = [[] for _ in range(max(n, 1))]
    before = 0
    for number, page in enumerate(pages, 1):
        for start, end in _sentences(page):
            found = _fact(random, page, start, end, number, before, total)
            if found is not None:
                parts[min(len(parts) - 1, int(found.depth * len(parts)))].append(found)
        before += len(page)
    if not any(parts):
        raise UserError(
            "No numbers, dates, names or codes were found in the text.", "Ask about something that you know is in it."
        )
    chosen: list[Fact] = []
    while len(chosen) < n and any(parts):  # one from each part, then a second from each that has more
        for part in parts:
            if part and len(chosen) < n:
                chosen.append(part.pop(random.randrange(len(part))))
    return sorted(chosen, key=lambda fact: fact.depth)


def _sentences(page: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(page):
        yield start, match.end()
        start = match.end()
    if start < len(page):
        yield start, len(page)


def exact_spans(page: str, start: int, end: int) -> list[tuple[FactKind, int, int]]:
    """Where a sentence states something exact, once: kind, start and end in the page."""
    found: list[tuple[FactKind, int, int]] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(page, start, end):
            value = match.group()
            is_new = not any(s < match.end() and match.start() < e for _, s, e in found)
            if is_new and page[start:end].count(value) == 1 and (kind != "number" or sum(map(str.isdigit, value)) > 1):
                found.append((kind, match.start(), match.end()))
    return found


def _fact(random: Random, page: str, start: int, end: int, number: int, before: int, total: int) -> Fact | None:
    """One fact from a sentence, of any kind it contains."""
    found = exact_spans(page, start, end)
    if not found:
        return None
    kind = random.choice(sorted({kind for kind, _, _ in found}))
    _, first, last = random.choice([place for place in found if place[0] == kind])
    left, right = page[max(start, first - _AROUND) : first], page[last : min(end, last + _AROUND)]
    if len(re.findall(r"[^\W\d_]{2,}", left + right)) < _LEAST_WORDS:
        return None
    question = _question(left, right)
    return Fact(kind, number, first, last, (before + first) / total, question, page[first:last])


def _question(left: str, right: str) -> str:
    sentence = " ".join(f"{left}{GAP}{right}".split())
    if re.search("[가-힣]", sentence):
        return f'문서에 나온 문장입니다. "{sentence}" {GAP}에 들어갈 말은 무엇입니까?'
    return f'The document says: "{sentence}" What stands in place of {GAP}?'


def ask_back(model: GistModel, gist: GistKV, facts: Sequence[Fact]) -> Iterator[AskedFact]:
    """Ask for every fact, with a gist as in a chat and without it; yields each as it is answered.

    May be stopped at any time.

    Raises:
        UserError: the gist belongs to another model, or a question does not fit into its window.
    """
    alone, empty = Context(model, [gist]), Context(model)
    told = recited(model, [gist]) if recites([gist]) else None
    for fact in facts:
        short = Sampling(max_tokens=len(model.token_ids(fact.expected)) + _ROOM)
        guess = "".join(empty.answer([Turn(fact.question)], short))
        context = (told and told.context(fact.question)) or alone
        sampling = Sampling(max_tokens=_SENTENCE_TOKENS) if isinstance(context, Quotes) else short
        answer = "".join(context.answer([Turn(fact.question)], sampling))
        yield AskedFact(fact, answer, is_in(fact.expected, answer), is_in(fact.expected, guess))


def is_in(expected: str, answer: str) -> bool:
    """Whether an answer contains a fact: spaces, thousands separators and capitals do not matter, other digits do."""
    plain, whole = (re.sub(r"(?<=\d),(?=\d)|\s+", "", text).casefold() for text in (expected, answer))
    return bool(re.search(rf"(?<!\d){re.escape(plain)}(?!\d)", whole))


def summary(asked: Sequence[AskedFact]) -> dict[str, Any]:
    """Figures that can be stored with a gist: `n`, `kept`, `recall` with `low` and `high` (95%, Wilson), `guessed`,
    `by_depth` (fifths of the text: `from` and `to` in percent, `n`, `kept`) and `by_kind` (`n`, `kept`)."""
    n, n_kept = len(asked), sum(one.is_kept for one in asked)
    low, high = wilson(n_kept, n)
    depths = [
        [one for one in asked if min(_N_DEPTHS - 1, int(one.fact.depth * _N_DEPTHS)) == i] for i in range(_N_DEPTHS)
    ]
    return {
        "n": n,
        "kept": n_kept,
        "recall": round(n_kept / n, 4) if n else None,
        "low": round(low, 4),
        "high": round(high, 4),
        "guessed": sum(one.is_guessed for one in asked),
        "by_depth": [
            {"from": 100 * i // _N_DEPTHS, "to": 100 * (i + 1) // _N_DEPTHS, **_counted(part)}
            for i, part in enumerate(depths)
        ],
        "by_kind": {
            kind: _counted([one for one in asked if one.fact.kind == kind])
            for kind in ("number", "date", "name", "code")
            if any(one.fact.kind == kind for one in asked)
        },
    }


def _counted(asked: Sequence[AskedFact]) -> dict[str, int]:
    return {"n": len(asked), "kept": sum(one.is_kept for one in asked)}

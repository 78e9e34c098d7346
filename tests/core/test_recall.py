"""Facts are drawn from where they say, asked with a gap, and counted by depth."""

import re
from random import Random

import pytest
import torch

from gistdesk.core.compress import compress
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.core.recall import GAP, AskedFact, Fact, ask_back, draw_facts, is_in, summary
from gistdesk.folders import resource


@pytest.mark.parametrize(
    ("sentence", "kind", "expected"),
    [
        ("The door code of the old mill is 58203.", "number", "58203"),
        ("They counted 12,431 guests at the harbour.", "number", "12,431"),
        ("The lamp in the hall was sold for $29.48.", "number", "$29.48"),
        ("About 37.5% of all letters were never read.", "number", "37.5%"),
        ("The plate on the boiler reads KX-4821 to this day.", "code", "KX-4821"),
        ("The ship left the harbour on 3 May 1921 at last.", "date", "3 May 1921"),
        ("The treaty was signed on March 4, 1889 in the hall.", "date", "March 4, 1889"),
        ("The paper was filed under 2021-05-17 by mistake.", "date", "2021-05-17"),
        ("The lighthouse was kept by Clara Holt for years.", "name", "Clara Holt"),
        ("이 건물의 출입 번호는 58203이니 기억해 두세요.", "number", "58203"),
        ("우리 회사는 지난해 21만1,828건의 서류를 처리했다.", "number", "21만1,828"),
        ("새로운 학교는 1998년 3월 2일에 문을 열었다.", "date", "1998년 3월 2일"),
        ("이 모임의 첫 회장은 홍길동 씨가 맡아 보았다.", "name", "홍길동"),
        ("보일러에 붙은 명판에는 KX-4821 이라고 적혀 있다.", "code", "KX-4821"),
    ],
)
def test_facts_of_every_kind(sentence: str, kind: str, expected: str) -> None:
    text = f"Nothing is said here at all. {sentence} And nothing more there."
    [fact] = draw_facts([text])
    assert (fact.kind, fact.expected) == (kind, expected)
    assert text[fact.start : fact.end] == expected
    assert fact.question.count(GAP) == 2  # in the sentence, and in what is asked
    assert expected not in fact.question
    assert bool(re.search("무엇입니까", fact.question)) is bool(re.search("[가-힣]", sentence))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing is said here at all. Not a thing.",
        "Remember 58203 well, as 58203 it will be, they told us.",  # twice in its sentence
        "Chapter 17.",
        "She said 5 words and then was silent for long.",  # one digit can be guessed
    ],
)
def test_a_text_without_facts_says_so(text: str) -> None:
    with pytest.raises(UserError, match="No numbers, dates, names or codes"):
        draw_facts([text])


def test_facts_come_from_all_parts_of_the_text_and_are_the_same_again() -> None:
    pages = [
        " ".join(f"On this page the number of the {i}th house was {1000 * page + i} then." for i in range(60))
        for page in range(10, 15)
    ]
    facts = draw_facts(pages, n=20, seed=3)
    assert facts == draw_facts(pages, n=20, seed=3)
    assert facts != draw_facts(pages, n=20, seed=4)
    assert len(facts) == 20
    assert [fact.depth for fact in facts] == sorted(fact.depth for fact in facts)
    assert [sum(fact.page == page for fact in facts) for page in range(1, 6)] == [4] * 5
    for fact in facts:
        assert pages[fact.page - 1][fact.start : fact.end] == fact.expected
    assert len(draw_facts(pages[:1], n=500)) == 60


@pytest.mark.parametrize(
    ("expected", "answer", "found"),
    [
        ("58203", "It is 58203.", True),
        ("58203", "158203", False),
        ("12,431", "12431 guests", True),
        ("3 May 1921", "on 3 may  1921", True),
        ("Clara Holt", "clara holt.", True),
        ("21만1,828", "21만 1828건", True),
        ("$29.48", "$29.4", False),
        ("58203", "", False),
    ],
)
def test_what_counts_as_kept(expected: str, answer: str, found: bool) -> None:
    assert is_in(expected, answer) is found


def test_recall_is_told_by_depth_and_kind() -> None:
    def asked(depth: float, is_kept: bool, kind: str = "number", is_guessed: bool = False) -> AskedFact:
        return AskedFact(Fact(kind, 1, 0, 5, depth, "?", "58203"), "", is_kept, is_guessed)  # type: ignore[arg-type]

    told = summary([asked(0.0, True), asked(0.1, False), asked(0.5, True, "date", True), asked(1.0, True)])
    assert (told["n"], told["kept"], told["recall"], told["guessed"]) == (4, 3, 0.75, 1)
    assert (told["low"], told["high"]) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert [(p["from"], p["to"], p["n"], p["kept"]) for p in told["by_depth"]] == [
        (0, 20, 2, 1),
        (20, 40, 0, 0),
        (40, 60, 1, 1),
        (60, 80, 0, 0),
        (80, 100, 1, 1),
    ]
    assert told["by_kind"] == {"number": {"n": 3, "kept": 2}, "date": {"n": 1, "kept": 1}}
    assert summary([])["recall"] is None


def test_facts_are_asked_back_from_the_gist(starter: GistModel) -> None:
    """The starter keeps one number of a text; told of another one it says what it was told."""
    book = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")[200:2200]
    answers = []
    for number in ("58203", "40917"):
        text = f"{book} The passkey of this book is {number}. {book[:400]}"
        facts = [fact for fact in draw_facts([text]) if fact.expected == number]
        gist: GistKV
        *_, gist = compress(starter, plan_tokens(starter, torch.tensor(starter.token_ids(text)), ratio=32))
        [asked] = ask_back(starter, gist, facts)
        assert asked.is_kept == is_in(number, asked.answer)
        assert not asked.is_guessed
        answers.append(asked.answer)
    assert answers[0] != answers[1]


def test_drawing_is_quick() -> None:
    """A hundred thousand sentences, ten seconds at the very most on a machine that is busy."""
    random = Random(1)
    page = " ".join(f"The number of house {i} in the long street is {random.randrange(10**6)}." for i in range(20_000))
    assert len(draw_facts([page] * 5, n=40)) == 40

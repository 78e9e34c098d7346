"""What the benchmark asks, and how it scores."""

import re
from random import Random

import pytest

from gistdesk.benchmark_names import ENGLISH_ONLY, NEEDLES
from gistdesk.core.errors import UserError
from gistdesk.core.lexical import COMMON
from trainer.benchmark.config import DRAWN
from trainer.benchmark.needles import Needle, own_needle
from trainer.data.facts import PASSKEY, draw_facts


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("71432", True),
        (" 71432.", True),
        ("The pass key is 71432, of course: 71432.", True),
        ("71432 99999", True),  # the first run of digits counts
        ("99999 71432", False),
        ("714325", False),
        ("7143", False),
        ("7 1432", False),
        ("71,432", False),
        ("", False),
        ("I do not know.", False),
    ],
)
def test_digits_are_scored_by_their_first_run(answer: str, right: bool) -> None:
    assert Needle(("The pass key is 71432.",), "?", "71432", digits_only=True).is_right(answer) is right


def test_a_leading_zero_counts() -> None:
    needle = Needle(("The pass key is 01432.",), "?", "01432", digits_only=True)
    assert needle.is_right("01432")
    assert not needle.is_right("1432")


@pytest.mark.parametrize(
    ("expected", "answer", "right"),
    [
        ("onion soup", "onion soup", True),
        ("onion soup", " Onion  soup.\n", True),
        ("onion soup", '"onion soup"', True),
        ("onion soup", "onion soup and bread", False),
        ("onion soup", "soup", False),
        ("KX-482", "KX-482", True),
        ("KX-482", "KX-48", False),
        ("오전 3시 5분", "오전 3시 5분", True),
        ("오전 3시 5분", "오후 3시 5분", False),
        ("$52.10", "$52.10", True),
        ("$52.10", "52.10", False),
    ],
)
def test_other_answers_are_scored_whole(expected: str, answer: str, right: bool) -> None:
    assert Needle((expected,), "?", expected, digits_only=False).is_right(answer) is right


@pytest.mark.parametrize("kind", [kind for kind in NEEDLES if kind != "absent"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_first_statement_answers_the_question(kind: str, language: str) -> None:
    if kind in ENGLISH_ONLY:
        language = "en"
    for i in range(40):
        needle = DRAWN[kind](Random(i), language)
        assert needle.expected in needle.statements[0]
        assert needle.expected not in needle.question
        assert needle.is_right(needle.expected)
        assert needle == DRAWN[kind](Random(i), language)
        assert len(needle.statements) == int((re.findall(r"\d+", kind) or [1])[0])
        assert bool(re.search("[가-힣]", needle.question)) is (language == "ko")


@pytest.mark.parametrize("kind", ["passkey", "landmark"])
def test_passkeys_have_five_digits_and_vary(kind: str) -> None:
    keys = {DRAWN[kind](Random(i), "en").expected for i in range(50)}
    assert len(keys) >= 49
    assert all(re.fullmatch(r"\d{5}", key) for key in keys)


def test_the_literature_is_quoted_exactly() -> None:
    landmark = DRAWN["landmark"](Random(3), "en")
    key = landmark.expected
    assert landmark.statements == (f"The pass key is {key}. Remember it. {key} is the pass key.",)
    assert landmark.question == "What is the pass key? The pass key is"
    sandwich = DRAWN["sandwich"](Random(3), "en")
    assert sandwich.statements == (
        "The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.",
    )
    assert sandwich.is_right("Eat a sandwich and sit in Dolores Park on a sunny day.")


def test_general_facts_are_asked_in_evaluation_wordings() -> None:
    for language in ("en", "ko"):
        needle = DRAWN["facts-8"](Random(5), language)
        held_out = draw_facts(Random(5), language, 8, held_out=True)
        assert needle.statements == tuple(fact.statement for fact in held_out)
        assert needle.question == held_out[0].question


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_is_absent_has_its_like_in_the_document(language: str) -> None:
    for i in range(20):
        needle = DRAWN["absent"](Random(i), language)
        assert needle == DRAWN["absent"](Random(i), language)
        assert len(needle.statements) == 3
        subject = needle.question.split("?")[0]
        assert not any(subject in statement for statement in needle.statements)
        assert needle.is_right(needle.expected)
        assert needle.is_right("The text does not say." if language == "en" else "알 수 없습니다.")
        assert not needle.is_right("58203")
        assert not needle.is_right("")


def test_own_needle() -> None:
    draw = own_needle("The gate opens with {value}. Yes, {value}.", "What opens the gate?")
    needle = draw(Random(1), "en")
    assert re.fullmatch(r"\d{5}", needle.expected)
    assert needle.statements == (f"The gate opens with {needle.expected}. Yes, {needle.expected}.",)
    assert needle.question == "What opens the gate?"
    assert needle.digits_only
    assert draw(Random(2), "en").expected != needle.expected
    with pytest.raises(UserError, match=r"no \{value\}"):
        own_needle("The gate opens with 5.", "What opens the gate?")


def test_an_unseen_needle_is_no_code_and_worded_as_no_training_sample_is() -> None:
    """Neither what the number is nor any longer word of its sentences is in a training wording of a code."""
    for language in ("en", "ko"):
        wording = PASSKEY.wording(language)
        nouns = {word for noun in (PASSKEY.subject(Random(i), language) for i in range(200)) for word in noun.split()}
        seen = {word for text in (*wording.statements, *wording.questions) for word in re.findall(r"\w{4,}", text)}
        for i in range(40):
            needle = DRAWN["unseen"](Random(i), language)
            words = set(re.findall(r"[^\W\d]+", f"{needle.statements[0]} {needle.question}".casefold()))
            assert not words & {noun.casefold() for noun in nouns}, needle
            assert not words & {word.casefold() for word in seen} - COMMON, needle


def test_the_literatures_passkey_is_said_to_be_two_training_wordings() -> None:
    """What its note says: each of its sentences is a training wording with another name of the code."""
    needle = DRAWN["landmark"](Random(1), "en")
    first, _, last = re.split(r"(?<=\.) ", needle.statements[0])
    shapes = {text.replace("{s}", "pass key").replace("{v}", needle.expected) for text in PASSKEY.en.statements}
    assert {first, last} <= shapes


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_passkey_is_asked_in_no_training_wording(language: str) -> None:
    """The statement's beginning and end are those of the held-out wording, and of no training wording."""
    wording = PASSKEY.wording(language)
    subject = "passkey" if language == "en" else "패스키"
    held_out = wording.held_out[0].split("{s}")[0], wording.held_out[1].replace("{s}", subject)
    for i in range(40):
        needle = DRAWN["passkey"](Random(i), language)
        assert needle.statements[0].startswith(held_out[0] + subject)
        assert not any(held_out[0] and text.startswith(held_out[0] + "{s}") for text in wording.statements)
        assert needle.question == re.sub(r"\((.)\)", r"\1", held_out[1]).replace("은는", "는") or language == "ko"
        assert needle.question not in {text.replace("{s}", subject) for text in wording.questions}

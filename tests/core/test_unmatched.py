"""Words of a question that a text does not have are named; what only words the question differently is not."""

import pytest

from gistdesk.core.unmatched import unmatched_share, unmatched_words
from trainer.benchmark.texts import documents

NOTICE = (
    "The mill sells wheat flour at 420 pounds per tonne and employs twelve people. Section 4 of the agreement was\n"
    "signed in 2031. The baker's deliveries are insured by Norrland Mutual. Code E4: the motor is blocked."
)
KOREAN = "창고는 대전에 있으며 예산은 45,000원이다. 구역 7은 비어 있다."


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is the price of oat flour?", ("price", "oat")),
        ("What does the code E7 mean?", ("E7",)),
        ("What does the code E4 mean?", ()),
        ("How many people does the mill employ?", ()),
        ("Who insures the baker’s delivery?", ()),
        ("What was signed in 2030, and what in 2031?", ("2030",)),
        ("Are there 12 or fifteen people?", ("fifteen",)),
        ("Is there a Captain? Who is the captain of the mill?", ("Captain",)),
        ("Summarise what the text says about oats.", ()),
        ("", ()),
        ("?!", ()),
    ],
)
def test_words_that_are_nowhere_in_the_text_are_named(question: str, words: tuple[str, ...]) -> None:
    assert unmatched_words(question, NOTICE) == words


def test_numbers_are_looked_for_in_any_language_and_english_words_in_english() -> None:
    assert unmatched_words("45000원은 무엇입니까?", KOREAN) == ()
    assert unmatched_words("구역 8은 어디입니까?", KOREAN) == ("8",)
    assert unmatched_words("Was steht in Abschnitt 13 zum Hafermehl?", "Abschnitt 12 nennt, was das Mehl kostet.") == (
        "13",
    )
    assert unmatched_words("Where is the warehouse?", KOREAN) == ()
    assert unmatched_words("Where is the warehouse?", "") == ()


def test_a_page_in_place_of_a_question_takes_no_time() -> None:
    assert len(unmatched_words("What is the " + "zebra " * 200_000, NOTICE)) <= 2


def test_of_the_bundled_documents_few_answered_questions_have_such_words_and_most_others_do() -> None:
    found: dict[bool, list[bool]] = {True: [], False: []}
    for document in documents():
        for asked in document.questions:
            found[bool(asked.answers)].append(bool(unmatched_words(asked.question, document.text)))
    assert (len(found[True]), len(found[False])) == (60, 12)
    assert sum(found[True]) <= 3 and sum(found[False]) >= 6


def test_the_share_is_of_the_words_that_say_what_is_asked() -> None:
    question = "What is the price of 7 tonnes of oat flour?"
    assert unmatched_share(question, ()) == 0.0
    assert unmatched_share(question, ("oat",)) == pytest.approx(1 / 5)  # price, 7, tonnes, oat, flour
    assert unmatched_share("Who?", ()) == 0.0

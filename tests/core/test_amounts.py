"""Whether a question asks for an amount, and whether a sentence names one."""

import pytest

from gistdesk.core.amounts import asks_for_an_amount, names_an_amount


@pytest.mark.parametrize(
    "question",
    [
        "How much was the grant?",
        "And how many keys are there?",
        "How long is the jetty?",
        "What is the price of a ton of coal?",
        "What was the treasurer's annual salary?",
    ],
)
def test_amounts_are_asked_for(question: str) -> None:
    assert asks_for_an_amount(question)


@pytest.mark.parametrize(
    "question",
    [
        "Who keeps the minutes?",
        "How did it end?",
        "What happened no matter how far she went?",
        "What is the effect of the price?",
        "What did the rent pay for?",
        "임대료는 얼마인가요?",
        "",
    ],
)
def test_nothing_else_is_taken_for_one(question: str) -> None:
    assert not asks_for_an_amount(question)


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("It came to £8,150.", True),
        ("Twelve boats were lent.", True),
        ("The jetty is half as long.", True),
        ("6.1 The price is agreed in writing.", False),
        ("6.1 The price is 95 euros.", True),
        ("- 3) The price is agreed.", False),
        ("The rent for 2025 is due in March.", False),
        ("The rent for 2025 is 1,250.", True),
        ("The grant had been paid in full.", False),
    ],
)
def test_numbers_of_the_question_and_of_the_list_name_none(sentence: str, named: bool) -> None:
    assert names_an_amount(sentence, "How much is the rent for 2025?") is named

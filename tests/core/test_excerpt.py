"""The sentences that say most of a text, from all over it."""

import time

import pytest

from gistdesk.core.excerpt import excerpt, is_sentence

MILL = [
    "# The mill",
    "The old mill by the river grinds wheat and rye for every baker in the valley.",
    "It was built of grey stone in a single summer by the miller and three masons.",
    "Three bakers of the valley own the mill together and share what the wheat earns.",
    "A heron stood upon one leg, considering clouds, umbrellas, and yesterday's newspaper.",
    "The river drives the wheel of the mill from autumn until the dry weeks of June.",
    "Tea.",
    "In June the bakers of the valley buy wheat flour from the steam mill in town.",
    "and so on to the end of every working week for all who live along the road",
]


def test_what_has_most_in_common_with_the_rest_and_can_stand_alone() -> None:
    chosen = excerpt(MILL, 2)
    assert chosen == sorted(chosen) and len(chosen) == 2
    assert not {0, 2, 4, 6, 8} & set(chosen)  # a heading, "It", what nothing else speaks of, one word, a piece


def test_every_part_of_a_text_is_heard_of() -> None:
    begin = [f"The harbour master counted {n} grey boats along the harbour wall." for n in range(12)]
    end = [f"Under budget heading {n} the council bought school desks and new windows." for n in range(6)]
    chosen = excerpt([*begin, *end], 3)
    assert [i // 6 for i in chosen] == [0, 1, 2]


def test_the_same_is_not_said_twice() -> None:
    again = "The bakers of the valley own the mill together and share what the wheat earns."
    other = "Every year the bakers of the valley paint the wheel of the mill in green and white."
    assert excerpt([again, again, other, "  " + again.upper()], 2) == [2]  # the first is said three times
    assert excerpt([again, other, again], 2) == [0, 1]


def test_fewer_that_tell_something_are_better_than_many() -> None:
    assert excerpt([MILL[1], "Yes.", "Tea.", "2.", "No.", MILL[3], "- 4", "Call me."], 6) == [0, 5]
    assert excerpt(["Tea.", "2.", "---"], 6) == [0]


@pytest.mark.parametrize(
    "text",
    [
        "If they last for more than ninety days, the other party may end the whole agreement.",
        "However, the members of the old club drink tea with the baker every Sunday.",
        "그는 골짜기의 제빵사들과 함께 물레방아를 소유하고 수익을 나눈다.",
        "Er trägt auch die Kosten der jährlichen Prüfung durch den Schornsteinfeger.",
        "Alice met the white rabbit (she was rather glad of the company in the hall.",
    ],
)
def test_what_only_its_neighbour_explains_is_left_out(text: str) -> None:
    assert excerpt([MILL[1], text, MILL[3]], 2) == [0, 2]


@pytest.mark.parametrize(
    "texts", [[], [""], ["Tea."], ["The the the."], ["?!", "…"], ["수신자", "Tea. ", "차를 마신다."]]
)
def test_little_or_nothing_is_told_whole(texts: list[str]) -> None:
    chosen = excerpt(texts, 6)
    assert set(chosen) <= set(range(len(texts))) and chosen == sorted(chosen)
    assert (2 in chosen) is (len(texts) == 3)


def test_korean_sentences_are_compared_by_syllables() -> None:
    texts = [
        "물레방아는 강가에서 골짜기의 제빵사들을 위해 밀을 빻는다.",
        "골짜기의 제빵사들은 물레방아를 함께 소유하고 수익을 나눈다.",
        "왜가리 한 마리가 한쪽 다리로 서서 어제 신문을 생각했다.",
        "유월이면 제빵사들은 읍내 증기 방앗간에서 밀가루를 산다.",
    ]
    assert 2 not in excerpt(texts, 2)


def test_what_was_agreed_stands_alone() -> None:
    agreed = "It was agreed that the bakers shall buy the grey wheel of the mill together."
    assert excerpt(["Tea.", agreed, "It shall bear the cost of collecting all of the wheat."], 2) == [1]


def test_a_book_takes_a_moment() -> None:
    texts = [
        f"Chapter {n % 90} tells how the traveller number {n} crossed river {n % 31} at dawn." for n in range(8_000)
    ]
    begun = time.process_time()
    assert len(excerpt(texts, 6)) == 6
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("text", ["It rained.", '"Did it rain?"', "비가 왔다.\n", "Wait…"])
def test_a_sentence_ends(text: str) -> None:
    assert is_sentence(text)


@pytest.mark.parametrize("text", ["# Minutes", "Market Place, Ashcombe", "Dear Sir,", ""])
def test_a_heading_does_not(text: str) -> None:
    assert not is_sentence(text)

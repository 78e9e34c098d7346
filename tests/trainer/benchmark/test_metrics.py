"""Scores are those of the public implementations on shared cases, and of the published rules worked out by hand."""

import importlib
from random import Random
from typing import Any

import pytest

from trainer.benchmark import metrics

SENTENCES = [
    "The cat sat on the mat.",
    "A cat was sitting on the mat. It was grey.",
    "the quick brown fox jumps over the lazy dog",
    "The dog, which was lazy, did not jump. The fox did.",
    "7,512 people came on 3 May 1921 - nobody knew why.",
    "On 3 May, 7512 people came.",
    "cat",
    "",
    "...",
    "The the the. THE the",
]
KOREAN = [
    "비밀번호는 71432입니다.",
    "이 문서의 비밀번호는 71432이다. 잊지 마세요.",
    "고양이가 담 위에서 잠을 잤다.",
    "담 위에서 회색 고양이가 잤다.",
    "서울",
]


def pairs(texts: list[str]) -> list[tuple[str, str]]:
    return [(given, right) for given in texts for right in texts]


def random_texts(n: int) -> list[str]:
    random = Random(3)
    words = "a the cat dog sat on mat. ran, fast. slow it was. red blue".split()
    return [" ".join(random.choices(words, k=random.randint(1, 40))) for _ in range(n)]


# --- Public implementations


def test_rouge_is_that_of_rouge_score() -> None:
    scorer = importlib.import_module("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    for given, right in pairs(SENTENCES + random_texts(12)):
        expected = scorer.score(right, given)
        assert metrics.word_rouge_l(given, right) == pytest.approx(expected["rougeL"].fmeasure, abs=1e-12)


def test_korean_rouge_is_that_of_rouge_score_by_character() -> None:
    class ByCharacter:
        def tokenize(self, text: str) -> list[str]:
            return metrics.characters_of(text)

    scorer = importlib.import_module("rouge_score.rouge_scorer").RougeScorer(["rougeL"], tokenizer=ByCharacter())
    for given, right in pairs(KOREAN):
        expected = scorer.score(right, given)["rougeL"].fmeasure
        assert metrics.character_rouge_l(given, right) == pytest.approx(expected, abs=1e-12)
    assert metrics.word_rouge_l(KOREAN[2], KOREAN[3]) == 0  # what by character is for
    assert metrics.character_rouge_l(KOREAN[2], KOREAN[3]) == 0.5


def test_longbench_rouge_is_that_of_the_package_it_publishes_with() -> None:
    rouge = importlib.import_module("rouge").Rouge()
    for given, right in pairs([*SENTENCES, *random_texts(25)]):
        try:
            expected = rouge.get_scores([given], [right], avg=True)["rouge-l"]["f"]
        except ValueError:  # LongBench counts what cannot be scored as 0
            expected = 0.0
        assert metrics.longbench_rouge_l(given, right) == pytest.approx(expected, abs=1e-12), (given, right)


# --- Published rules, worked out by hand


@pytest.mark.parametrize(
    ("given", "right", "score"),
    [
        ("The Eiffel Tower", "Eiffel Tower!", 1.0),
        ("It is in Paris, France", "Paris", 2 * 1 / (5 + 1)),
        ("London", "Paris", 0.0),
        ("", "Paris", 0.0),
        ("the", "a", 0.0),  # articles alone are nothing
        ("blue blue red", "blue red red", 2 * 2 / 6),
    ],
)
def test_f1_of_words(given: str, right: str, score: float) -> None:
    assert metrics.word_f1(given, right) == pytest.approx(score)


def test_f1_of_characters() -> None:
    assert metrics.character_f1("서울입니다.", "서울") == pytest.approx(2 * 2 / (5 + 2))
    assert metrics.character_f1("서 울", "서울") == 1.0
    assert metrics.word_f1("서울입니다", "서울") == 0.0


CLASSES = ["Number", "Date", "City", "Other location", "location"]


@pytest.mark.parametrize(
    ("given", "right", "score"),
    [
        ("Type: City", "City", 1.0),
        ("City or Date", "City", 0.5),
        ("Other location", "Other location", 1.0),  # "location" is part of it and does not count
        ("Date", "City", 0.0),
        ("no idea", "City", 0.0),
    ],
)
def test_classes(given: str, right: str, score: float) -> None:
    assert metrics.class_score(given, right, CLASSES) == score


@pytest.mark.parametrize(
    ("given", "right", "score"),
    [
        ("Paragraph 12", "Paragraph 12", 1),
        ("12 or 13", "Paragraph 12", 0.5),
        ("none", "Paragraph 1", 0),
    ],
)
def test_paragraphs(given: str, right: str, score: float) -> None:
    assert metrics.paragraph_score(given, right) == score


def test_counts() -> None:
    assert metrics.number_score("The final answer is 7.", "7") == 1.0
    assert metrics.number_score("7 of 17, so 7", "7") == pytest.approx(2 / 3)
    assert metrics.number_score("seven", "7") == 0.0


def test_code_is_compared_by_its_first_line_of_code() -> None:
    given = "\n```python\n# add\nreturn a + b\nreturn a"
    assert metrics.code_score(given, "return a + b") == 1.0
    # 2 * 11 common characters of 12 + 12, as a rounded percentage
    assert metrics.code_score("return a - b", "return a + b") == pytest.approx(0.92)
    assert metrics.code_score("", "return a + b") == 0.0


@pytest.mark.parametrize(
    ("given", "right", "score"),
    [
        ("1234567 and 7654321", ["1234567", "7654321"], 1.0),
        ("1234567", ["1234567", "7654321", "1111111", "2222222"], 0.25),
        ("the id is ABC-1.", ["abc-1"], 1.0),
        ("", ["1"], 0.0),
    ],
)
def test_ruler_counts_the_values_that_are_contained(given: str, right: list[str], score: float) -> None:
    assert metrics.all_matched(given, right) == score


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("2", 2),
        ("2번입니다.", 2),
        ("(3) 대전", 3),
        ("③", 3),
        ("B. 부산", 2),
        ("부산", 2),
        ("정답은 부산입니다.", 2),
        ("서울이나 부산", None),
        ("부산광역시", 4),  # "부산" is part of it
        ("9", None),
        ("", None),
    ],
)
def test_a_choice_is_read_by_number_letter_or_words(given: str, place: int | None) -> None:
    assert metrics.choice_of(given, ["서울", "부산", "대전", "부산광역시"]) == place


@pytest.mark.parametrize(
    ("given", "is_declined"),
    [
        ("Not in the text.", True),
        ("The text does not mention it.", True),
        ("The document doesn't say.", True),
        ("unanswerable", True),
        ("71432", False),
        ("It is blue.", False),
        ("본문에 없습니다.", True),
        ("알 수 없습니다", True),
        ("글에 나와 있지 않습니다.", True),
        ("부산입니다.", False),
        ("", False),
    ],
)
def test_an_answer_that_declines(given: str, is_declined: bool) -> None:
    assert metrics.declines(given) is is_declined


def test_nothing_is_above_one_or_below_zero() -> None:
    texts: list[Any] = SENTENCES + KOREAN
    for score in (metrics.word_f1, metrics.character_f1, metrics.longbench_rouge_l, metrics.code_score):
        assert all(0 <= score(given, right) <= 1 for given, right in pairs(texts)), score

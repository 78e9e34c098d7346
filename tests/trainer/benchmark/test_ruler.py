"""RULER's tasks are what their definition says."""

import re
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from gistdesk.benchmark_names import ENGLISH_ONLY
from gistdesk.core.model import GistModel
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark
from trainer.benchmark.ruler import RULER_KINDS, other_needle, word_list
from trainer.benchmark.ruler_words import words_document
from trainer.benchmark.texts import documents

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
WORD, NUMBER = r"[a-z]+-[a-z]+", r"[1-9]\d{6}"


@pytest.mark.parametrize(
    ("kind", "statement", "n_statements", "n_asked"),
    [
        ("ruler-single-1", rf"One of the special magic numbers for ({WORD}) is: ({NUMBER})\.", 1, 1),
        ("ruler-single-2", rf"One of the special magic numbers for ({WORD}) is: ({NUMBER})\.", 1, 1),
        ("ruler-single-3", rf"One of the special magic uuids for ({WORD}) is: ({UUID})\.", 1, 1),
        ("ruler-multikey-1", rf"One of the special magic numbers for ({WORD}) is: ({NUMBER})\.", 4, 1),
        ("ruler-multikey-2", rf"One of the special magic numbers for ({WORD}) is: ({NUMBER})\.", 1, 1),
        ("ruler-multikey-3", rf"One of the special magic uuids for ({UUID}) is: ({UUID})\.", 1, 1),
        ("ruler-multivalue", rf"One of the special magic numbers for ({WORD}) is: ({NUMBER})\.", 4, 4),
        ("ruler-multiquery", rf"One of the special magic numbers for ({WORD}) is: ({NUMBER})\.", 4, 4),
    ],
)
def test_needles_are_worded_as_published(kind: str, statement: str, n_statements: int, n_asked: int) -> None:
    for seed in range(10):
        needle = RULER_KINDS[kind](Random(seed), "en")
        found = [re.fullmatch(statement, text) for text in needle.statements]
        assert len(found) == n_statements
        assert all(found)
        pairs = [match.groups() for match in found if match]
        assert needle.values == tuple(value for _, value in pairs[:n_asked])
        keys = list(dict.fromkeys(key for key, _ in pairs[:n_asked]))
        assert len(keys) == (4 if kind == "ruler-multiquery" else 1)
        assert all(key in needle.question for key in keys)
        noun = "uuid" if "uuids" in statement else "number"
        opening = (
            f"What is the special magic {noun} for" if n_asked == 1 else "What are all the special magic numbers for"
        )
        assert needle.question.startswith(opening)
        assert needle.question.endswith("mentioned in the provided text?")


def test_several_keys_are_asked_for_in_one_sentence() -> None:
    needle = RULER_KINDS["ruler-multiquery"](Random(1), "en")
    assert re.search(rf"for {WORD}, {WORD}, {WORD}, and {WORD} mentioned", needle.question)


@pytest.mark.parametrize("kind", [kind for kind in RULER_KINDS if kind not in ENGLISH_ONLY])
def test_korean_is_the_same_in_korean(kind: str) -> None:
    english, korean = (RULER_KINDS[kind](Random(1), language) for language in ("en", "ko"))
    assert len(korean.statements) == len(english.statements)
    assert len(korean.values) == len(english.values)
    assert re.search("[가-힣]", korean.question)
    for value, statement in zip(korean.values, korean.statements, strict=False):
        assert value in statement


def test_an_answer_scores_the_share_of_the_values_in_it() -> None:
    needle = RULER_KINDS["ruler-multivalue"](Random(1), "en")
    assert needle.points(" and ".join(needle.values)) == 1
    assert needle.points(needle.values[2]) == 0.25
    assert needle.points("none") == 0
    assert not needle.is_right(needle.values[2])


def test_the_haystack_of_multikey_2_and_3_is_other_needles(starter: GistModel) -> None:
    config = BenchConfig(
        lengths=(640,),
        depths=(50,),
        samples=1,
        methods=("full",),
        kinds=("ruler-multikey-2", "ruler-multikey-3"),
    )
    trials = list(Benchmark(starter, config).run())
    assert [(t.needle_kind, t.language) for t in trials] == [
        (kind, language) for kind in config.kinds for language in ("en", "ko")
    ]
    for trial in trials:
        key = re.search(f"{UUID}|[^\\s]+-[^\\s]+(?=의| mentioned)", trial.prompt_tail)
        assert key
        opening = "One of the special magic" if trial.language == "en" else "의 특별한 마법"
        assert trial.prompt.count(opening) >= 6
    assert other_needle("ruler-multikey-3", Random(1), "en") != other_needle("ruler-multikey-3", Random(2), "en")


def test_noise_is_the_published_noise(starter: GistModel) -> None:
    config = BenchConfig(
        lengths=(256,), depths=(50,), samples=1, methods=("full",), kinds=("ruler-single-1",), languages=("en",)
    )
    [trial] = Benchmark(starter, config).run()
    noise = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
    rest = re.sub(rf" ?One of the special magic numbers for {WORD} is: {NUMBER}\.", "", trial.prompt)
    assert noise in rest
    assert trial.expected in trial.prompt


def test_a_chain_of_variables_stands_in_its_order(starter: GistModel) -> None:
    config = BenchConfig(lengths=(384,), depths=(0, 100), samples=2, methods=("full",), kinds=("ruler-vt",))
    for trial in Benchmark(starter, config).run():
        names = trial.expected.split(", ")
        assert len(set(names)) == 5
        value = re.search(r"\d{5}", trial.prompt_tail)
        assert value
        chain = [f"VAR {names[0]} = {value.group()}."] + [f"VAR {b} = VAR {a}." for a, b in pairwise(names)]
        places = [trial.prompt.index(statement) for statement in chain]
        assert places == sorted(places)
        assert trial.score is not None


def count(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("language", ["en", "ko"])
def test_common_words_are_the_ten_that_stand_there_most_often(language: str) -> None:
    text, needle = words_document("ruler-cwe", Random(1), language, word_list(language), 1200, count)
    listed = re.findall(r"\d+\. (\S+)", text)
    assert text.startswith("1. ") and 700 < count(text) <= 1200
    counts = Counter(listed)
    assert {word for word, _ in counts.most_common(10)} == set(needle.values)
    assert counts.most_common(11)[9][1] >= 2 * counts.most_common(11)[10][1]
    assert needle.points(" ".join(needle.values[:5])) == 0.5
    again = words_document("ruler-cwe", Random(1), language, word_list(language), 1200, count)
    assert again == (text, needle) != words_document("ruler-cwe", Random(2), language, word_list(language), 1200, count)


def test_frequent_words_are_the_three_behind_the_dots() -> None:
    for seed in range(5):
        text, needle = words_document("ruler-fwe", Random(seed), "en", [], 800, count)
        counts = Counter(text.split())
        assert counts.most_common(1)[0][0] == "...."
        del counts["...."]
        least = counts.most_common(3)[-1][1]
        assert len(needle.values) == 3 and all(counts[word] >= least for word in needle.values)
        assert "...." not in needle.values and count(text) in (799, 800)


def test_lists_of_words_have_the_length_that_was_asked_for(starter: GistModel) -> None:
    config = BenchConfig(
        lengths=(256,),
        depths=(50,),
        samples=1,
        methods=("none", "wrong-gist"),
        ratio=16,
        kinds=("ruler-cwe", "ruler-fwe"),
    )
    trials = list(Benchmark(starter, config).run())
    assert len(trials) == 8 and {trial.context_tokens for trial in trials} == {256}


def test_a_question_of_a_document_stands_among_paragraphs_of_others() -> None:
    needle = RULER_KINDS["ruler-qa"](Random(3), "en")
    right, *others = needle.statements
    [text] = [text for text in documents() if right in text.text]
    assert len(others) == 2 and not any(other in text.text for other in others)
    assert needle.is_right(f"According to the text, the answer is {needle.expected}.")
    assert not needle.is_right("no idea")

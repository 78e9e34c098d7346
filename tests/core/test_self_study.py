"""What is asked of a text is made of the text, and is a function of its seed."""

from random import Random

import pytest

from gistdesk.core.self_study import Kind, Study, sentences_of, studies

TEXT = (
    "The ferry left at 7.40 with Captain Aldous Finch. Nobody saw it go! A grey cat slept on the warm wall by the inn."
)
KINDS: tuple[Kind, ...] = ("completion", "quotation", "completion")


def made(seed: int, text: str = TEXT) -> list[Study]:
    return list(studies(Random(seed), text, KINDS))


def test_studies_are_a_function_of_their_seed() -> None:
    assert made(1) == made(1)
    assert any(made(1) != made(seed) for seed in (2, 3, 4))
    assert [study.kind for study in made(1)] == list(KINDS)


def test_quotations_and_completions_are_the_texts_words() -> None:
    words = " ".join(TEXT.split())
    for seed in range(20):
        for study in made(seed):
            assert study.answer in words
            assert study.question.split('"')[1].removesuffix(" ...") in words
            if study.kind == "completion":
                assert any(study.answer.startswith(exact) for exact in ("7.40", "Captain", "Aldous", "Finch"))


def test_without_anything_exact_a_completion_becomes_a_quotation() -> None:
    [study] = studies(Random(1), "a grey cat slept on the warm wall", ("completion",))
    assert study.kind == "quotation"


@pytest.mark.parametrize("text", ["one two three", "word " * 40, "a", "\n\n", "Yes. No. Never. So it is."])
def test_a_text_of_any_shape_can_be_asked_about(text: str) -> None:
    assert sentences_of(text)
    assert all(isinstance(study.answer, str) for study in made(1, text))

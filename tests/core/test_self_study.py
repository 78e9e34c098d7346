"""What is asked of a text is made of the text, and is a function of its seed."""

from random import Random

import pytest
import torch

from gistdesk.core import self_study
from gistdesk.core.answer import Context
from gistdesk.core.self_study import Kind, Study, own_question, sentences_of, studies
from tests.core.tiny_models import tiny_model

TEXT = (
    "The ferry left at 7.40 with Captain Aldous Finch. Nobody saw it go! A grey cat slept on the warm wall by the inn."
)
KINDS: tuple[Kind, ...] = ("question", "completion", "quotation", "completion")


@pytest.fixture(scope="module")
def context() -> Context:
    model = tiny_model()
    return Context(model, text_ids=torch.tensor(model.token_ids(TEXT)))


def made(context: Context, seed: int, text: str = TEXT) -> list[Study]:
    return list(studies(Random(seed), context, text, KINDS))


def test_studies_are_a_function_of_their_seed(context: Context) -> None:
    assert made(context, 1) == made(context, 1)
    assert any(made(context, 1) != made(context, seed) for seed in (2, 3, 4))
    assert len(made(context, 1)) == len(KINDS)


def test_quotations_and_completions_are_the_texts_words(context: Context) -> None:
    words = " ".join(TEXT.split())
    for seed in range(20):
        for study in made(context, seed):
            if study.kind != "question":
                assert study.answer in words
                assert study.question.split('"')[1].removesuffix(" ...") in words
            if study.kind == "completion":
                assert any(study.answer.startswith(exact) for exact in ("7.40", "Captain", "Aldous", "Finch"))


def test_the_models_own_question_is_answered_by_the_model(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter(['"Who slept on the wall? The cat did."', "A grey cat."])
    monkeypatch.setattr(self_study, "said", lambda *_: next(told))
    [study] = studies(Random(1), context, TEXT, ("question",))
    assert study == Study("question", "Who slept on the wall?", "A grey cat.")


def test_what_is_no_question_becomes_a_quotation(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_study, "said", lambda *_: "No question at all.")
    assert own_question(Random(1), context) == ""
    [study] = studies(Random(1), context, TEXT, ("question",))
    assert study.kind == "quotation"


@pytest.mark.parametrize("text", ["one two three", "word " * 40, "a", "\n\n", "Yes. No. Never. So it is."])
def test_a_text_of_any_shape_can_be_asked_about(context: Context, text: str) -> None:
    assert sentences_of(text)
    assert all(isinstance(study.answer, str) for study in made(context, 1, text))

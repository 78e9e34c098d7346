"""What a reader of a text says is its own words, after the text and nothing else, and a function of the number."""

from dataclasses import replace

import torch
from torch import Tensor

from gistdesk.core.answer import Context
from gistdesk.core.model import GistModel
from gistdesk.core.self_study import _OF_EACH, studied
from tests.core.tiny_models import PLAIN, TEXT, tiny_model


def bare() -> GistModel:
    return replace(tiny_model(PLAIN, max_position_embeddings=600), adapter=None, encoder=None)


def said(model: GistModel, number: int, text: str = TEXT) -> list[tuple[Tensor, Tensor]]:
    return list(studied(Context(model, text_ids=torch.tensor(model.token_ids(text))), number))


def test_each_round_has_words_of_its_own_and_the_same_ones_again() -> None:
    model = bare()
    first, again, other = (said(model, number) for number in (0, 0, 1))
    assert len(first) == len(other) == 2 * _OF_EACH
    for (ids, hidden), (same, also) in zip(first, again, strict=True):
        assert torch.equal(ids, same) and torch.equal(hidden, also)
    assert not any(torch.equal(ids, new) for ids, _ in first for new, _ in other)


def test_the_hidden_states_are_those_of_a_reader_of_the_text() -> None:
    """Read in one pass, without a context that is gone back to."""
    model = bare()
    text = model.token_ids(TEXT)
    prefix = model.template_ids(Context(model).prompt.prefix)
    for ids, hidden in said(model, 3):
        whole = torch.tensor([[*prefix, *text, *ids.tolist()]])
        with torch.no_grad():
            wanted = model.causal_lm.model(whole).last_hidden_state[0, -1 - len(hidden) : -1]
        assert torch.allclose(hidden, wanted, atol=1e-4)


def test_half_of_it_goes_on_without_a_question() -> None:
    model = bare()
    before_question = model.template_ids(Context(model).prompt.before_question)
    for (continuation, hidden), (answer, _) in zip(said(model, 0)[::2], said(model, 0)[1::2], strict=True):
        assert len(hidden) == len(continuation) - 1
        assert answer[: len(before_question)].tolist() == before_question


def test_another_text_is_told_of_otherwise() -> None:
    model = bare()
    pairs = zip(said(model, 0), said(model, 0, "A grey cat slept on the wall."), strict=True)
    assert not any(ids.shape == new.shape and torch.equal(ids, new) for (ids, _), (new, _) in pairs)

"""What a reader of a text says is its own words, after the text and nothing else, and a function of the number."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gistdesk.core import self_study
from gistdesk.core.answer import Context
from gistdesk.core.model import GistModel
from gistdesk.core.self_study import _OF_EACH, Reader
from tests.core.tiny_models import PLAIN, TEXT, tiny_model


def bare(window: int = 600) -> GistModel:
    return replace(tiny_model(PLAIN, max_position_embeddings=window), adapter=None, encoder=None)


def said(model: GistModel, number: int, text: str = TEXT) -> list[tuple[Tensor, Tensor]]:
    return list(Reader(model, torch.tensor(model.token_ids(text))).said(number))


def are_same(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> list[bool]:
    return [torch.equal(ids, others) for (ids, _), (others, _) in zip(one, other, strict=True)]


def test_each_round_has_words_of_its_own_and_the_same_ones_again() -> None:
    model = bare()
    first, again, other = (said(model, number) for number in (0, 0, 1))
    assert len(first) == len(other) == 2 * _OF_EACH
    assert all(are_same(first, again))
    assert all(torch.equal(hidden, also) for (_, hidden), (_, also) in zip(first, again, strict=True))
    assert not any(torch.equal(ids, new) for ids, _ in first for new, _ in other)
    assert not any(torch.equal(ids, new) for at, (ids, _) in enumerate(first) for new, _ in first[:at])


@pytest.mark.parametrize("drawn_tokens", [10**6, 500, 1])
def test_the_hidden_states_are_those_of_a_reader_of_the_text(
    monkeypatch: pytest.MonkeyPatch, drawn_tokens: int
) -> None:
    """Read in one pass, without a context that is gone back to; whatever is drawn at once."""
    monkeypatch.setattr(self_study, "_DRAWN_TOKENS", drawn_tokens)
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
    found = said(model, 0)
    for (continuation, hidden), (answer, _) in zip(found[:_OF_EACH], found[_OF_EACH:], strict=True):
        assert len(hidden) == len(continuation) - 1
        assert answer[: len(before_question)].tolist() == before_question


def test_another_text_is_told_of_otherwise() -> None:
    model = bare()
    pairs = zip(said(model, 0), said(model, 0, "A grey cat slept on the wall."), strict=True)
    assert not any(ids.shape == new.shape and torch.equal(ids, new) for (ids, _), (new, _) in pairs)


def test_a_text_of_one_token_is_read() -> None:
    model = bare()
    [_, *_] = Reader(model, torch.tensor(model.token_ids("a")[:1])).said(0)


def test_a_long_text_is_read_in_stretches_and_only_its_end_goes_on() -> None:
    """In each round another one, so that no part of the text is left out."""
    model = bare(window=600)
    ids = torch.tensor(model.token_ids(TEXT * 3))
    n_stretches = -(-len(ids) // 300)
    assert n_stretches > 1
    reader = Reader(model, ids)
    found = [list(reader.said(number)) for number in range(n_stretches)]
    assert [len(each) for each in found] == [2 * _OF_EACH] + [_OF_EACH] * (n_stretches - 1)
    changed = Reader(model, torch.cat([ids[:100].flip(0), ids[100:]]))
    for number, each in enumerate(found):
        assert all(are_same(each, list(changed.said(number)))) is (number != 1)

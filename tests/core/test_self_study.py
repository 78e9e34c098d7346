"""What a reader of a text says is its own words, after the text and nothing else, and a function of the number."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gistdesk.core import self_study
from gistdesk.core.answer import Context
from gistdesk.core.model import GistModel
from gistdesk.core.self_study import _OF_EACH, _REQUESTS, _SAID_TOKENS, _drawn, continuations, said
from tests.core.tiny_models import PLAIN, TEXT, Kind, tiny_model

BARE = Kind("llama", chat=False, bos=False)


def bare(kind: Kind = PLAIN, window: int = 600) -> GistModel:
    return replace(tiny_model(kind, max_position_embeddings=window), adapter=None, encoder=None)


def said_of(model: GistModel, number: int, text: str = TEXT) -> list[tuple[Tensor, Tensor]]:
    return list(said(model, torch.tensor(model.token_ids(text)), number))


def are_same(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> list[bool]:
    return [torch.equal(ids, others) for (ids, _), (others, _) in zip(one, other, strict=True)]


def test_each_round_has_words_of_its_own_and_the_same_ones_again() -> None:
    model = bare()
    first, again, other = (said_of(model, number) for number in (0, 0, 1))
    assert len(first) == len(other) == 2 * _OF_EACH
    assert all(are_same(first, again))
    assert all(torch.equal(hidden, also) for (_, hidden), (_, also) in zip(first, again, strict=True))
    assert not any(torch.equal(ids, new) for ids, _ in first for new, _ in other)
    assert not any(torch.equal(ids, new) for at, (ids, _) in enumerate(first) for new, _ in first[:at])


@pytest.mark.parametrize("kind", [PLAIN, BARE, Kind("qwen3", "llama3", bos=False)], ids=str)
@pytest.mark.parametrize("n_text", [1, 2, 150])
def test_the_hidden_states_are_those_of_a_reader_of_the_text(kind: Kind, n_text: int) -> None:
    """Read in one pass, without a context that is gone back to, and beginnings of other lengths beside."""
    model = bare(kind)
    text = torch.tensor(model.token_ids(TEXT)[:n_text])
    prefix = model.template_ids(Context(model).prompt.prefix)
    found = list(said(model, text, 3))
    assert len(found) == 2 * _OF_EACH
    for ids, hidden in found:
        whole = torch.tensor([[*prefix, *text.tolist(), *ids.tolist()]])
        with torch.no_grad():
            wanted = model.causal_lm.model(whole).last_hidden_state[0, -1 - len(hidden) : -1]
        assert torch.allclose(hidden, wanted, atol=1e-4)


def test_half_of_it_goes_on_without_a_question() -> None:
    model = bare()
    before_question = model.template_ids(Context(model).prompt.before_question)
    found = said_of(model, 0)
    for (continuation, hidden), (answer, _) in zip(found[:_OF_EACH], found[_OF_EACH:], strict=True):
        assert len(hidden) == len(continuation) - 1
        assert answer[: len(before_question)].tolist() == before_question


def test_another_text_is_told_of_otherwise() -> None:
    model = bare()
    pairs = zip(said_of(model, 0), said_of(model, 0, "A grey cat slept on the wall."), strict=True)
    assert not any(ids.shape == new.shape and torch.equal(ids, new) for (ids, _), (new, _) in pairs)


def test_what_is_drawn_ends_where_an_answer_ends() -> None:
    """Each for itself."""
    model = bare()
    context = Context(model, text_ids=torch.tensor(model.token_ids(TEXT)))
    ends, begun = context.end_ids(), context.ids_of_question("why")
    drawn = [
        (ids[len(begun) :].tolist(), hidden)
        for ids, hidden in _drawn(model, context.in_front(), context.end_ids(), [begun] * 40, 1)
    ]
    assert any(len(tokens) < _SAID_TOKENS for tokens, _ in drawn)
    for tokens, hidden in drawn:
        assert len(tokens) == len(hidden) <= _SAID_TOKENS
        assert len(tokens) == _SAID_TOKENS or tokens[-1] in ends
        assert not ends & set(tokens[:-1])


def test_a_long_text_is_read_in_stretches_and_only_its_end_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """No part of it is left out, and each is asked about in all ways."""
    model = bare(window=2000)
    ids = torch.tensor(model.token_ids(TEXT * 3))
    n_stretches = 4
    monkeypatch.setattr(self_study, "_READ_TOKENS", -(-len(ids) // n_stretches))
    asked: list[str] = []
    in_turn = Context.ids_of_question
    found = []
    for number in range(2 * n_stretches):
        with monkeypatch.context() as patch:
            patch.setattr(Context, "ids_of_question", lambda self, text: asked.append(text) or in_turn(self, text))
            found.append(list(said(model, ids, number)))
    assert [len(each) for each in found] == ([2 * _OF_EACH] + [_OF_EACH] * (n_stretches - 1)) * 2
    openings = {text.split('"')[1] for text in asked if '"' in text}
    assert len(openings) == n_stretches
    for opening in openings:
        of_it = [text for text in asked if f'begins with "{opening}"' in text]
        assert all(any(text.endswith(request) for text in of_it) for request in _REQUESTS)
    changed = torch.cat([ids[:100].flip(0), ids[100:]])
    for number in range(n_stretches):
        assert all(are_same(found[number], list(said(model, changed, number)))) is (number != 1)


@pytest.mark.parametrize("window", [100, 200, 300])
def test_a_window_that_is_too_small_for_it_is_no_error(window: int) -> None:
    assert len(said_of(bare(window=window), 0)) in (0, 2 * _OF_EACH)
    assert not said_of(bare(window=100), 0)


@pytest.mark.parametrize("kind", [PLAIN, BARE, Kind("llama", attention="eager")], ids=str)
def test_continuations_follow_the_whole_text_and_are_the_same_each_time(kind: Kind) -> None:
    """Every token could have been drawn after one pass over the text: the likeliest of a model that is always sure."""
    model = bare(kind)
    with torch.no_grad():
        model.causal_lm.lm_head.weight *= 1000.0
    text = torch.tensor(model.token_ids(TEXT)[:90])

    def continued(text: Tensor) -> list[list[int]]:
        start = Context(model, text_ids=text[:-1]).in_front()
        return continuations(model, start, int(text[-1]), 4, 16)

    found = continued(text)
    assert found == continued(text)
    assert len(found) == 4 and all(len(ids) in range(1, 17) for ids in found)
    prefix = model.template_ids(Context(model).prompt.prefix)
    for ids in found:
        whole = torch.tensor([[*prefix, *text.tolist(), *ids]])
        with torch.no_grad():
            logits = model.causal_lm(whole).logits[0, len(prefix) + len(text) - 1 : -1]
        assert logits.argmax(-1).tolist() == ids
    assert all(continued(text[:1]))


def test_continuations_differ_where_the_model_is_not_sure() -> None:
    model = bare()
    text = torch.tensor(model.token_ids(TEXT)[:90])
    found = continuations(model, Context(model, text_ids=text[:-1]).in_front(), int(text[-1]), 8, 16)
    assert len({tuple(ids) for ids in found}) == 8

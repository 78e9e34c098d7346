"""A batch of contexts of different lengths is what each of them is alone: short rows are masked."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gistdesk.core.answer import Context
from gistdesk.core.context import assemble
from gistdesk.core.gist import GistKV
from gistdesk.core.layout import Segment
from gistdesk.core.model import GistModel, cached_kv
from tests.core.tiny_models import (
    HEAD_DIM,
    N_KV_HEADS,
    N_LAYERS,
    Kind,
    every_kind,
    random_ids,
    tiny_gist,
    tiny_model,
)

PREFIX = [20, 31, 42]


def logits_after(model: GistModel, prefix: Sequence[int], gists: Sequence[Tensor | None], ids: Tensor) -> Tensor:
    """(batch, n_tokens, vocab_size) of `ids` (batch, n_tokens) after each row's context."""
    with torch.no_grad():
        start = assemble(model, prefix, gists)
        return model.logits(model.decode(ids, start.cache, start.position, start.mask_for(ids.shape[1])))


@every_kind
@pytest.mark.parametrize("prefix", [PREFIX, []], ids=["prefix", "bare"])
def test_a_batch_of_contexts_equals_one_at_a_time(kind: Kind, prefix: list[int]) -> None:
    model = tiny_model(kind)
    gists = [tiny_gist(model, n).kv for n in (60, 12, 1, 33)]
    questions = torch.stack([random_ids(torch.Generator().manual_seed(n), 5) for n in range(4)])
    together = logits_after(model, prefix, gists, questions)
    for row, gist in enumerate(gists):
        alone = logits_after(model, prefix, [gist], questions[row : row + 1])
        assert torch.allclose(together[row], alone[0], rtol=1e-4, atol=1e-4)
        others = logits_after(model, prefix, [gists[row - 1]], questions[row : row + 1])
        assert (others - alone).abs().max() > 0.05


@every_kind
def test_a_row_without_a_document_is_the_prefix_alone(kind: Kind) -> None:
    model = tiny_model(kind)
    question = random_ids(torch.Generator().manual_seed(1), 6)[None]
    with torch.no_grad():
        expected = model.causal_lm(torch.cat([torch.tensor([PREFIX]), question], dim=1)).logits[:, len(PREFIX) :]
    alone = logits_after(model, PREFIX, [None], question)
    beside = logits_after(model, PREFIX, [None, tiny_gist(model, 30).kv], question.expand(2, -1))[:1]
    assert torch.allclose(alone, expected, rtol=1e-4, atol=1e-4)
    assert torch.allclose(beside, expected, rtol=1e-4, atol=1e-4)


def test_nothing_at_all_is_a_context() -> None:
    model = tiny_model()
    question = random_ids(torch.Generator().manual_seed(1), 6)[None]
    with torch.no_grad():
        expected = model.causal_lm(question).logits
    assert torch.allclose(logits_after(model, [], [None], question), expected, atol=1e-5)


def test_positions_and_mask_follow_the_slots() -> None:
    model = tiny_model()
    gists = [tiny_gist(model, 30).kv, None, tiny_gist(model, 12).kv]
    n_slots = [gists[0].shape[3], 0, gists[2].shape[3]]
    start = assemble(model, PREFIX, gists)
    assert start.position.tolist() == [[3 + n] for n in n_slots]
    assert cached_kv(start.cache).shape == (N_LAYERS, 2, 3, N_KV_HEADS, 3 + n_slots[0], HEAD_DIM)
    mask = start.mask_for(2)
    assert mask is not None
    assert mask.tolist() == [[1] * (3 + n) + [0] * (n_slots[0] - n) + [1, 1] for n in n_slots]
    assert assemble(model, PREFIX, gists[:1]).mask is None
    assert assemble(model, PREFIX, gists[:1]).mask_for(2) is None


@every_kind
def test_a_gist_stands_behind_the_prefix(kind: Kind) -> None:
    """Its keys are those of the positions after the prefix, worked out by hand; its values stay as they are."""
    model = tiny_model(kind)
    gist = tiny_gist(model, 30).kv
    kv = cached_kv(assemble(model, PREFIX, [gist]).cache)[:, :, 0, :, len(PREFIX) :]
    angle = len(PREFIX) * model.inv_freq
    turn = torch.polar(torch.ones_like(angle), angle)
    keys = torch.complex(*gist[:, 0].chunk(2, dim=-1)) * turn
    torch.testing.assert_close(kv[:, 0], torch.cat([keys.real, keys.imag], dim=-1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(kv[:, 1], gist[:, 1])


def test_assembling_does_not_change_the_gist() -> None:
    """A gist is read from a file once and asked about many times."""
    model = tiny_model()
    gist = tiny_gist(model, 30).kv
    before = gist.clone()
    question = torch.tensor([[20, 21]])
    first, second = (logits_after(model, PREFIX, [gist], question) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(gist, before)


def test_a_stored_gist_takes_the_models_dtype_before_it_is_moved() -> None:
    """Half-precision keys are not rounded a second time when they are rotated to their place."""
    model = tiny_model()
    stored = tiny_gist(model, 30).kv.half()
    question = torch.tensor([[20, 21]])
    for prefix in (PREFIX, []):
        assert cached_kv(assemble(model, prefix, [stored]).cache).dtype == torch.float32
        expected = logits_after(model, prefix, [stored.float()], question)
        assert torch.equal(logits_after(model, prefix, [stored], question), expected)
    parts = [GistKV(stored, (Segment(0, 30, stored.shape[3]),))] * 2
    wide = [GistKV(part.kv.float(), part.segments) for part in parts]
    assert torch.equal(cached_kv(Context(model, parts)._cache), cached_kv(Context(model, wide)._cache))

"""Rotating kept keys by d is encoding d positions further on, for every kind of rotary positions."""

import psutil
import pytest
import torch
from torch import Tensor

from gistdesk.core.gist import GistKV, join, place, rotate_keys, sparse_zeros
from gistdesk.core.layout import Segment, encoder_rows
from gistdesk.core.model import GistModel, cached_kv
from tests.core.tiny_models import KINDS, ROPES, Kind, every_kind, merged_base, random_ids, tiny_model


def encoded(model: GistModel, ids: Tensor, n_slots: int, first: int) -> Tensor:
    """What the product makes of a segment: encoded anywhere, its slots rotated to `first` and after."""
    assert model.adapter is not None
    rows = encoder_rows([ids], [n_slots], bos_ids=model.bos_ids, gist_ids=model.adapter.gist_ids)
    with torch.no_grad():
        return model.encode(rows, torch.arange(first, first + n_slots))


def encoded_in_place(model: GistModel, ids: Tensor, n_slots: int, first: int) -> Tensor:
    """The same with nothing rotated: the whole segment is read at positions that put its slots there."""
    assert model.adapter is not None
    merged = merged_base(model)
    row = torch.cat([torch.tensor(model.bos_ids), ids, torch.tensor(model.adapter.gist_ids[:n_slots])]).long()[None]
    positions = torch.arange(row.shape[1])[None] + first + n_slots - row.shape[1]
    with torch.no_grad():
        cache = merged.model(
            inputs_embeds=model.adapter.embed(merged.model, row), position_ids=positions, use_cache=True
        ).past_key_values
    return cached_kv(cache)[:, :, 0, :, -n_slots:]


def assert_same_kv(left: Tensor, right: Tensor, tolerance: float) -> None:
    assert left.shape == right.shape
    assert (left - right).abs().max() < tolerance * right.abs().max()


@every_kind
@pytest.mark.parametrize("delta", [-40, 0, 1, 61, 700, 3000])
def test_rotated_keys_equal_keys_encoded_in_place(kind: Kind, delta: int) -> None:
    model = tiny_model(kind)
    ids = random_ids(torch.Generator().manual_seed(1), 17)
    expected = encoded_in_place(model, ids, 5, delta)
    # the model itself works its angles out in float32: 3000 rad * 2^-24 of error, which the rotation does not have
    tolerance = 1e-5 + 2e-7 * abs(delta)
    assert_same_kv(encoded(model, ids, 5, delta), expected, tolerance)
    assert_same_kv(place(encoded(model, ids, 5, 0), delta, model.inv_freq), expected, tolerance)
    if delta:
        apart = (encoded(model, ids, 5, delta - 1) - expected).abs().max()
        assert apart > 100 * tolerance * expected.abs().max()


def test_every_kind_of_positions_is_there_and_differs() -> None:
    assert {kind.rope for kind in KINDS} == set(ROPES)
    models = {rope: tiny_model(Kind(rope=rope)) for rope in ROPES}
    frequencies = torch.stack([model.inv_freq for model in models.values()])
    assert torch.pdist(frequencies).min() > 1e-3
    assert models["yarn"].causal_lm.model.rotary_emb.attention_scaling > 1.1  # applied once, by the model


@every_kind
def test_joined_gists_equal_gists_encoded_one_after_the_other(kind: Kind) -> None:
    model = tiny_model(kind)
    random = torch.Generator().manual_seed(2)
    texts = [random_ids(random, n) for n in (9, 20, 4)]
    n_slots, firsts = [3, 8, 1], [0, 3, 11]
    parts = [encoded(model, ids, n, 0) for ids, n in zip(texts, n_slots, strict=True)]
    expected = [encoded_in_place(model, *one) for one in zip(texts, n_slots, firsts, strict=True)]
    assert_same_kv(join(parts, model.inv_freq), torch.cat(expected, dim=3), 1e-5)
    assert torch.equal(join(parts[:1], model.inv_freq), parts[0])


def test_rotating_moves_keys_only_and_keeps_their_dtype() -> None:
    kv = torch.randn(2, 2, 3, 4, 8, dtype=torch.float32).to(torch.bfloat16)
    inv_freq = 10000 ** (-torch.arange(4) / 4)
    moved = place(kv, 9, inv_freq)
    assert moved.dtype == torch.bfloat16
    assert torch.equal(moved[:, 1], kv[:, 1])
    assert not torch.equal(moved[:, 0], kv[:, 0])


def test_rotations_far_out_add_up() -> None:
    """Seven steps are one long step. With angles in float32 they would be 0.006 apart."""
    keys = torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
    inv_freq = 10000 ** (-torch.arange(4) / 4)
    steps = keys
    for _ in range(7):
        steps = rotate_keys(steps, torch.full((5,), 123_457), inv_freq)
    once = rotate_keys(keys, torch.full((5,), 7 * 123_457), inv_freq)
    assert torch.allclose(steps, once, atol=1e-5)
    assert torch.allclose(rotate_keys(once, torch.full((5,), -7 * 123_457), inv_freq), keys, atol=1e-5)


def test_figures_of_a_gist() -> None:
    gist = GistKV(torch.zeros(2, 2, 3, 5, 8, dtype=torch.float16), (Segment(0, 30, 3), Segment(30, 25, 2)))
    assert (gist.n_slots, gist.n_tokens, gist.ratio, gist.kv_bytes) == (5, 55, 11.0, 2 * 2 * 3 * 5 * 8 * 2)


def test_zeros_take_memory_where_something_is_written() -> None:
    """A quarter of a GiB, of which a hundredth is written."""
    before = psutil.Process().memory_info().rss
    zeros = sparse_zeros(16, 2, 4, 16384, 64, dtype=torch.bfloat16)
    zeros[:, :, :, 100:260] = 1.0
    assert psutil.Process().memory_info().rss - before < 2**26 < zeros.numel() * zeros.element_size() // 3
    assert int(zeros[:, 0].float().sum()) == 16 * 4 * 160 * 64
    assert sparse_zeros(3, 0, 5, dtype=torch.float16).shape == (3, 0, 5)

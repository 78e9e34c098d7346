"""Kept keys carry what all keys carried, or stay as they stood in the text."""

import torch
from torch import Tensor

from gistdesk.core.gist import WIDEST_HEAD
from gistdesk.core.matching import Observed, better_place, fit, gathered, keep

N_LAYERS, N_HEADS, N_TOKENS, HEAD_DIM, N_QUERIES = 3, 2, 40, 8, 30


def observed(seed: int = 1, scale: float = 1.0) -> Observed:
    """Four queries' heads on two KV heads; two keys stand before the text and the queries' own behind it."""
    random = torch.Generator().manual_seed(seed)
    kv = scale * torch.randn(N_LAYERS, 2, N_HEADS, N_TOKENS, HEAD_DIM, generator=random)
    found = Observed(kv)
    for layer in range(N_LAYERS):
        query = torch.randn(1, 2 * N_HEADS, N_QUERIES, HEAD_DIM, generator=random)
        others = torch.randn(1, N_HEADS, 2 + N_QUERIES, HEAD_DIM, generator=random)
        found.watch(layer, query, torch.cat([others[:, :, :2], kv[None, layer, 0], others[:, :, 2:]], dim=2))
    return found


def test_attention_is_what_the_model_would_give() -> None:
    """A softmax over everything that a query may see, of which the text's part is kept."""
    random = torch.Generator().manual_seed(2)
    kv = torch.randn(1, 2, 1, 5, HEAD_DIM, generator=random)
    query = torch.randn(1, 2, 3, HEAD_DIM, generator=random)
    key = torch.cat([kv[:, 0], torch.randn(1, 1, 3, HEAD_DIM, generator=random)], dim=2)
    found = Observed(kv)
    found.watch(0, query, key)
    causal = torch.ones(3, 8, dtype=torch.bool).tril(5)
    scores = (query @ key.transpose(2, 3) / HEAD_DIM**0.5).masked_fill(~causal, -torch.inf)
    expected = scores.softmax(-1)[0, :, :, :5].reshape(1, 6, 5)
    assert torch.allclose(found.attention(0), expected, atol=1e-6)
    assert torch.allclose(found.largest()[0], expected.amax(dim=1), atol=1e-6)


def test_either_order_chooses_its_share() -> None:
    """With a half, the first of both orders, then the second of both; what is first in neither comes late."""
    largest, depended = torch.tensor([9.0, 8, 1, 2, 0, 7]), torch.tensor([2.0, 3, 9, 8, 1, 7])
    placed = better_place(largest, depended, 0.5)
    assert placed.tolist() == [0, -2, 0, -2, -10, -4]
    assert better_place(largest.view(2, 3), depended.view(2, 3), 0.5).shape == (2, 3)
    random = torch.Generator().manual_seed(4)
    largest, depended = torch.rand(2, 1000, generator=random)
    for share in (0.125, 0.25, 0.5):
        chosen = better_place(largest, depended, share).topk(400).indices
        least = [int(400 * part) for part in (1 - share, share)]
        tops = [set(order.topk(n).indices.tolist()) for order, n in zip((largest, depended), least, strict=True)]
        assert all(top <= set(chosen.tolist()) for top in tops)


def test_what_is_no_number_is_placed_last() -> None:
    some = torch.tensor([torch.nan, 1.0, -0.0, torch.nan, 5.0])
    placed = better_place(some, some, 0.5)
    assert placed[[4, 1, 2]].tolist() == [0, -2, -4] and int(placed[[0, 3]].max()) == -6


def test_the_highest_scores_are_kept_wherever_they_are_and_one_in_every_head() -> None:
    scores = torch.zeros(N_LAYERS, N_HEADS, N_TOKENS)
    scores[0, 1, :] = 1.0
    scores[2, 0, 7] = 0.5
    kept = keep(scores, 9)
    assert int(kept.sum()) == 9 * N_LAYERS * N_HEADS
    assert kept[0, 1].all()
    assert kept[2, 0, 7]
    assert int(kept.sum(dim=2).min()) >= 1


def test_scores_that_are_no_numbers_are_the_lowest() -> None:
    scores = torch.rand(N_LAYERS, N_HEADS, N_TOKENS) - 2  # places are never above 0
    scores[1, 1] = torch.nan
    kept = keep(scores, 4)
    assert int(kept.sum()) == 4 * N_LAYERS * N_HEADS
    assert int(kept[1, 1].sum()) == 1


def output(values: Tensor, shares: Tensor, weight: Tensor, rest: Tensor) -> Tensor:
    """What the queries take from kept keys, of which each counts `weight` times, beside a rest that keeps its mass."""
    counted = shares * weight
    return counted @ values / (rest + counted.sum(dim=1))[:, None]


def test_no_head_gets_more_slots_than_a_file_may_hold() -> None:
    scores = torch.rand(2, 100, 300)
    scores[0, 0] += 10.0
    kept = keep(scores, 2)
    assert int(kept.sum()) == 400 and int(kept[0, 0].sum()) == 2 * WIDEST_HEAD < 201
    assert kept.sum(dim=2).min() == 1
    assert int(keep(torch.zeros(2, 100, 300), 2).sum(dim=2).max()) <= 2 * WIDEST_HEAD


def test_a_fit_comes_nearer_to_the_full_text_than_a_selection() -> None:
    found = observed()
    kv, used, index = gathered(found.kv, keep(found.largest(), 10))
    fitted, bias, n_unfitted = fit(found, kv, used, index)
    assert n_unfitted == 0
    assert torch.equal(fitted[:, 0], kv[:, 0])
    for layer in range(N_LAYERS):
        for head in range(N_HEADS):
            own = index[layer, head][used[layer, head]]
            shares = found.attention(layer)[head]
            rest = 1 - shares.sum(dim=1)
            wanted = shares @ found.kv[layer, 1, head]
            chosen = output(kv[layer, 1, head, : len(own)], shares[:, own], torch.ones(len(own)), rest)
            weight = bias[layer, head, : len(own)].exp()
            matched = output(fitted[layer, 1, head, : len(own)], shares[:, own], weight, rest)
            assert (matched - wanted).norm() < 0.9 * (chosen - wanted).norm()


def test_slots_that_are_not_used_have_no_weight() -> None:
    found = observed()
    kv, used, index = gathered(found.kv, keep(found.largest(), 10))
    _, bias, _ = fit(found, kv, used, index)
    assert torch.equal(bias.isfinite(), used)
    assert not kv[:, 0][~used].any()


def test_a_head_that_keeps_everything_is_left_alone() -> None:
    found = observed()
    kv, used, index = gathered(found.kv, torch.ones(N_LAYERS, N_HEADS, N_TOKENS, dtype=torch.bool))
    fitted, bias, n_unfitted = fit(found, kv, used, index)
    assert torch.equal(fitted, found.kv)
    assert not bias.any()
    assert n_unfitted == 0


def test_numbers_that_do_not_solve_leave_a_head_as_it_stood_in_the_text_and_are_counted() -> None:
    found = observed()
    kept = keep(found.largest(), 10)
    found.log_mass[1][0] = torch.nan
    found.queries[2][1] = torch.inf
    kv, used, index = gathered(found.kv, kept)
    fitted, bias, n_unfitted = fit(found, kv, used, index)
    assert n_unfitted == 2
    for layer, head in ((1, 0), (2, 1)):
        assert torch.equal(fitted[layer, :, head], kv[layer, :, head])
        assert not bias[layer, head][used[layer, head]].any()
    assert fitted.isfinite().all()


def test_equal_keys_do_not_upset_the_fit() -> None:
    """Of a text that says the same word again and again, every matrix is singular."""
    found = observed()
    found.kv[:] = found.kv[:, :, :, :1]
    kv, used, index = gathered(found.kv, keep(found.largest(), 10))
    fitted, bias, _ = fit(found, kv, used, index)
    assert fitted.isfinite().all()
    assert bias[used].isfinite().all()

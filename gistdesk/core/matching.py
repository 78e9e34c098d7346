"""Which of a text's keys are kept, and how they are fitted to stand in for all of them: the arithmetic.

The observations are the attention of reference queries to the text's keys, per layer and KV head. Fitting follows
*Fast KV Compaction via Attention Matching* (arXiv 2602.16284): a bias per kept key so that the kept ones carry the
attention mass of all, then values so that the attended outputs match; both are pulled towards those of the text.
Knows nothing of models, tokens or files.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gistdesk.core.gist import WIDEST_HEAD

_RIDGE = 0.3
"""How strongly weights are pulled to 1 and values to the text's own: a share of the solved matrix's mean diagonal."""
_LEAST_MASS = 0.02
"""Queries that give the whole text a smaller share of their attention than this say nothing about it."""
_WEIGHTS = (1e-3, 50.0)
_N_STEPS = 60
_FARTHEST = 8.0
"""Values this many times longer than the text's longest come from a failed solution."""

Fit = Callable[["Observed", Tensor, Tensor, Tensor], tuple[Tensor, Tensor, int]]
"""Makes the kept keys stand in for all: `fit`, or `unfitted`."""


@dataclass
class Observed:
    """What reference queries saw of a text, gathered layer by layer.

    Attributes:
        kv: (n_layers, 2, n_kv_heads, n_tokens, head_dim), of the text.
        queries: per layer (n_kv_heads, n_queries, head_dim); heads that share a KV head are adjacent.
        log_mass: per layer (n_kv_heads, n_queries), log of the sum of exp(score) over everything a query sees.
    """

    kv: Tensor
    queries: list[Tensor] = field(default_factory=list)
    log_mass: list[Tensor] = field(default_factory=list)

    def watch(self, layer: int, query: Tensor, key: Tensor) -> None:
        """See `gistdesk.core.attention.Watch`. Layers come in order, once in every pass."""
        n_heads, n_new, n_all = key.shape[1], query.shape[2], key.shape[2]
        grouped = query[0].reshape(n_heads, -1, query.shape[3])
        scores = _scores(grouped, key[0])
        ahead = torch.ones(n_new, n_all, dtype=torch.bool, device=key.device).triu(n_all - n_new + 1)
        scores.view(n_heads, -1, n_new, n_all).masked_fill_(ahead, -torch.inf)
        mass = scores.logsumexp(-1)
        if layer == len(self.queries):
            self.queries.append(grouped)
            self.log_mass.append(mass)
        else:
            self.queries[layer] = torch.cat([self.queries[layer], grouped], dim=1)
            self.log_mass[layer] = torch.cat([self.log_mass[layer], mass], dim=1)

    def attention(self, layer: int) -> Tensor:
        """(n_kv_heads, n_queries, n_tokens): the share of each query's attention that each of the text's keys gets."""
        scores = _scores(self.queries[layer], self.kv[layer, 0])
        return scores.sub_(self.log_mass[layer][..., None]).exp_()

    def largest(self) -> Tensor:
        """Of the attention that queries gave to each key: (n_layers, n_kv_heads, n_tokens)."""
        return torch.stack([self.attention(layer).amax(dim=1) for layer in range(len(self.queries))])


def _scores(queries: Tensor, keys: Tensor) -> Tensor:
    """(n_kv_heads, n_queries, n_keys), in float32."""
    return queries.float() @ keys.float().transpose(1, 2) / math.sqrt(keys.shape[-1])


def better_place(largest: Tensor, depended: Tensor, share: float) -> Tensor:
    """Score keys by the better of their places in two orders, each of which chooses its share of what is kept.

    What one query needs badly is a fact; what all that follows depends on carries the sense. Either alone loses the
    other.

    Args:
        largest: of each key's attention; depended: see `sensitivity`; of one shape, whichever.
        share: what the second order chooses, more than 0 and less than 1.

    Returns:
        scores of the same shape, the highest 0.
    """
    return torch.maximum(_places(largest) / (1 - share), _places(depended) / share)


def _places(scores: Tensor) -> Tensor:
    """0 for the highest, -1 for the next, and so on; what is no number comes last."""
    order = scores.nan_to_num(-torch.inf).flatten().argsort(descending=True, stable=True)
    places = torch.empty(order.shape, device=scores.device)
    places[order] = -torch.arange(len(order), dtype=places.dtype, device=scores.device)
    return places.view(scores.shape)


def keep(scores: Tensor, n_slots: int) -> Tensor:
    """Choose keys by score, with one budget for all layers and heads, in which every head gets at least one key, and
    none more than `WIDEST_HEAD` allows.

    A head that copies may keep everything and one that looks elsewhere next to nothing (KVzip, arXiv 2505.23416).

    Args:
        scores: (n_layers, n_kv_heads, n_tokens).
        n_slots: kept keys per head, on average.

    Returns:
        bool like `scores`, n_layers * n_kv_heads * n_slots of them true.
    """
    ranked = scores.nan_to_num(-torch.inf).clone()
    ranked.scatter_(2, ranked.argmax(dim=2, keepdim=True), torch.inf)
    most = WIDEST_HEAD * n_slots
    if most < ranked.shape[2]:
        values, places = ranked.topk(most, dim=2)
        ranked = torch.full_like(ranked, -torch.inf).scatter_(2, places, values)
    chosen = ranked.flatten().topk(scores[:, :, 0].numel() * n_slots).indices
    kept = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    kept[chosen] = True
    return kept.view(scores.shape)


def gathered(kv: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The kept keys and values of each head, packed to the left.

    Args:
        kv: (n_layers, 2, n_kv_heads, n_tokens, head_dim).
        kept: (n_layers, n_kv_heads, n_tokens) bool.

    Returns:
        keys and values (n_layers, 2, n_kv_heads, width, head_dim), which of their slots are in use (n_layers,
        n_kv_heads, width), and the index of each in the text, of the same shape.
    """
    counts = kept.sum(dim=2)
    width = int(counts.max())
    used = torch.arange(width, device=kv.device) < counts[:, :, None]
    index = torch.zeros(used.shape, dtype=torch.long, device=kv.device)
    index[used] = kept.nonzero()[:, 2]
    where = index[:, None, :, :, None].expand(-1, 2, -1, -1, kv.shape[4])
    return kv.gather(3, where) * used[:, None, :, :, None], used, index


def fit(observed: Observed, kv: Tensor, used: Tensor, index: Tensor) -> tuple[Tensor, Tensor, int]:
    """Fit bias and values of the keys that are kept.

    Only queries that attend to the text count, each in proportion: most attend only to the first tokens, and would pull
    every bias to zero.

    Args:
        observed: of the whole text.
        kv, used, index: see `gathered`.

    Returns:
        keys and fitted values, of the shape of `kv`; the bias (n_layers, n_kv_heads, width), -inf where not used; and
        how many heads were left as in the text, because their equations could not be solved.
    """
    kv, n_unfitted = kv.clone(), 0
    bias = torch.zeros(used.shape, device=kv.device).masked_fill_(~used, -torch.inf)
    for layer in range(kv.shape[0]):
        attention = observed.attention(layer)
        for head in range(kv.shape[2]):
            own = used[layer, head]
            n_kept = int(own.sum())
            if n_kept == observed.kv.shape[3]:
                continue
            mass = attention[head].sum(dim=1)
            shares = attention[head][~(mass <= _LEAST_MASS)]  # a NaN is not dropped silently
            values = observed.kv[layer, 1, head].float()
            fitted = _fit_head(shares, values, index[layer, head, :n_kept])
            if fitted is None:
                n_unfitted += 1
                continue
            bias[layer, head, :n_kept], kv[layer, 1, head, :n_kept] = fitted[0], fitted[1].to(kv.dtype)
    return kv, bias, n_unfitted


def unfitted(observed: Observed, kv: Tensor, used: Tensor, index: Tensor) -> tuple[Tensor, Tensor, int]:
    """Selection alone, as a control: every kept key counts once, with its own value. See `fit`."""
    return kv, torch.zeros(used.shape, device=kv.device).masked_fill_(~used, -torch.inf), 0


def _fit_head(shares: Tensor, values: Tensor, index: Tensor) -> tuple[Tensor, Tensor] | None:
    """Bias (n_kept,) and values (n_kept, head_dim) of one head; None if they cannot be found.

    Args:
        shares: (n_queries, n_tokens), see `Observed.attention`.
        values: (n_tokens, head_dim), in float32.
        index: (n_kept,) of the kept tokens.
    """
    kept, old = shares[:, index], values[index]
    if not len(shares):
        return torch.zeros_like(old[:, 0]), old
    mass = shares.sum(dim=1)
    weight = _masses(kept, mass)
    # everything else a query attends to keeps its mass, so the kept keys' shares are of the new sum
    now = kept * weight / (1 - mass + kept @ weight)[:, None]
    gram, missing = now.T @ now, now.T @ (shares @ values - now @ old)
    ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(index), device=gram.device)
    change, failed = torch.linalg.solve_ex(gram + ridge, missing)
    new = old + change
    largest = _FARTHEST * values.norm(dim=1).max()
    if int(failed) or not bool(new.isfinite().all() & weight.isfinite().all()) or bool(new.norm(dim=1).max() > largest):
        return None
    return weight.log(), new


def _masses(kept: Tensor, mass: Tensor) -> Tensor:
    """Each kept key's weight: min |kept w - mass|^2 + ridge |w - 1|^2 for w > 0, by projected gradients (FISTA).

    Args:
        kept: (n_queries, n_kept), shares of attention.
        mass: (n_queries,) that the kept keys should carry together.
    """
    gram = kept.T @ kept
    ridge = _RIDGE * gram.diagonal().mean()
    gram = gram + ridge * torch.eye(len(gram), device=gram.device)
    goal = kept.T @ mass + ridge
    step = 1 / torch.linalg.matrix_norm(gram, ord=1)  # at least the largest eigenvalue
    weight = ahead = torch.ones_like(goal)
    momentum = 1.0
    for _ in range(_N_STEPS):
        new = (ahead - step * (gram @ ahead - goal)).clamp(*_WEIGHTS)
        after = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / after * (new - weight)
        weight, momentum = new, after
    return weight

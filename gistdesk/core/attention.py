"""Two attentions that only a fitted gist needs: one with a bias for each slot, and one that can be watched.

A bias is added to the scores of a slot's key, so that one kept key can carry the attention of several dropped ones.
Both are registered with transformers' attention interface and chosen for a single pass; every other pass runs exactly
as it would without this module. Knows nothing of how a bias is fitted or how observations are used.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_BIASED, _WATCHED = "gistdesk_biased", "gistdesk_watched"

Watch = Callable[[int, Tensor, Tensor], None]
"""Called in every layer with its number, the queries (batch, n_heads, n_new, head_dim) and all keys (batch,
n_kv_heads, n_cached + n_new, head_dim), both rotated."""


class BiasedCache(DynamicCache):
    """One row of keys and values, the first of which have a bias. Layers may hold different numbers of them.

    Attributes:
        slot_bias: per layer (n_kv_heads, n_biased), added to the scores of the first keys; -inf hides one that a head
            does not use. Or, for a single pass, (n_kv_heads, n_new, n_biased): another for each new token.
    """

    def __init__(self, layers: list[tuple[Tensor, Tensor]], slot_bias: list[Tensor], config: Any) -> None:
        super().__init__(layers, config=config)
        self.slot_bias = slot_bias


@contextmanager
def attention_of(cache: DynamicCache, config: Any, watch: Watch | None = None) -> Iterator[dict[str, Any]]:
    """While open, a model of this configuration applies the cache's bias if it has one, or is watched.

    Yields:
        extra arguments for the model's forward.
    """
    biased = isinstance(cache, BiasedCache)
    if not biased and watch is None:
        yield {}
        return
    before = config._attn_implementation
    config._attn_implementation = _BIASED if biased else _WATCHED
    try:
        yield {"slot_bias": cache.slot_bias} if isinstance(cache, BiasedCache) else {"watch": watch}
    finally:
        config._attn_implementation = before


def _attend_watched(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **arguments: Any
) -> tuple[Tensor, None]:
    arguments.pop("watch")(module.layer_idx, query, key)
    attended: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **arguments)
    return attended


def _attend_biased(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **arguments: Any
) -> tuple[Tensor, None]:
    """Scaled dot products with the layer's bias. query: (1, n_heads, n_new, head_dim); key: everything cached.

    The incoming mask has the first layer's length; new tokens see everything cached and, among themselves, what comes
    before.
    """
    bias: Tensor = arguments.pop("slot_bias")[module.layer_idx]
    n_new, n_all = query.shape[2], key.shape[2]
    of_tokens = bias if bias.dim() == 3 else bias[:, None, :]
    added = torch.nn.functional.pad(of_tokens, (0, n_all - bias.shape[-1])).to(query.dtype)
    ahead = torch.ones(n_new, n_all, dtype=torch.bool, device=key.device).triu(n_all - n_new + 1)
    added = added.masked_fill(ahead, -torch.inf).repeat_interleave(query.shape[1] // key.shape[1], dim=0)[None]
    attended: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, added, **arguments)
    return attended


for _name, _attend in ((_BIASED, _attend_biased), (_WATCHED, _attend_watched)):
    AttentionInterface.register(_name, _attend)
    AttentionMaskInterface.register(_name, sdpa_mask)

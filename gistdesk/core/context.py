"""What comes before a question: prompt prefix, then gists or plain text, as one KV cache.

Training assembles contexts in batches, chat and benchmark one at a time, all through `assemble`.
Knows nothing of sampling or of files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.gist import GistKV, place
from gistdesk.core.model import GistModel, cached_kv


@dataclass
class Assembled:
    """One context per row, ready for the tokens that follow it.

    Attributes:
        cache: holds prefix and gist of every row.
        position: (batch, 1), of the next token of each row.
        mask: (batch, n_cached), 0 at padding; None if all rows have the same length.
    """

    cache: DynamicCache
    position: Tensor
    mask: Tensor | None

    def mask_for(self, n_new: int) -> Tensor | None:
        """The mask once `n_new` real tokens follow the cache, (batch, n_cached + n_new)."""
        if self.mask is None:
            return None
        return torch.cat([self.mask, self.mask.new_ones(self.mask.shape[0], n_new)], dim=1)


def assemble_gist(model: GistModel, prefix_ids: Sequence[int], gist: GistKV) -> Assembled:
    """Put the prompt prefix and one gist, whatever its method, into a cache of one row."""
    return assemble_after(model, read_prefix(model, prefix_ids), gist)


def assemble_after(model: GistModel, prefix: Tensor, gist: GistKV) -> Assembled:
    """`assemble_gist` with what `read_prefix` returned, which many gists may follow."""
    n_prefix = prefix.shape[3]
    if gist.bias is None:
        placed = place(gist.kv.to(prefix), n_prefix, model.inv_freq)
        cache = model.cache_of(torch.cat([prefix, placed], dim=3)[:, :, None])
    else:
        cache = model.biased_cache_of(prefix, gist.kv, gist.bias)
    return Assembled(cache, torch.full((1, 1), n_prefix + gist.n_positions, device=model.device), None)


def read_prefix(model: GistModel, prefix_ids: Sequence[int]) -> Tensor:
    """Keys and values of a prompt prefix: (n_layers, 2, n_kv_heads, n_prefix, head_dim), read without the adapter."""
    if not prefix_ids:
        n_layers, both, n_kv_heads, head_dim = model.kv_shape
        return torch.zeros(n_layers, both, n_kv_heads, 0, head_dim, device=model.device, dtype=model.dtype)
    cache = DynamicCache(config=model.causal_lm.config)
    model.decode(torch.tensor([list(prefix_ids)]), cache, 0)
    return cached_kv(cache)[:, :, 0]


def assemble(model: GistModel, prefix_ids: Sequence[int], gists: Sequence[Tensor | None]) -> Assembled:
    """Put the prompt prefix and one gist (or none) per row into a cache.

    The prefix comes first as ordinary tokens, so that the attention sink at position 0 is one the model knows.

    Args:
        model: reads the prefix without the adapter.
        prefix_ids: tokens before the document; may be empty.
        gists: per row (n_layers, 2, n_kv_heads, n_slots, head_dim) with its first slot at position 0, or None.
    """
    config, device = model.causal_lm.config, model.device
    parts: list[Tensor] = []
    n_prefix = len(prefix_ids)
    if n_prefix:
        parts.append(read_prefix(model, prefix_ids)[:, :, None].expand(-1, -1, len(gists), -1, -1, -1))
    n_slots = [0 if gist is None else gist.shape[3] for gist in gists]
    width = max(n_slots)
    if width:
        rows = []
        for gist, n in zip(gists, n_slots, strict=True):
            if gist is None:
                shape = next(g.shape for g in gists if g is not None)
                gist = torch.zeros(*shape[:3], 0, shape[4], dtype=model.dtype)
            placed = place(gist.to(device, model.dtype), n_prefix, model.inv_freq)
            rows.append(torch.nn.functional.pad(placed, (0, 0, 0, width - n)))
        stacked = torch.stack(rows, dim=2)
        parts.append(stacked.to(parts[0].dtype if parts else model.dtype))
    cache = model.cache_of(torch.cat(parts, dim=4)) if parts else DynamicCache(config=config)
    position = torch.tensor(n_slots, device=device)[:, None] + n_prefix
    if len(set(n_slots)) == 1:
        return Assembled(cache, position, None)
    mask = torch.arange(n_prefix + width, device=device)[None, :] < position
    return Assembled(cache, position, mask.long())

"""GistKV: the keys and values kept of a document. Rotates it to another position, and joins several.

Knows the arithmetic of rotary positions; knows nothing of files or of how a gist was made.
"""

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gistdesk.core.layout import Segment

WIDEST_HEAD = 64
"""The most slots a head may have, as a multiple of the average head's: heads differ, but a file that asks for more
memory than this is not read."""


@dataclass(frozen=True)
class Refinement:
    """What training one document's gist has achieved.

    Attributes:
        n_rounds: completed so far.
        before, after: the share of the text's pieces that the gist tells word for word, before the first round and now.
        n_pieces: of the text; in so many steps it is recited.
    """

    n_rounds: int
    before: float
    after: float
    n_pieces: int


@dataclass(frozen=True)
class GistKV:
    """The keys and values that stand for one document.

    Attributes:
        kv: (n_layers, 2, n_kv_heads, width, head_dim); index 0 of the second axis holds keys, 1 values. Keys are
            rotated as if the document's first position were 0.
        segments: how the document was cut.
        bias: (n_layers, n_kv_heads, width), added to the scores of each slot's key; -inf where a head has fewer slots
            than the one with the most. None: every head has `n_slots` slots, in the order of the segments, the first
            key at position 0 and the next one at 1.
        span: number of positions the gist takes, hence the position of the next token; None: one per slot.
        n_unfitted: how often a head's slots in a segment could not be fitted and were left as in the text.
        refined: its training so far, if any.
    """

    kv: Tensor
    segments: tuple[Segment, ...]
    bias: Tensor | None = None
    span: int | None = None
    n_unfitted: int = 0
    refined: Refinement | None = None

    @property
    def n_slots(self) -> int:
        """Slots per KV head, averaged over heads and layers if they differ."""
        return sum(segment.n_slots for segment in self.segments)

    @property
    def n_positions(self) -> int:
        return int(self.kv.shape[3]) if self.span is None else self.span

    @property
    def n_tokens(self) -> int:
        return sum(segment.n_tokens for segment in self.segments)

    @property
    def ratio(self) -> float:
        """Document tokens per gist slot."""
        return self.n_tokens / self.n_slots

    @property
    def kv_bytes(self) -> int:
        """Of the slots in use."""
        n_layers, _, n_heads, _, head_dim = self.kv.shape
        n_used = n_layers * n_heads * self.kv.shape[3] if self.bias is None else int(self.bias.isfinite().sum())
        return 2 * n_used * head_dim * self.kv.element_size()


def sparse_zeros(*shape: int, dtype: torch.dtype) -> Tensor:
    """Zeros on the CPU that take memory only where something is written or read, in pages of some KiB.

    One head may keep nearly all of a text and most others next to nothing, so most of a tensor as wide as the
    widest head stays empty: at 8x nine tenths.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if not n_bytes:
        return torch.zeros(*shape, dtype=dtype)
    return torch.frombuffer(mmap.mmap(-1, n_bytes), dtype=dtype).view(*shape)


def rotate_keys(keys: Tensor, shift: Tensor, inv_freq: Tensor) -> Tensor:
    """Move keys that carry rotary positions by `shift` positions (RoFormer, eq. 34: rotations add up).

    Any attention scaling (yarn) is already inside the keys and is not applied again. The angle is computed in
    float64 because a float32 product of position and frequency is off by 1e-3 rad at position 16,384.

    Args:
        keys: (..., n_slots, head_dim), in the half-split form of Llama, Mistral and Qwen.
        shift: (n_slots,) positions to move each slot by; may be negative.
        inv_freq: (head_dim / 2,) radians per position.
    """
    angle = shift.to(torch.float64)[:, None] * inv_freq.to(torch.float64)[None, :]
    angle = torch.cat([angle, angle], dim=-1)
    cos, sin = angle.cos().to(torch.float32), angle.sin().to(torch.float32)
    wide = keys.to(torch.float32)
    first, second = wide.chunk(2, dim=-1)
    return (wide * cos + torch.cat([-second, first], dim=-1) * sin).to(keys.dtype)


def place(kv: Tensor, offset: int, inv_freq: Tensor) -> Tensor:
    """The same slots with the first one at position `offset`. kv: (n_layers, 2, n_kv_heads, n_slots, head_dim)."""
    shift = torch.full((kv.shape[3],), offset, device=kv.device)
    return torch.stack([rotate_keys(kv[:, 0], shift, inv_freq), kv[:, 1]], dim=1)


def join(parts: Sequence[Tensor], inv_freq: Tensor) -> Tensor:
    """Several gists as one, each after the slots of those before it. Each input starts at position 0."""
    placed, offset = [], 0
    for kv in parts:
        placed.append(place(kv, offset, inv_freq) if offset else kv)
        offset += kv.shape[3]
    return torch.cat(placed, dim=3)


def join_gists(gists: Sequence[GistKV], inv_freq: Tensor) -> GistKV:
    """Several gists, by any method, as one: each after the positions of those before it."""
    if len(gists) == 1:
        return gists[0]
    placed, offset = [], 0
    for gist in gists:
        placed.append(place(gist.kv, offset, inv_freq) if offset else gist.kv)
        offset += gist.n_positions
    biases: list[Tensor] = [] if all(gist.bias is None for gist in gists) else [_bias(gist) for gist in gists]
    return GistKV(
        torch.cat(placed, dim=3),
        tuple(segment for gist in gists for segment in gist.segments),
        torch.cat([bias.to(placed[0].device) for bias in biases], dim=2) if biases else None,
        offset,
    )


def _bias(gist: GistKV) -> Tensor:
    n_layers, _, n_heads, width, _ = gist.kv.shape
    return torch.zeros(n_layers, n_heads, width) if gist.bias is None else gist.bias

"""GistKV: what is kept of a document. Rotating it to another place, and joining several.

Knows the arithmetic of rotary positions; knows nothing of files or of how a gist was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gistdesk.core.layout import Segment


@dataclass(frozen=True)
class GistKV:
    """The keys and values at the gist positions of one document.

    Attributes:
        kv: (n_layers, 2, n_kv_heads, n_slots, head_dim); index 0 of the second axis are keys, 1 values. Keys are
            rotated as if the first slot stood at position 0 and the next one at 1.
        segments: how the document was cut; their slots follow one another in `kv`.
    """

    kv: Tensor
    segments: tuple[Segment, ...]

    @property
    def n_slots(self) -> int:
        return int(self.kv.shape[3])

    @property
    def n_tokens(self) -> int:
        return sum(segment.n_tokens for segment in self.segments)

    @property
    def ratio(self) -> float:
        """Document tokens per gist slot."""
        return self.n_tokens / self.n_slots

    @property
    def kv_bytes(self) -> int:
        return self.kv.numel() * self.kv.element_size()


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
    """Several gists as one, each after the slots of those before it. Each starts at position 0 when it comes in."""
    placed, offset = [], 0
    for kv in parts:
        placed.append(place(kv, offset, inv_freq) if offset else kv)
        offset += kv.shape[3]
    return torch.cat(placed, dim=3)

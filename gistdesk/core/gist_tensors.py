"""A gist's numbers as the tensors of a file, and back: one table of slots if all heads have as many, else the slots
in use, head after head; in 16 bits, or in 8 with a scale for every slot's key and value.

Checks what it reads: a tensor of the wrong shape, an unusable number or an invalid scale is a ValueError.
Knows nothing of headers, checksums or files.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Literal, cast, get_args

import torch
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.gist import WIDEST_HEAD, GistKV, sparse_zeros

KVBits = Literal[16, 8]
"""Bits in which a number of keys or values is stored. 16: unchanged, float32 as float16. 8: as integers from -127
to 127 times a scale per slot, per head, and for keys and values each."""

KV_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
_RAGGED = ("keys", "values", "bias", "counts")
"""How a gist with a bias is stored: the slots in use, layer by layer and head by head, and how many each has."""
_SCALES = {"kv": "kv_scales", "keys": "key_scales", "values": "value_scales"}
_STEPS = 127
_LARGEST = 1e9
"""No model has larger keys or values: products of them would overflow."""
_LARGEST_BIAS = 100.0

Shapes = dict[str, tuple[torch.dtype, tuple[int, ...]]]


def check_bits(bits: int) -> KVBits:
    """Raises UserError: keys and values cannot be stored in this many bits."""
    if bits not in get_args(KVBits):
        raise UserError("Keys and values cannot be stored in {bits} bits.", "Choose 16 or 8.", bits=bits)
    return cast(KVBits, bits)


def stored_dtype(gist: GistKV) -> torch.dtype:
    """float16 for float32 keys and values, unless one is too large for it; otherwise unchanged."""
    fits = gist.kv.dtype == torch.float32 and _is_below(gist, torch.finfo(torch.float16).max)
    return torch.float16 if fits else gist.kv.dtype


def is_sound(values: Tensor, largest: float = _LARGEST) -> bool:
    """Checks only minimum and maximum: a NaN would become both. Thirty times faster than checking every number."""
    low, high = values.aminmax()
    return -largest <= float(low) and float(high) <= largest


def is_storable(gist: GistKV) -> bool:
    """Whether the keys and values of the slots in use are numbers that a file may hold."""
    return _is_below(gist, _LARGEST)


def _is_below(gist: GistKV, largest: float) -> bool:
    """Slots that are not in use are not looked at: memory that is only read is taken, too (see `sparse_zeros`)."""
    return all(is_sound(layer, largest) for number in range(_n_tables(gist)) for layer in _layers(gist, number))


def shapes_of(gist: GistKV, dtype: torch.dtype, bits: KVBits) -> Shapes:
    """The tensors that a gist is stored as, in the order of `numbers_of`. `dtype`: of keys and values in 16 bits."""
    kind = torch.int8 if bits == 8 else dtype
    if gist.bias is None:
        shapes: Shapes = {"kv": (kind, tuple(gist.kv.shape))}
    else:
        n_used, head_dim = int(gist.bias.isfinite().sum()), gist.kv.shape[4]
        of_slots = (kind, (n_used, head_dim))
        counts = (torch.int32, tuple(gist.bias.shape[:2]))
        shapes = dict(zip(_RAGGED, (of_slots, of_slots, (torch.float32, (n_used,)), counts), strict=True))
    if bits == 8:
        named = [name for name in shapes if name in _SCALES]
        shapes |= {_SCALES[name]: (torch.float32, shapes[name][1][:-1]) for name in named}
    return shapes


def numbers_of(gist: GistKV, dtype: torch.dtype, bits: KVBits) -> Iterator[memoryview]:
    """The tensors' bytes, layer by layer: a gist of a gigabyte is hashed and written without a second copy."""
    n_tables = _n_tables(gist)
    for number in range(n_tables):
        for layer in _layers(gist, number):
            yield _bytes(_whole(layer) if bits == 8 else layer.to("cpu", dtype))
    if gist.bias is not None:
        used = gist.bias.isfinite()
        yield _bytes(gist.bias[used].float())
        yield _bytes(used.sum(dim=2).int())
    if bits == 8:
        for number in range(n_tables):
            for layer in _layers(gist, number):
                yield _bytes(_scale(layer))


def _n_tables(gist: GistKV) -> int:
    """Of `_layers`."""
    return 1 if gist.bias is None else 2


def _layers(gist: GistKV, number: int) -> Iterator[Tensor]:
    """Layer by layer: keys and values of all slots, or only the keys (0) or values (1) of those in use."""
    kv = gist.kv.detach()
    if gist.bias is None:
        yield from kv
    else:
        yield from (layer[number][own] for layer, own in zip(kv, gist.bias.isfinite(), strict=True))


def _scale(values: Tensor) -> Tensor:
    """(...,) for values (..., head_dim): the size of a step; 1 where all of them are zero."""
    largest = values.float().abs().amax(dim=-1)
    return (largest / _STEPS).clamp(min=torch.finfo(torch.float32).tiny).where(largest > 0, torch.ones(()).to(largest))


def _whole(values: Tensor) -> Tensor:
    return (values.float() / _scale(values)[..., None]).round().clamp(-_STEPS, _STEPS).to(torch.int8)


def _bytes(values: Tensor) -> memoryview:
    return values.to("cpu").contiguous().view(torch.uint8).flatten().numpy().data


def gist_tensors(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor | None, KVBits]:
    """Keys and values (n_layers, 2, n_kv_heads, width, head_dim), the bias (n_layers, n_kv_heads, width) if the slots
    have one, and the number of bits they were stored in.

    Args:
        tensors: of a file.
        dtype: of the returned keys and values.
    """
    found = dict(tensors)
    named = [name for name in _SCALES if name in found]
    bits: KVBits = 8 if any(found[name].dtype == torch.int8 for name in named) else 16
    if bits == 8:
        found |= {name: _unscaled(found[name], found.pop(_SCALES[name]), dtype) for name in named}
    if any(found[name].dtype != dtype for name in named):
        raise ValueError("the tensors are not what the header names")
    if set(found) == {"kv"}:
        kv = found["kv"]
        if kv.ndim != 5 or kv.shape[1] != 2 or not is_sound(kv):
            raise ValueError("no keys and values, or numbers that cannot be used")
        return kv, None, bits
    keys, values, bias, counts = (found[name] for name in _RAGGED)
    n_used = len(bias)
    if len(found) != len(_RAGGED) or keys.ndim != 2 or keys.shape != values.shape:
        raise ValueError("keys and values do not fit one another")
    if bias.shape != keys.shape[:1] or bias.dtype != torch.float32 or counts.ndim != 2 or counts.dtype != torch.int32:
        raise ValueError("bias or counts do not fit the keys")
    sound = is_sound(keys) and is_sound(values) and is_sound(bias, _LARGEST_BIAS)
    if not sound or int(counts.min()) < 1 or int(counts.sum(dtype=torch.int64)) != n_used:
        raise ValueError("numbers that cannot be used")
    width = int(counts.max())
    if width * counts.numel() > WIDEST_HEAD * n_used:
        raise ValueError("one head has far more slots than the others")
    used = torch.arange(width) < counts[:, :, None]
    kv = sparse_zeros(counts.shape[0], 2, counts.shape[1], width, keys.shape[1], dtype=keys.dtype)
    kv[:, 0][used], kv[:, 1][used] = keys, values
    return kv, torch.full(used.shape, -torch.inf).masked_scatter_(used, bias), bits


def _unscaled(whole: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    if whole.dtype != torch.int8 or scales.dtype != torch.float32 or scales.shape != whole.shape[:-1]:
        raise ValueError("the scales do not fit what they scale")
    low, high = scales.aminmax()
    if not (float(low) > 0 and math.isfinite(float(high))):
        raise ValueError("a scale is nothing, less, or no number")
    return (whole * scales[..., None]).to(dtype)

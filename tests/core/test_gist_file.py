"""A gist comes back as it was, or is refused with a sentence: damaged, hostile, of another version or another model."""

import hashlib
import json
import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV, sparse_zeros
from gistdesk.core.gist_file import (
    FORMAT_VERSION,
    SUFFIX,
    GistRecord,
    check_identity,
    read_gist,
    write_atomically,
    write_gist,
)
from gistdesk.core.gist_tensors import KVBits, is_sound
from gistdesk.core.layout import LAYOUT_VERSION, Segment
from tests.core.tiny_models import IDENTITY

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")


def record(dtype: torch.dtype = torch.float16, n_slots: int = 9, seed: int = 1) -> GistRecord:
    """Two segments; a title with every sort of character."""
    kv = torch.randn(3, 2, 2, n_slots, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)
    segments = (Segment(0, 30, n_slots - 4), Segment(30, 11, 4))
    title = '한글 "quoted" \\ \x1f \U0001f600'
    return GistRecord(
        GistKV(kv, segments), IDENTITY, title, "ab" * 32, (0, 0, 17), 5.5, 512, "2026-11-20T21:00:00+00:00"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / f"tale{SUFFIX}"
    write_gist(path, record())
    return path


def assert_same(left: GistRecord, right: GistRecord) -> None:
    assert torch.equal(left.gist.kv, right.gist.kv)
    assert left.gist.kv.dtype == right.gist.kv.dtype
    assert left.gist.segments == right.gist.segments
    nothing = GistKV(torch.empty(0), ())
    assert replace(left, gist=nothing) == replace(right, gist=nothing)


def refusal(path: Path) -> UserError:
    """The error for a bad file; its message must be one sentence that names the file."""
    with pytest.raises(UserError) as caught:
        read_gist(path)
    error = caught.value
    assert path.name in error.message
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert error.hint.endswith(".")
    return error


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_gist_comes_back_as_it_was(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "a.gistkv"
    n_bytes = write_gist(path, record(dtype))
    assert n_bytes == path.stat().st_size
    assert_same(read_gist(path), record(dtype))


def test_float32_is_stored_as_float16_unless_a_number_is_too_large(tmp_path: Path) -> None:
    path, wide = tmp_path / "a.gistkv", record(torch.float32)
    write_gist(path, wide)
    assert torch.equal(read_gist(path).gist.kv, wide.gist.kv.half())
    wide.gist.kv[0, 1, 0, 3, 2] = 70_000.0
    write_gist(path, wide)
    assert torch.equal(read_gist(path).gist.kv, wide.gist.kv)
    assert read_gist(path).gist.kv.dtype == torch.float32


def test_a_part_of_a_larger_tensor_is_stored_alone(tmp_path: Path) -> None:
    """While compressing, the gist is a view into room for the whole document."""
    whole = torch.randn(3, 2, 2, 40, 8).half()
    part = replace(record(), gist=GistKV(whole[:, :, :, :9], record().gist.segments))
    n_bytes = write_gist(tmp_path / "a.gistkv", part)
    assert n_bytes < 9 / 40 * whole.numel() * 2 + 4096
    assert torch.equal(read_gist(tmp_path / "a.gistkv").gist.kv, whole[:, :, :, :9])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_file_is_what_safetensors_would_write(tmp_path: Path, dtype: torch.dtype) -> None:
    """It is written layer by layer, and from a view into a larger tensor, so that no second gist is in memory."""
    wide = torch.randn(3, 2, 2, 40, 8).to(dtype)
    wide[0, 0, 0, 0, 0] = 70_000.0 if dtype == torch.float32 else 1.0
    path = tmp_path / "a.gistkv"
    write_gist(path, replace(record(), gist=GistKV(wide[:, :, :, :9], record().gist.segments)))
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    assert path.read_bytes() == save({"kv": wide[:, :, :, :9].contiguous()}, metadata=metadata)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_found_anywhere(dtype: torch.dtype, number: float) -> None:
    """The least and the greatest are looked at, not every number; 67 is no multiple of any vector's width."""
    numbers = torch.randn(67).to(dtype)
    assert is_sound(numbers)
    for place in range(len(numbers)):
        broken = numbers.clone()
        broken[place] = number
        assert not is_sound(broken)
    assert not is_sound(torch.full((67,), number, dtype=dtype))
    assert not is_sound(torch.tensor([float("inf"), float("nan")] * 40, dtype=dtype))


@pytest.mark.parametrize("name", ["ordinary", "가" * 82, "with\nline"])
def test_long_and_odd_names(tmp_path: Path, name: str) -> None:
    """82 Hangul syllables and the suffix are as long as a name can be."""
    path = tmp_path / f"{name}{SUFFIX}"
    write_gist(path, record())
    assert_same(read_gist(path), record())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_title_that_is_no_text_becomes_one(tmp_path: Path) -> None:
    """A name of the file system that is not UTF-8 comes as surrogates, which no database takes."""
    write_gist(tmp_path / "a.gistkv", replace(record(), title="a\udcff\udcfe" + "b" * 10_000))
    title = read_gist(tmp_path / "a.gistkv").title
    assert title.startswith("a??b")
    assert len(title) < 10_000


def test_a_name_that_no_folder_takes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ("가" * 90 + SUFFIX)
    with pytest.raises(UserError, match="cannot be written"):
        write_gist(path, record())
    refusal(path)
    assert not list(tmp_path.iterdir())


def test_writing_takes_no_memory_for_slots_that_are_not_in_use(tmp_path: Path) -> None:
    """A quarter of a GiB, nearly all of it empty."""
    counts = torch.full((16, 4), 16)
    counts[3, 1] = 16384
    used = torch.arange(16384) < counts[:, :, None]
    kv = sparse_zeros(16, 2, 4, 16384, 64, dtype=torch.bfloat16)
    for part in (0, 1):
        kv[:, part][used] = 1.0
    segment = Segment(0, 20000, int(used.sum()) // 64)
    gist = GistKV(kv, (segment,), torch.zeros(used.shape).masked_fill(~used, -torch.inf), 20000)
    before = psutil.Process().memory_info().rss
    n_bytes = write_gist(tmp_path / f"a{SUFFIX}", replace(record(), gist=gist))
    assert psutil.Process().memory_info().rss - before < 2**26 < kv.numel() * kv.element_size() // 3
    assert n_bytes < 2**23


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    broken = record(torch.float32)
    broken.gist.kv[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        write_gist(tmp_path / "a.gistkv", broken)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", [0, 1])
def test_only_what_is_in_use_must_be_numbers(tmp_path: Path, part: int) -> None:
    made = fitted()
    assert made.gist.bias is not None
    used = made.gist.bias.isfinite()
    for is_used in (False, True):
        broken = replace(made, gist=replace(made.gist, kv=made.gist.kv.clone()))
        layer, head, slot = (used == is_used).nonzero()[0].tolist()
        broken.gist.kv[layer, part, head, slot, 3] = float("nan")
        if is_used:
            with pytest.raises(UserError, match="not finite"):
                write_gist(tmp_path / "a.gistkv", broken)
        else:
            write_gist(tmp_path / "b.gistkv", broken)
            assert read_gist(tmp_path / "b.gistkv").gist.kv.isfinite().all()
    assert [path.name for path in tmp_path.iterdir()] == ["b.gistkv"]


def test_a_file_cut_short_anywhere_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for twentieth in range(20):
        file.write_bytes(data[: len(data) * twentieth // 20])
        refusal(file)
    for n_bytes in (1, 7, 8, 9, len(data) - 1):
        file.write_bytes(data[:n_bytes])
        refusal(file)
    file.write_bytes(data + b"\0")
    refusal(file)


def test_a_flipped_bit_is_never_read_as_another_gist(file: Path) -> None:
    """Two hundred bits anywhere, and every bit of the first thirty bytes.

    Where a flip only respells the header (the f of \\u001f as F), the gist is the same and may be read.
    """
    data, random, whole = file.read_bytes(), Random(1), record()
    places = [(random.randrange(len(data)), random.randrange(8)) for _ in range(200)]
    n_refused = 0
    for place, bit in [*places, *((byte, bit) for byte in range(30) for bit in range(8))]:
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        file.write_bytes(changed)
        try:
            found = read_gist(file)
        except UserError:
            n_refused += 1
        else:
            assert_same(found, whole)
    assert n_refused > 435


STORED = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}


def forge(file: Path, kv: Tensor | None = None, without: str = "", **changes: Any) -> None:
    """Change the header, or the tensor, of a gist file, and make its checksum fit again."""
    with safe_open(file, "pt") as opened:
        header = json.loads(opened.metadata()["gistkv"])
        kv = opened.get_tensor("kv").clone() if kv is None else kv
    header["tensors"] = {"kv": [STORED.get(kv.dtype, "I16"), list(kv.shape)]}
    header = {name: value for name, value in {**header, **changes}.items() if name not in ("sha256", without)}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(kv.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    header["sha256"] = digest.hexdigest()
    file.write_bytes(save({"kv": kv}, metadata={"gistkv": json.dumps(header)}))


def test_a_forged_file_with_nothing_changed_is_read(file: Path) -> None:
    """Otherwise the refusals below would prove nothing."""
    forge(file)
    assert_same(read_gist(file), record())


KV = record().gist.kv
FORGED: dict[str, dict[str, Any]] = {
    "segments of nothing": {"segments": []},
    "no segments at all": {"segments": [], "n_tokens": 0, "n_slots": 0, "next_position": 0, "kv": KV[:, :, :, :0]},
    "negative tokens": {"segments": [[51, 5], [-10, 4]]},
    "negative slots": {"segments": [[30, 12], [11, -3]]},
    "an empty segment": {"segments": [[41, 5], [0, 4]]},
    "infinite tokens": {"segments": [[float("inf"), 5], [11, 4]]},
    "words for numbers": {"segments": [["x", 5], [11, 4]]},
    "pairs that are none": {"segments": [[30, 5, 1], [11, 4]]},
    "segments that are a number": {"segments": 3},
    "more slots than are there": {"segments": [[30, 5], [11, 5]], "n_slots": 10, "next_position": 10},
    "another number of slots": {"n_slots": 8},
    "another next position": {"next_position": 3000},
    "another number of tokens": {"n_tokens": 40},
    "another dtype": {"dtype": "bfloat16"},
    "a dtype that is none": {"dtype": "qint8"},
    "a dtype that is a list": {"dtype": ["float16"]},
    "integers": {"kv": KV.to(torch.int16)},
    "not a number": {"kv": torch.full_like(KV, float("nan"))},
    "infinity": {"kv": torch.full_like(KV, float("inf"))},
    "four axes": {"kv": KV[0].contiguous()},
    "no value axis": {"kv": KV[:, :1].contiguous()},
    "no layers": {"kv": KV[:0]},
    "no pages": {"page_starts": []},
    "pages that go back": {"page_starts": [0, 17, 3]},
    "a negative page": {"page_starts": [-1, 3]},
    "an infinite page": {"page_starts": [0, float("inf")]},
    "an infinite ratio": {"ratio": float("inf")},
    "no ratio": {"ratio": float("nan")},
    "a ratio of words": {"ratio": "much"},
    "a huge number": {"ratio": 10**400},
    "empty segments": {"segment_tokens": 0},
    "an endless segment": {"segment_tokens": float("inf")},
    "format as a word": {"format_version": "1"},
    "no format": {"without": "format_version"},
    "no layout": {"without": "layout_version"},
    "no segments": {"without": "segments"},
    "no title": {"without": "title"},
    "no model": {"without": "model_fingerprint"},
    "no dtype": {"without": "dtype"},
    "half a surrogate pair": {"title": "\ud800"},
    "a title without end": {"title": "a" * 10**6},
    "a title that is a number": {"title": 3},
    "a hash that is none": {"source_sha256": "가" * 1000},
    "a hash of nothing": {"source_sha256": ""},
    "tokens beyond 64 bits": {"segments": [[2**70, 5], [11, 4]], "n_tokens": 2**70 + 11},
    "a page beyond 64 bits": {"page_starts": [0, 2**70]},
    "a segment length beyond 64 bits": {"segment_tokens": 2**70},
    "tokens that are true": {"segments": [[True, 5], [40, 4]]},
    "numbers that overflow": {"kv": torch.full_like(KV, 3e38, dtype=torch.float32), "dtype": "float32"},
    "an unknown method": {"method": "magic"},
    "a method that is a list": {"method": ["adapter"]},
    "a refinement of words": {"tells": "much"},
    "a refinement without shares": {"tells": [3]},
    "a share above all": {"tells": [3, 0.5, 1.5, 2]},
    "a share that is no number": {"tells": [3, float("nan"), 0.5, 2]},
    "rounds below none": {"tells": [-1, 0.5, 0.5, 2]},
    "more pieces than tokens": {"tells": [3, 0.5, 0.5, 10**6]},
    "other tensors than it names": {"tensors": {"kv": ["F16", [3, 2, 9, 2, 8]]}},
    "tensors that are a number": {"tensors": 3},
}


def test_a_gist_trained_before_gists_recited_is_a_plain_one(file: Path) -> None:
    forge(file, refined=[9, 0.4, 0.9])
    assert read_gist(file).gist.refined is None


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_forged_file_is_refused(file: Path, changes: dict[str, Any]) -> None:
    """Its checksum is right: whoever forges a file can work that out, too."""
    forge(file, **changes)
    refusal(file)


def test_a_file_of_version_1_is_read(file: Path) -> None:
    """It names neither method nor tensors, and its shape stands outside the checksum."""
    with safe_open(file, "pt") as opened:
        header, kv = json.loads(opened.metadata()["gistkv"]), opened.get_tensor("kv").clone()
    for name in ("method", "tensors", "n_unfitted", "sha256"):
        del header[name]
    header["format_version"] = 1
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(kv.view(torch.uint8).numpy().tobytes())
    file.write_bytes(save({"kv": kv}, metadata={"gistkv": json.dumps({**header, "sha256": digest.hexdigest()})}))
    assert_same(read_gist(file), record())


def fitted() -> GistRecord:
    """Slots with a bias; the first head has more of them than the others, the second fewer."""
    counts = torch.tensor([[9, 3], [5, 7], [6, 6]])
    used = torch.arange(9) < counts[:, :, None]
    random = torch.Generator().manual_seed(3)
    kv = torch.randn(3, 2, 2, 9, 8, generator=random).half() * used[:, None, :, :, None]
    bias = torch.randn(3, 2, 9, generator=random).masked_fill(~used, -torch.inf)
    gist = GistKV(kv, (Segment(0, 30, 4), Segment(30, 11, 2)), bias, 41, n_unfitted=2)
    return replace(record(), gist=gist, method="matched")


def test_slots_with_a_bias_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.gistkv"
    n_bytes = write_gist(path, fitted())
    assert n_bytes == path.stat().st_size
    found, gist = read_gist(path), fitted().gist
    assert torch.equal(found.gist.kv, gist.kv)
    assert found.gist.bias is not None
    assert gist.bias is not None
    assert torch.equal(found.gist.bias, gist.bias)
    nothing = GistKV(torch.empty(0), ())
    assert (found.gist.segments, found.gist.span, found.gist.n_unfitted) == (gist.segments, 41, 2)
    assert replace(found, gist=nothing) == replace(fitted(), gist=nothing)


def forge_fitted(
    path: Path, n_slots: int = 6, next_position: int = 41, kv_bits: KVBits = 16, **tensors: Tensor | None
) -> None:
    """A file with a bias, with other tensors (None: without one) and a checksum that fits them."""
    write_gist(path, replace(fitted(), kv_bits=kv_bits))
    with safe_open(path, "pt") as opened:
        header = json.loads(opened.metadata()["gistkv"])
        stored = {name: opened.get_tensor(name) for name in header["tensors"]} | tensors
    found = {name: tensor for name, tensor in stored.items() if tensor is not None}
    names = {**STORED, torch.int32: "I32", torch.int64: "I64", torch.int8: "I8"}
    header["tensors"] = {name: [names[t.dtype], list(t.shape)] for name, t in found.items()}
    header |= {"n_slots": n_slots, "next_position": next_position}
    del header["sha256"]
    data = [t.contiguous().flatten().view(torch.uint8).numpy().tobytes() for t in found.values()]
    header["sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"".join(data)).hexdigest()
    entries: dict[str, Any] = {"__metadata__": {"gistkv": json.dumps(header)}}
    end = 0
    for (name, t), content in zip(found.items(), data, strict=True):
        start, end = end, end + len(content)
        entries[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [start, end]}
    opening = json.dumps(entries).encode()
    path.write_bytes(len(opening).to_bytes(8, "little") + opening + b"".join(data))


COUNTS = torch.tensor([[9, 3], [5, 7], [6, 6]], dtype=torch.int32)
FORGED_FITTED: dict[str, dict[str, Any]] = {
    "a bias that is not finite": {"bias": torch.full((36,), torch.inf)},
    "a bias that is no number": {"bias": torch.full((36,), torch.nan)},
    "a bias that overflows": {"bias": torch.full((36,), 3e38)},
    "a shorter bias": {"bias": torch.zeros(35)},
    "a bias of another kind": {"bias": torch.zeros(36).half()},
    "values that are not finite": {"values": torch.full((36, 8), torch.nan).half()},
    "other values than keys": {"values": torch.zeros(36, 4).half()},
    "negative counts": {"counts": torch.tensor([[9, 3], [5, 7], [13, -1]], dtype=torch.int32)},
    "a head without slots": {"counts": torch.tensor([[9, 3], [5, 7], [12, 0]], dtype=torch.int32)},
    "more slots than there are": {"counts": COUNTS + 1},
    "counts that overflow": {"counts": torch.full((3, 2), 2**31 - 1, dtype=torch.int32)},
    "counts of one axis": {"counts": COUNTS.flatten()},
    "counts of another kind": {"counts": COUNTS.long()},
    "another number of slots": {"n_slots": 5},
    "no positions": {"next_position": 0},
    "positions without end": {"next_position": 2**40},
}


def test_a_forged_file_with_a_bias_and_nothing_changed_is_read(tmp_path: Path) -> None:
    forge_fitted(tmp_path / "a.gistkv")
    assert read_gist(tmp_path / "a.gistkv").gist.n_unfitted == 2


@pytest.mark.parametrize("changes", FORGED_FITTED.values(), ids=FORGED_FITTED)
def test_a_forged_bias_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    forge_fitted(tmp_path / "a.gistkv", **changes)
    refusal(tmp_path / "a.gistkv")


@pytest.mark.parametrize("made", [record, fitted], ids=["adapter", "matched"])
def test_in_8_bits_every_number_is_within_half_a_step(tmp_path: Path, made: Callable[[], GistRecord]) -> None:
    path, whole = tmp_path / "a.gistkv", replace(made(), kv_bits=8)
    whole.gist.kv[1, 0, 1, 2] = 0.0
    n_bytes = write_gist(path, whole)
    found = read_gist(path)
    assert n_bytes == path.stat().st_size
    assert found.kv_bits == 8
    assert found.gist.kv.dtype == torch.float16
    step = whole.gist.kv.float().abs().amax(dim=-1, keepdim=True) / 127
    assert ((found.gist.kv.float() - whole.gist.kv.float()).abs() <= 0.51 * step + 1e-3).all()
    assert not torch.equal(found.gist.kv, whole.gist.kv)
    assert not found.gist.kv[1, 0, 1, 2].any()
    if whole.gist.bias is not None and found.gist.bias is not None:
        assert torch.equal(found.gist.bias, whole.gist.bias)
    nothing = GistKV(torch.empty(0), ())
    assert replace(found, gist=nothing) == replace(whole, gist=nothing)


def test_8_bits_are_about_half_of_16(tmp_path: Path) -> None:
    kv = torch.randn(3, 2, 2, 200, 64).half()
    wide = replace(record(), gist=GistKV(kv, (Segment(0, 400, 200),)))
    sizes = [write_gist(tmp_path / "a.gistkv", replace(wide, kv_bits=bits)) for bits in (16, 8)]
    assert 0.5 < sizes[1] / sizes[0] < 0.55


def test_8_bits_are_what_safetensors_would_write(tmp_path: Path) -> None:
    path = tmp_path / "a.gistkv"
    write_gist(path, replace(fitted(), kv_bits=8))
    found = load(path.read_bytes())
    assert found["keys"].dtype == found["values"].dtype == torch.int8
    assert found["key_scales"].shape == found["value_scales"].shape == found["bias"].shape
    assert int(found["keys"].abs().amax(dim=1).min()) == 127


SCALES = torch.full((36,), 0.01)
FORGED_SCALES: dict[str, dict[str, Any]] = {
    "a scale of zero": {"key_scales": SCALES.index_fill(0, torch.tensor([3]), 0.0)},
    "a scale below zero": {"value_scales": -SCALES},
    "an infinite scale": {"key_scales": SCALES.index_fill(0, torch.tensor([35]), torch.inf)},
    "a scale that is no number": {"value_scales": SCALES.index_fill(0, torch.tensor([0]), torch.nan)},
    "a scale that overflows": {"key_scales": torch.full((36,), 3e38)},
    "a scale that overflows 16 bits": {"value_scales": torch.full((36,), 1e6)},
    "a scale too few": {"key_scales": SCALES[1:]},
    "scales of another kind": {"key_scales": SCALES.half()},
    "scales of two axes": {"key_scales": SCALES[:, None]},
    "no scales": {"key_scales": None},
    "scales of nothing": {"keys": torch.zeros(36, 8).half()},
    "keys alone in 8 bits": {"values": torch.zeros(36, 8).half(), "value_scales": None},
}


def test_a_forged_file_in_8_bits_and_nothing_changed_is_read(tmp_path: Path) -> None:
    forge_fitted(tmp_path / "a.gistkv", kv_bits=8)
    assert read_gist(tmp_path / "a.gistkv").kv_bits == 8


@pytest.mark.parametrize("changes", FORGED_SCALES.values(), ids=FORGED_SCALES)
def test_a_forged_scale_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    forge_fitted(tmp_path / "a.gistkv", kv_bits=8, **changes)
    refusal(tmp_path / "a.gistkv")


def test_a_checksum_is_needed(file: Path) -> None:
    with safe_open(file, "pt") as opened:
        header, kv = json.loads(opened.metadata()["gistkv"]), opened.get_tensor("kv").clone()
    file.write_bytes(save({"kv": kv}, metadata={"gistkv": json.dumps({**header, "title": "Another"})}))
    assert "checksum" in refusal(file).message
    header.pop("sha256")
    file.write_bytes(save({"kv": kv}, metadata={"gistkv": json.dumps(header)}))
    refusal(file)


@pytest.mark.parametrize("name", ["format_version", "layout_version"])
@pytest.mark.parametrize("version", [0, 3, 10**30])
def test_another_version_is_refused_by_its_number(file: Path, name: str, version: int) -> None:
    forge(file, **{name: version})
    ours = {"format_version": FORMAT_VERSION, "layout_version": LAYOUT_VERSION}[name]
    assert refusal(file).message == (f"{file.name} has {name.replace('_', ' ')} {version}; this program reads {ours}.")


def raw(header: bytes | dict[str, Any], n_data: int = 1728, length: int | None = None) -> bytes:
    """A safetensors file by hand: length of the header, header, zeros."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(n_data)


def tensor(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F16", "shape": [3, 2, 2, 9, 8], "data_offsets": [0, 1728], **changes}


class Exploding:
    """Pickled content that makes itself known when it is read."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("unpickled",)


META = {"__metadata__": {"gistkv": "{}"}}
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "zeros": bytes(4096),
    "text": b"This is not a gist file at all, however it is named.",
    "a header longer than the file": raw({}, length=2**20),
    "a header of 2^63 bytes": raw({}, length=2**63),
    "a header of 2^64 - 1 bytes": raw({}, length=2**64 - 1),
    "a header of no bytes": raw({}, length=0),
    "no JSON": raw(b"{{{{"),
    "no UTF-8": raw(b'{"\xff\xfe": 1}'),
    "deep JSON": raw(b"[" * 50_000 + b"]" * 50_000),
    "no metadata": raw({"kv": tensor()}),
    "metadata of another kind": raw({"__metadata__": {"gistkv": 3}, "kv": tensor()}),
    "metadata of another program": raw({"__metadata__": {"format": "pt"}, "kv": tensor()}),
    "metadata that is a list": raw({"__metadata__": {"gistkv": "[1, 2]"}, "kv": tensor()}),
    "metadata that is null": raw({"__metadata__": {"gistkv": "null"}, "kv": tensor()}),
    "metadata that is no JSON": raw({"__metadata__": {"gistkv": "{"}, "kv": tensor()}),
    "metadata that is deep": raw({"__metadata__": {"gistkv": "[" * 100_000}, "kv": tensor()}),
    "metadata with a huge number": raw({"__metadata__": {"gistkv": "1" * 100_000}, "kv": tensor()}),
    "no tensor": raw(META, 0),
    "another tensor": raw({**META, "vk": tensor()}),
    "overlapping tensors": raw({**META, "kv": tensor(), "more": tensor(data_offsets=[10, 1738])}, 1738),
    "a hole between tensors": raw({**META, "kv": tensor(data_offsets=[8, 1736])}, 1736),
    "offsets behind the end": raw({**META, "kv": tensor(data_offsets=[0, 1728])}, 1000),
    "offsets that go back": raw({**META, "kv": tensor(data_offsets=[1728, 0])}),
    "negative offsets": raw({**META, "kv": tensor(data_offsets=[-8, 1720])}),
    "offsets that are too far apart": raw({**META, "kv": tensor(data_offsets=[0, 2**63])}),
    "a shape too large": raw({**META, "kv": tensor(shape=[2**62, 2**62, 2**62, 9, 8])}),
    "a shape too large with nothing in it": raw(
        {**META, "kv": tensor(shape=[2**62, 2, 2**62, 0, 8], data_offsets=[0, 0])}, 0
    ),
    "a negative shape": raw({**META, "kv": tensor(shape=[-3, 2, 2, 9, 8])}),
    "an unknown dtype": raw({**META, "kv": tensor(dtype="X99")}),
    "no offsets": raw({**META, "kv": {"dtype": "F16", "shape": [3, 2, 2, 9, 8]}}),
    "a tensor twice": raw(b'{"kv":%b,"kv":%b}' % ((json.dumps(tensor()).encode(),) * 2)),
    "a pickle": pickle.dumps(Exploding()),
    "a zip": b"PK\x03\x04" + bytes(200),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.gistkv"
    path.write_bytes(data)
    refusal(path)
    assert not Path("unpickled").exists()


def test_a_torch_file_by_another_name_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"kv": Exploding()}, tmp_path / "a.gistkv")
    refusal(tmp_path / "a.gistkv")
    assert not Path("unpickled").exists()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in refusal(tmp_path / "missing.gistkv").message
    refusal(tmp_path)
    (tmp_path / "dangling.gistkv").symlink_to(tmp_path / "nowhere")
    refusal(tmp_path / "dangling.gistkv")


@linux_only
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gistkv")
    refusal(tmp_path / "pipe.gistkv")


@pytest.mark.parametrize("part", ["model", "tokenizer", "adapter"])
def test_the_gist_of_another_model_is_refused(part: str) -> None:
    check_identity(record(), IDENTITY)
    other = replace(IDENTITY, model_id="other", **{f"{part}_fingerprint": "3" * 32})
    with pytest.raises(UserError) as caught:
        check_identity(record(), other)
    assert f"a different {part} (by tiny; other is loaded)" in caught.value.message


def test_the_same_model_by_another_name_is_taken() -> None:
    check_identity(record(), replace(IDENTITY, model_id="a copy in another folder"))


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond this, as on a full disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@linux_only
def test_a_full_disk_leaves_the_old_file(file: Path) -> None:
    before = file.read_bytes()
    with largest_file(1000), pytest.raises(UserError) as caught:
        write_gist(file, record(seed=2, n_slots=400))
    assert caught.value.message == f"{file} cannot be written (File too large)."
    assert caught.value.hint == "Free some space: 0.1 MiB are needed."
    with largest_file(10), pytest.raises(UserError) as caught:
        write_atomically(file, b"a few words")
    assert caught.value.hint == "Free some space: 0.1 MiB are needed."
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    write_gist(file, record(seed=2))
    assert_same(read_gist(file), record(seed=2))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    before = file.read_bytes()

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(UserError if isinstance(error, OSError) else type(error)):
        write_gist(file, record(seed=2))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_folder_that_is_missing_or_a_file_is_named(file: Path) -> None:
    for folder in (file.parent / "missing", file):
        with pytest.raises(UserError, match="cannot be written") as caught:
            write_gist(folder / "a.gistkv", record())
        assert caught.value.hint == "Check that the folder exists and may be written to."
    with pytest.raises(UserError, match="cannot be written"):
        write_gist(file.parent, record())
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(file: Path) -> None:
    file.parent.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        write_gist(file, record(seed=2))
    file.parent.chmod(0o700)
    assert_same(read_gist(file), record())


@linux_only
def test_a_new_file_may_be_read_by_whom_the_users_settings_say(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"1")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_what_was_checked_is_what_is_used(file: Path) -> None:
    """A file that shrinks or changes while it is used killed the program, or made it answer wrongly."""
    found = read_gist(file)
    data = file.read_bytes()
    with file.open("r+b") as stream:
        stream.write(bytes(len(data)))
        stream.truncate(0)
    assert_same(found, record())


def test_a_gist_in_use_outlives_its_file(file: Path) -> None:
    """A document is compressed again while it is being asked about."""
    found = read_gist(file)
    write_gist(file, record(seed=2))
    assert_same(found, record())
    assert_same(read_gist(file), record(seed=2))

"""The `.gistkv` file: one safetensors file that records which model and adapter made it.

Written to a temporary name in the same folder, synced, renamed. Read once, checked, and used as read. Knows
nothing of how a gist is made or how a model reads it.
"""

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gistdesk.atomic import replacing
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import of_files
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_tensors import KV_DTYPES, KVBits, gist_tensors, is_storable, numbers_of, shapes_of, stored_dtype
from gistdesk.core.layout import LAYOUT_VERSION, Segment
from gistdesk.core.memory import total_bytes
from gistdesk.core.methods import METHODS, Method
from gistdesk.core.model import ModelIdentity
from gistdesk.core.sentences import Sentence
from gistdesk.core.title import valid

FORMAT_VERSION = 2
SUFFIX = ".gistkv"
_READABLE = (1, FORMAT_VERSION)
_STORED = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.int8: "I8",
}
_DTYPES = {name: dtype for dtype, name in _STORED.items()}
_HEADER_BYTES = 64 * 2**20
_LARGEST_COUNT = 2**53
_LONGEST_TEXT = 2**12
_HASH = re.compile("[0-9A-Za-z_-]{1,128}")


@dataclass(frozen=True)
class GistRecord:
    """What a `.gistkv` file holds.

    Attributes:
        gist: keys, values and segments.
        identity: the model and adapter that made it.
        title: of the document.
        source_sha256: of the document file's bytes, as hex.
        page_starts: index of the first token of every page; one entry for a document without pages.
        ratio: tokens per slot as requested; `gist.ratio` is the actual one.
        segment_tokens: longest segment, in tokens.
        created: UTC, ISO 8601.
        method: how it was made.
        kv_bits: bits in which each number of its keys and values is stored.
    """

    gist: GistKV
    identity: ModelIdentity
    title: str
    source_sha256: str
    page_starts: tuple[int, ...]
    ratio: float
    segment_tokens: int
    created: str
    method: Method = "adapter"
    kv_bits: KVBits = 16


def write_gist(path: Path, record: GistRecord) -> int:
    """Write a gist; returns the file's size in bytes. An existing file stays intact until the new one is complete.

    Keys and values of a float32 model are stored as float16 (2e-3 of difference in logits) unless one is too large
    for it; others unchanged; in 8 bits if the record asks for that.

    Raises:
        UserError: the folder is missing or not writable, the disk is full, or the gist holds invalid numbers.
    """
    pieces, n_bytes = gist_pieces(record)
    write_pieces(path, pieces, n_bytes)
    return n_bytes


def gist_pieces(record: GistRecord) -> tuple[Iterator[bytes | memoryview], int]:
    """A gist file's content, in pieces, and its size in bytes. Raises UserError: it holds invalid numbers."""
    gist = record.gist
    if not is_storable(gist):
        raise UserError(
            'Compressing "{title}" gave numbers that are not finite.',
            "Use another model, or another device.",
            title=record.title,
        )
    dtype = stored_dtype(gist)
    tensors = shapes_of(gist, dtype, record.kv_bits)
    header: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "layout_version": LAYOUT_VERSION,
        **asdict(record.identity),
        "title": valid(record.title)[:_LONGEST_TEXT],
        "source_sha256": record.source_sha256,
        "page_starts": list(record.page_starts),
        "ratio": record.ratio,
        "segment_tokens": record.segment_tokens,
        "segments": [[s.n_tokens, s.n_slots] for s in gist.segments],
        "n_tokens": gist.n_tokens,
        "n_slots": gist.n_slots,
        "next_position": gist.n_positions,
        "dtype": str(dtype).removeprefix("torch."),
        "created": record.created,
        "method": record.method,
        "n_unfitted": gist.n_unfitted,
        "tells": None if gist.refined is None else list(astuple(gist.refined)),
        "tensors": {name: [_STORED[kind], list(shape)] for name, (kind, shape) in tensors.items()},
    }
    header["sha256"] = _digest(header, numbers_of(gist, dtype, record.kv_bits))
    opening = _opening(tensors, header)
    n_bytes = len(opening) + sum(math.prod(shape) * kind.itemsize for kind, shape in tensors.values())
    return chain([opening], numbers_of(gist, dtype, record.kv_bits)), n_bytes


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` with `data` in one step; on any failure the old file stays and no temporary file is left."""
    write_pieces(path, [data], len(data))


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview], n_bytes: int) -> None:
    """See `write_atomically`. Raises UserError."""
    temporary = path.with_name(f".{os.getpid()}{SUFFIX}.tmp")  # short: the name may already be as long as names can be
    try:
        with replacing(path, temporary=temporary) as part, part.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise UserError(
            "{path} cannot be written ({reason}).",
            "Free some space: {n:.1f} MiB are needed."
            if full
            else "Check that the folder exists and may be written to.",
            path=path,
            reason=error.strerror or error,
            n=max(0.1, n_bytes / 2**20),
        ) from error


def read_gist(path: Path) -> GistRecord:
    """Read a gist and check all of it. What was checked is what is used: the file may change or vanish meanwhile.

    Raises:
        UserError: missing, unreadable, not a gist, damaged, or of another version.
    """
    try:
        if not path.is_file():
            raise UserError("There is no file {path}.", "Check the name, or compress the document first.", path=path)
        return gist_from(_content(path), path)
    except PermissionError as error:
        raise UserError(
            "{name} cannot be read: you do not have permission.", "Change its permissions, or copy it.", name=path.name
        ) from error
    except OSError as error:
        raise _damaged(path) from error
    except MemoryError as error:
        raise UserError(
            "{file} is too large for the memory of this computer.", "Use a higher ratio.", file=path.name
        ) from error


def _damaged(path: Path) -> UserError:
    return UserError(
        "{name} is not a gist file, or it is damaged.",
        "Compress the document again, or copy the file again.",
        name=path.name,
    )


def gist_from(content: bytearray, path: Path) -> GistRecord:
    """Check a gist file's content and parse it. Raises UserError: see `read_gist`."""
    try:
        header, tensors, numbers = _parts(content)
        _check_versions(path, header)
        intact = header.pop("sha256") == _digest(header, [numbers])
        found = {name: [_STORED[t.dtype], list(t.shape)] for name, t in tensors.items()}
        if header.get("tensors", found) != found:
            raise ValueError("the tensors are not those that the header names")
        record = _record(header, tensors) if intact else None
    except (LookupError, ValueError, TypeError, ArithmeticError, RecursionError, AttributeError) as error:
        raise _damaged(path) from error
    if record is None:
        raise UserError(
            "{name} is damaged: its content does not match its checksum.",
            "Compress the document again, or copy the file again.",
            name=path.name,
        )
    return record


def _content(path: Path) -> bytearray:
    """The whole file; if it is larger than the memory, nothing is read."""
    with path.open("rb") as stream:
        n_bytes = os.fstat(stream.fileno()).st_size
        if n_bytes > total_bytes("cpu"):
            raise MemoryError
        content = bytearray(n_bytes)
        if stream.readinto(content) != n_bytes:
            raise ValueError("the file is shorter than it was")
    return content


def _parts(content: bytearray) -> tuple[dict[str, Any], dict[str, Tensor], memoryview]:
    """Header, tensors and the bytes of all tensors of a safetensors file that stores them contiguously."""
    n_opening = int.from_bytes(content[:8], "little")
    if not 2 <= n_opening <= min(len(content) - 8, _HEADER_BYTES):
        raise ValueError("no safetensors file")
    opening = json.loads(content[8 : 8 + n_opening])
    header = json.loads(opening.pop("__metadata__")["gistkv"])
    numbers, tensors, end = memoryview(content)[8 + n_opening :], {}, 0
    for name, entry in opening.items():
        dtype, shape = _DTYPES[entry["dtype"]], [_count(n) for n in entry["shape"]]
        start, n_bytes = end, math.prod(shape) * dtype.itemsize
        end += n_bytes
        if entry["data_offsets"] != [start, end] or not n_bytes or end > len(numbers):
            raise ValueError("a tensor is not where it should be")
        tensors[name] = torch.frombuffer(numbers[start:end], dtype=dtype).view(shape)
    if not isinstance(header, dict) or end != len(numbers):
        raise ValueError("there is more or less than tensors")
    return header, tensors, numbers


def check_identity(record: GistRecord, identity: ModelIdentity) -> None:
    """Refuse a gist made by another model, tokenizer or adapter.

    Raises:
        UserError: names what differs.
    """
    made = record.identity
    (files, bits), (own_files, own_bits) = of_files(made.model_fingerprint), of_files(identity.model_fingerprint)
    if files == own_files and bits != own_bits:
        precision, own = bits or "bf16", own_bits or "bf16"
        raise UserError(
            'The gist of "{title}" was made with {made} in {precision}; it is loaded in {own}.',
            "Load it with --precision {precision} (Settings > Hardware), or compress the document again.",
            title=record.title,
            made=made.model_id,
            precision=precision,
            own=own,
        )
    parts = ("model", "tokenizer", "adapter") if made.adapter_fingerprint else ("model", "tokenizer")
    for part in parts:  # made without an adapter, it fits its base with any adapter
        if getattr(made, f"{part}_fingerprint") != getattr(identity, f"{part}_fingerprint"):
            raise UserError(
                'The gist of "{title}" was made with a different {what} (by {made}; {loaded} is loaded).',
                "Load the one that made it with --model, or compress the document again.",
                title=record.title,
                what=part,
                made=made.model_id,
                loaded=identity.model_id,
            )


def _check_versions(path: Path, header: dict[str, Any]) -> None:
    for name, what, ours in (
        ("format_version", Sentence("format version"), _READABLE),
        ("layout_version", Sentence("layout version"), (LAYOUT_VERSION,)),
    ):
        if header[name] not in ours:
            raise UserError(
                "{name} has {what} {theirs}; this program reads {ours}.",
                "Compress the document again, or use the version of gistdesk that made it.",
                name=path.name,
                what=what,
                theirs=str(header[name])[:40],
                ours=ours[-1],
            )


def _record(header: dict[str, Any], tensors: dict[str, Tensor]) -> GistRecord:
    segments, start = [], 0
    for n_tokens, n_slots in header["segments"]:
        segments.append(Segment(start, _count(n_tokens, 1), _count(n_slots, 1)))
        start += n_tokens
    if not segments or start != header["n_tokens"] or sum(s.n_slots for s in segments) != header["n_slots"]:
        raise ValueError("the segments are not what the header names")
    method = header.get("method", "adapter")
    if method not in METHODS:
        raise ValueError("made in a way that this program does not know")
    kv, bias, kv_bits = gist_tensors(tensors, KV_DTYPES[header["dtype"]])
    span = _count(header["next_position"], 1, _count(start))
    n_unfitted = _count(header.get("n_unfitted", 0))
    own_span = None if bias is None and span == kv.shape[3] else span
    gist = GistKV(kv, tuple(segments), bias, own_span, n_unfitted, _refinement(header.get("tells"), segments))
    n_layers, _, n_heads, width, _ = kv.shape
    n_used = n_layers * n_heads * width if bias is None else int(bias.isfinite().sum())
    if n_used != n_layers * n_heads * gist.n_slots or (method == "adapter" and gist.n_positions != gist.n_slots):
        raise ValueError("there are more or fewer slots than the header names")
    page_starts = tuple(_count(n) for n in header["page_starts"])  # of the whole document, even in a partial file
    ratio, segment_tokens = float(header["ratio"]), _count(header["segment_tokens"], 1)
    if list(page_starts) != sorted(page_starts) or not page_starts or not 1 <= ratio <= segment_tokens:
        raise ValueError("the document's figures are impossible")
    identity = ("model_id", "model_fingerprint", "tokenizer_fingerprint", "adapter_fingerprint")
    return GistRecord(
        gist,
        ModelIdentity(*(_text(header[name]) for name in identity)),
        _text(header["title"]),
        _hash(header["source_sha256"]),
        page_starts,
        ratio,
        segment_tokens,
        _text(header["created"]),
        method,
        kv_bits,
    )


def _refinement(value: Any, segments: Sequence[Segment]) -> Refinement | None:
    if value is None:
        return None
    n_rounds, before, after, n_pieces = value
    before, after = float(before), float(after)
    if not (0 <= before <= 1 and 0 <= after <= 1):
        raise ValueError("a share is none")
    most = sum(segment.n_tokens for segment in segments)
    return Refinement(_count(n_rounds), before, after, _count(n_pieces, most=most))


def _count(value: Any, least: int = 0, most: int = _LARGEST_COUNT) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError("a count is no number, or an impossible one")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError("a text is none, or without end")
    value.encode()  # half a surrogate pair is a ValueError
    return value


def _hash(value: Any) -> str:
    """A hash; checked, because a library uses it as a file name."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("a hash that is none")
    return value


def _opening(tensors: dict[str, tuple[torch.dtype, tuple[int, ...]]], header: dict[str, Any]) -> bytes:
    """What safetensors writes before the numbers."""
    entries: dict[str, Any] = {"__metadata__": {"gistkv": json.dumps(header)}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        entries[name] = {"dtype": _STORED[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _digest(header: dict[str, Any], numbers: Iterable[bytes | memoryview]) -> str:
    """Hash of the header, which has the tensors' shapes, and of their bytes. `header` comes without its "sha256"."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for data in numbers:
        digest.update(data)
    return digest.hexdigest()

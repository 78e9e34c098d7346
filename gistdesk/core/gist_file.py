"""The `.gistkv` file: one safetensors file that knows which model and adapter made it.

Written to a temporary name in the same folder, synced, renamed. Opened by memory map; checked before any tensor is
used. Knows nothing of how a gist is made or read by a model.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import of_files
from gistdesk.core.gist import GistKV
from gistdesk.core.layout import LAYOUT_VERSION, Segment
from gistdesk.core.model import ModelIdentity

FORMAT_VERSION = 1
SUFFIX = ".gistkv"
_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
_STORED = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}


@dataclass(frozen=True)
class GistRecord:
    """What a `.gistkv` file holds.

    Attributes:
        gist: keys, values and segments.
        identity: the model and adapter that made it.
        title: of the document.
        source_sha256: of the document file's bytes, as hex.
        page_starts: index of the first token of every page; one entry for a document without pages.
        ratio: tokens per slot that was asked for; `gist.ratio` is what it came to.
        segment_tokens: longest segment, in tokens.
        created: UTC, ISO 8601.
    """

    gist: GistKV
    identity: ModelIdentity
    title: str
    source_sha256: str
    page_starts: tuple[int, ...]
    ratio: float
    segment_tokens: int
    created: str


def stored_dtype(kv: Tensor) -> torch.dtype:
    """float16 for float32 keys and values, unless one is too large for it; others stay as they are."""
    fits = kv.dtype == torch.float32 and all(bool((x.abs() < torch.finfo(torch.float16).max).all()) for x in kv)
    return torch.float16 if fits else kv.dtype


def write_gist(path: Path, record: GistRecord) -> int:
    """Write a gist; the number of bytes of the file. An existing file stays whole until the new one is.

    Keys and values of a float32 model are stored as float16 (2e-3 of difference in logits) unless one is too large
    for it; others as they are.

    Raises:
        UserError: the folder is missing or not writable, the disk is full, or the gist holds no proper numbers.
    """
    kv = record.gist.kv.detach()
    if not all(_is_finite(layer) for layer in kv):
        raise UserError(
            f'Compressing "{record.title}" gave numbers that are not finite.', "Use another model, or another device."
        )
    dtype = stored_dtype(kv)
    header: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "layout_version": LAYOUT_VERSION,
        **asdict(record.identity),
        "title": record.title,
        "source_sha256": record.source_sha256,
        "page_starts": list(record.page_starts),
        "ratio": record.ratio,
        "segment_tokens": record.segment_tokens,
        "segments": [[s.n_tokens, s.n_slots] for s in record.gist.segments],
        "n_tokens": record.gist.n_tokens,
        "n_slots": record.gist.n_slots,
        "next_position": record.gist.n_slots,
        "dtype": str(dtype).removeprefix("torch."),
        "created": record.created,
    }
    header["sha256"] = _digest(header, kv, dtype)
    opening = _opening(kv, dtype, header)
    n_bytes = len(opening) + kv.numel() * dtype.itemsize
    _write(path, chain([opening], _layers(kv, dtype)), n_bytes)
    return n_bytes


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` with `data` in one step; on any failure the old file stays and no temporary one is left."""
    _write(path, [data], len(data))


def _write(path: Path, pieces: Iterable[bytes | memoryview], n_bytes: int) -> None:
    temporary = path.with_name(f".{os.getpid()}{SUFFIX}.tmp")  # short: the name may be as long as names can be
    try:
        with temporary.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):  # Ctrl+C
            raise
        needed = f"{max(0.1, n_bytes / 2**20):.1f} MiB are needed"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}).",
            f"Free some space, {needed}." if full else "Check that the folder exists and may be written to.",
        ) from error


def read_gist(path: Path) -> GistRecord:
    """Open a gist by memory map and check it whole.

    Raises:
        UserError: missing, not readable, not a gist, damaged, or of another version.
    """
    try:
        if not path.is_file():
            raise UserError(f"There is no file {path}.", "Check the name, or compress the document first.")
        with path.open("rb"):  # safetensors says of a file that may not be read that it is not there
            pass
        with safe_open(path, "pt") as opened:
            header = dict(json.loads((opened.metadata() or {})["gistkv"]))
            _check_versions(path, header)
            kv = opened.get_tensor("kv")
        record = _record(header, kv)
        intact = header.pop("sha256") == _digest(header, kv, kv.dtype)
    except PermissionError as error:
        raise UserError(f"{path.name} may not be read by you.", "Change its permissions, or copy it.") from error
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise UserError(
            f"{path.name} is not a gist file, or it is damaged.", "Compress the document again, or copy the file again."
        ) from error
    if not intact:
        raise UserError(
            f"{path.name} is damaged: its content does not match its checksum.",
            "Compress the document again, or copy the file again.",
        )
    return record


def check_identity(record: GistRecord, identity: ModelIdentity) -> None:
    """Refuse a gist that another model, tokenizer or adapter made.

    Raises:
        UserError: names what differs.
    """
    made = record.identity
    (files, bits), (own_files, own_bits) = of_files(made.model_fingerprint), of_files(identity.model_fingerprint)
    if files == own_files and bits != own_bits:
        precision, own = bits or "bf16", own_bits or "bf16"
        raise UserError(
            f'The gist of "{record.title}" was made with {made.model_id} in {precision}; it is loaded in {own}.',
            f"Load it with --precision {precision} (Settings > Hardware), or compress the document again.",
        )
    for part in ("model", "tokenizer", "adapter"):
        if getattr(made, f"{part}_fingerprint") != getattr(identity, f"{part}_fingerprint"):
            raise UserError(
                f'The gist of "{record.title}" was made with another {part} (by {made.model_id}; '
                f"{identity.model_id} is loaded).",
                "Load the one that made it with --model, or compress the document again.",
            )


def _check_versions(path: Path, header: dict[str, Any]) -> None:
    for name, ours in (("format_version", FORMAT_VERSION), ("layout_version", LAYOUT_VERSION)):
        if header[name] != ours:
            words = name.replace("_", " ")
            raise UserError(
                f"{path.name} has {words} {header[name]}, this program reads {ours}.",
                "Compress the document again, or use the version of gistdesk that made it.",
            )


def _record(header: dict[str, Any], kv: Tensor) -> GistRecord:
    segments, start = [], 0
    for n_tokens, n_slots in header["segments"]:
        segments.append(Segment(start, int(n_tokens), int(n_slots)))
        start += int(n_tokens)
    gist = GistKV(kv, tuple(segments))
    total = sum(s.n_slots for s in segments)
    if kv.ndim != 5 or kv.shape[1] != 2 or not total == kv.shape[3] == header["n_slots"] == header["next_position"]:
        raise ValueError("the tensor does not have the shape that the header names")
    if kv.dtype != _DTYPES[header["dtype"]] or start != header["n_tokens"]:
        raise ValueError("the tensor is not what the header names")
    if not kv.numel() or min(min(s.n_tokens, s.n_slots) for s in segments) < 1:
        raise ValueError("there is a segment without tokens or slots")
    if not _is_finite(kv):
        raise ValueError("there are numbers that are not finite")
    page_starts = tuple(map(int, header["page_starts"]))  # of the whole document, also in a partial file
    ratio, segment_tokens = float(header["ratio"]), int(header["segment_tokens"])
    if page_starts[0] < 0 or list(page_starts) != sorted(page_starts) or not 1 <= ratio <= segment_tokens:
        raise ValueError("the document's figures are impossible")
    identity = ModelIdentity(
        *(
            str(header[f"{name}"])
            for name in ("model_id", "model_fingerprint", "tokenizer_fingerprint", "adapter_fingerprint")
        )
    )
    return GistRecord(
        gist,
        identity,
        str(header["title"]),
        str(header["source_sha256"]),
        page_starts,
        ratio,
        segment_tokens,
        str(header["created"]),
    )


def _is_finite(values: Tensor) -> bool:
    """The least and the greatest are: a NaN would become both. Thirty times faster than to ask every number."""
    low, high = values.aminmax()
    return bool(low.isfinite() & high.isfinite())


def _layers(kv: Tensor, dtype: torch.dtype) -> Iterator[memoryview]:
    """The tensor's bytes, layer by layer: a gist of a gigabyte is hashed and written without a second one."""
    for layer in kv:
        yield layer.to("cpu", dtype).contiguous().view(torch.uint8).flatten().numpy().data


def _opening(kv: Tensor, dtype: torch.dtype, header: dict[str, Any]) -> bytes:
    """What safetensors puts before the numbers of a single tensor named "kv"."""
    n_bytes = kv.numel() * dtype.itemsize
    text = json.dumps(
        {
            "__metadata__": {"gistkv": json.dumps(header)},
            "kv": {"dtype": _STORED[dtype], "shape": list(kv.shape), "data_offsets": [0, n_bytes]},
        },
        separators=(",", ":"),
    ).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _digest(header: dict[str, Any], kv: Tensor, dtype: torch.dtype) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for data in _layers(kv, dtype):
        digest.update(data)
    return digest.hexdigest()

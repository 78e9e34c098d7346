"""Checkpoints of a run: written whole or not at all, a few kept, an older one used when the newest is damaged.

One safetensors file each, its state as JSON in the header beside a digest of its tensors. Never a pickle.
Knows tensors and plain values, not what they are for.
"""

import errno
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gistdesk.atomic import replacing
from gistdesk.core.errors import UserError

_NAME = "step-{:08d}.safetensors"
_TEMPORARY = ".tmp"
DAMAGED = (OSError, SafetensorError, ValueError, LookupError, TypeError)
"""What reading an incomplete file raises."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved.

    Attributes:
        damaged: newer files that could not be used.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    path: Path
    damaged: tuple[Path, ...]


def write_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], *, keep: int
) -> Path:
    """Write a checkpoint and delete all but the newest `keep`.

    Raises:
        UserError: the disk is full or the folder cannot be written; earlier checkpoints are untouched.
    """
    path = folder / _NAME.format(step)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, tensors, state, temporary=path.with_name(path.name + _TEMPORARY))
    except (OSError, SafetensorError) as error:
        n_bytes = sum(t.numel() * t.element_size() for t in tensors.values())
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "space" in str(error)
        raise UserError(
            "The checkpoint {path} cannot be written ({reason}).",
            "Free some space: {n:.0f} MiB are needed. The previous checkpoint is still there."
            if full
            else "Check that you may write to the folder. The previous checkpoint is still there.",
            path=path,
            reason=error,
            n=n_bytes / 2**20,
        ) from error
    for old in _newest_first(folder)[keep:]:
        with suppress(OSError):
            old.unlink()
    return path


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest intact checkpoint, or None if there is none at all.

    Raises:
        UserError: there are some, but all are damaged.
    """
    damaged: list[Path] = []
    for path in _newest_first(folder):
        try:
            tensors, state = read_whole(path)
            return Checkpoint(tensors, state, path, tuple(damaged))
        except DAMAGED:
            damaged.append(path)
    if damaged:
        raise UserError(
            "All checkpoints in {folder} are damaged ({names}).",
            "Delete them to start over.",
            folder=folder,
            names=", ".join(path.name for path in damaged),
        )
    return None


def read_state(folder: Path) -> dict[str, Any] | None:
    """The plain values of the newest readable checkpoint, without its tensors."""
    for path in _newest_first(folder):
        with suppress(*DAMAGED), safe_open(path, "pt") as opened:
            state: dict[str, Any] = json.loads(opened.metadata()["state"])
            return state
    return None


def write_whole(path: Path, tensors: Mapping[str, Tensor], state: Any, *, temporary: Path | None = None) -> None:
    """Write one file, all of it or nothing. Raises OSError or SafetensorError."""
    plain = _apart(tensors)
    header = {"state": json.dumps(state), "sha256": _digest(plain)}
    with replacing(path, temporary=temporary) as part:
        save_file(plain, part, metadata=header)


def read_whole(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Tensors and state of one file. Raises one of DAMAGED if they are not what was written."""
    with safe_open(path, "pt") as opened:
        header = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    if _digest(tensors) != header["sha256"]:
        raise ValueError("its tensors are not those that were written")
    return tensors, json.loads(header["state"])


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors on the CPU, no two sharing memory: an 8-bit optimizer has one map for all weights."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        here = tensor.detach().to("cpu").contiguous()
        place = here.untyped_storage().data_ptr()
        plain[name] = here.clone() if place in seen else here
        seen.add(place)
    return plain


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()

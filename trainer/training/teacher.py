"""The distillation teacher's output for conversations that repeat, kept on disk, so that it reads their texts once.

For every answer token it keeps the `KEPT` likeliest tokens and the total mass of all others. The divergence is computed
from these alone, whether just made or found on disk: finding them saves time and changes nothing, and a run that is
resumed, or has lost some of the files, is the same run. One safetensors file per reading, named by everything it
depends on; one that is damaged, or cannot be written, costs the time to read again.
Knows texts and conversations; nothing of gists, steps or parts of a mix.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Prompt, Turn
from trainer.training.checkpoint import DAMAGED, read_whole, write_whole
from trainer.training.loss import full_answers, rows_in_full

KEPT = 1024
"""Of SmolLM2's 49,152, on texts that are continued: 93% of the divergence at the least and a gradient of the same
direction (cosine 0.9999); with 64 tokens 72% and 0.994. See tests/benchmarks/teacher.py."""
MOST_BYTES = 2**31
"""Limit for all files together; anything beyond it is recomputed each time."""
_HEADER_BYTES = 512


@dataclass(frozen=True)
class Likeliest:
    """What the teacher expects at the positions of answer tokens.

    Attributes:
        ids: (n_tokens, n_kept) int32, likeliest first.
        logs: (n_tokens, n_kept) float32, logarithms of their probabilities.
        rest: (n_tokens,) float32, logarithm of the probability of all others together.
    """

    ids: Tensor
    logs: Tensor
    rest: Tensor


def bytes_per_token(vocab_size: int) -> int:
    """Per answer token: id and log probability of each token kept, and the others' mass; 32 bits each."""
    return 8 * min(KEPT, vocab_size - 1) + 4


def likeliest(logits: Tensor) -> Likeliest:
    """The likeliest tokens of logits, (n_tokens, vocab_size)."""
    whole = logits.logsumexp(-1)
    top = logits.topk(min(KEPT, logits.shape[-1] - 1))
    others = logits.scatter(1, top.indices, -torch.inf).logsumexp(-1)
    return Likeliest(top.indices.int(), top.values - whole[:, None], others - whole)


def divergence(teacher: Likeliest, logits: Tensor) -> Tensor:
    """Scalar: KL(teacher || student) per token, nats, over the tokens that are kept and "any other" as one more.

    Never above the divergence over the whole vocabulary, and below it by what the two think of the others among
    themselves: by the chain rule of KL, their mass times the divergence within them.

    Args:
        logits: (n_tokens, vocab_size) the student's, at the same positions.
    """
    ids = teacher.ids.long()
    whole = logits.logsumexp(-1, keepdim=True)
    others = logits.scatter(1, ids, -torch.inf).logsumexp(-1, keepdim=True)
    student = torch.cat([logits.gather(1, ids), others], dim=1) - whole
    expected = torch.cat([teacher.logs, teacher.rest[:, None]], dim=1)
    return torch.nn.functional.kl_div(student, expected, reduction="batchmean", log_target=True)


class Teacher:
    """The base with the whole text in context."""

    def __init__(self, model: GistModel, prompt: Prompt, folder: Path, *, n_processes: int = 1) -> None:
        """`folder` may be shared by a run's `n_processes` processes; each gets its share of the space."""
        self._model, self._prompt, self._folder = model, prompt, folder
        there = 0
        with suppress(OSError):
            there = sum(path.stat().st_size for path in folder.iterdir())
        self._room = (MOST_BYTES - there) // n_processes

    def says(self, texts: Sequence[Tensor], turns: Sequence[Sequence[Turn]]) -> Likeliest:
        """What it expects in one conversation per text, (n_tokens,) each, at all answer tokens in order."""
        path = self._folder / f"{self._key(texts, turns)}.safetensors"
        found = _read(path, self._model.device)
        if found is None:
            with torch.no_grad():
                found = likeliest(full_answers(self._model, self._prompt, texts, turns).logits)
            self._write(path, found)
        return found

    def forget(self) -> None:
        """Delete what was kept: the run is over."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _key(self, texts: Sequence[Tensor], turns: Sequence[Sequence[Turn]]) -> str:
        """A key for the model as it computes, and every token it reads and is asked for."""
        model = self._model
        computed = [model.identity.model_fingerprint, model.precision, KEPT]
        read = rows_in_full(model, self._prompt, texts, turns)
        return hashlib.sha256(json.dumps([computed, read]).encode()).hexdigest()

    def _write(self, path: Path, said: Likeliest) -> None:
        n_bytes = sum(t.numel() * t.element_size() for t in vars(said).values()) + _HEADER_BYTES
        if n_bytes > self._room:
            return
        with suppress(OSError, SafetensorError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, vars(said), path.stem)
            self._room -= n_bytes


def _read(path: Path, device: torch.device) -> Likeliest | None:
    with suppress(*DAMAGED):
        tensors, key = read_whole(path)
        if key == path.stem:  # not a file that was renamed
            return Likeliest(**{name: tensor.to(device) for name, tensor in tensors.items()})
    return None

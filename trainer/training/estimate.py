"""What a training run will need: memory and time, from shapes and a short measurement. Loads no weights.

Estimates, from formulas given beside the numbers; a run's events have what it really takes.
"""

import math
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from gistdesk.core.errors import UserError
from gistdesk.core.load import choose_device, find_model, plain_precision
from gistdesk.core.model_config import check_config
from gistdesk.core.precision import QUANTIZED
from trainer.data.self_study import N_STUDIED
from trainer.training.base import MERGE_BYTES
from trainer.training.config import OF_RECORDS, TrainConfig
from trainer.training.footprint import Shape, answering_bytes, encoding_bytes, logits_bytes, shape_on_disk
from trainer.training.teacher import MOST_BYTES, bytes_per_token

_OVERHEAD_BYTES = {"cpu": 430 * 2**20, "cuda": 700 * 2**20}
"""Memory for libraries, and on CUDA the context and what the allocator cannot use."""
_TEXT_BYTES = {"cpu": 350 * 2**20, "cuda": 0}
"""Freed after the 3.4 MB of resources/text are tokenized; the CPU's allocator keeps it for the steps to use."""
_SLACK = {"cpu": 1.3, "cuda": 1.0}
"""CPU allocator overhead: what the process holds relative to what is alive. On CUDA it counts as libraries."""
_ENDLESS = ("questions", "alpaca", "longbench")
"""Parts of a mix whose documents are as long as the user's; all others are limited to `document_tokens`."""
_N_DEPTHS, _ANSWER_TOKENS = 5, 250
"""In an evaluation, opening a context and writing an answer costs as much as reading this many tokens."""


def shape_of(name: str) -> Shape:
    """A model's shape, from its configuration alone. Raises UserError if that is missing or not supported."""
    if not name:
        raise UserError("No base model is given.", "Set base to a folder or a hub id: --set base=FOLDER.")
    folder = find_model(name).base
    check_config(folder)
    return shape_on_disk(folder)


def estimate(config: TrainConfig) -> dict[str, Any]:
    """Memory by use in bytes, its sum beside what is free, seconds per step and for the whole run."""
    device, reason = choose_device(config.device)
    shape = shape_of(config.base)
    precision = plain_precision(device) if config.precision == "auto" else config.precision
    recomputes = must_recompute(shape, config, precision, device)
    memory = memory_of(shape, replace(config, checkpoint_activations=recomputes), precision, device)
    needed = sum(memory.values())
    seconds = step_seconds(shape, config, device, precision)
    evaluating = evaluation_seconds(shape, config, device, precision)
    return {
        "base": config.base,
        "device": device,
        "why_device": reason,
        "precision": precision,
        "trained_parameters": shape.n_trained(config.rank, config.slots),
        "checkpoint_activations": recomputes,
        "memory_bytes": memory,
        "needed_bytes": needed,
        "teacher_disk_bytes": teacher_disk_bytes(shape, config),
        "free_bytes": free_bytes(device),
        "fits": needed <= free_bytes(device),
        "step_s": round(seconds, 2),
        "evaluation_s": round(evaluating),
        "training_s": round(seconds * config.steps + evaluating * n_evaluations(config)),
    }


def must_recompute(shape: Shape, config: TrainConfig, precision: str, device: str, *, is_loaded: bool = False) -> bool:
    """Whether the configuration asks for activations to be recomputed, or the free memory requires it.

    Args:
        is_loaded: the base is already in memory.
    """
    memory = memory_of(shape, config, precision, device)
    there = memory["weights"] + memory["libraries"] if is_loaded else 0
    return config.checkpoint_activations or sum(memory.values()) - there > free_bytes(device)


def memory_of(shape: Shape, config: TrainConfig, precision: str, device: str) -> dict[str, int]:
    """Bytes by use, for the largest unit; see `footprint`. They do not grow with the length of a document."""
    width = 4 if precision == "fp32" else 2
    n_trained = shape.n_trained(config.rank, config.slots)
    moments = 2 if device == "cuda" else 8
    tokens, asked = micro_batch_tokens(config), conversation_tokens(config)
    again, distilled = config.checkpoint_activations, config.distill_weight > 0
    weights = shape.weights.n_bytes(precision)
    if precision not in QUANTIZED and weights <= MERGE_BYTES and not again:
        weights += 2 * shape.weights.n_linear * width  # with the adapter merged in, and their gradients
    slack = _SLACK[device]
    read = encoding_bytes(shape, tokens, rank=config.rank, width=width, recomputed=again)
    asked_of = answering_bytes(shape, asked, width=width, recomputed=again)
    activations = int(slack * (read + asked_of))
    logits = int(slack * logits_bytes(shape, answer_tokens(config), distilled=distilled))
    teacher = config.distill_tokens if distilled else 0
    per_token = shape.kv_values + 2 * shape.hidden_size + 3 * shape.intermediate_size
    return {
        "weights": weights,
        "adapter, its gradients and moments": n_trained * (4 + 4 + moments),
        "activations of a micro-batch": activations,
        "full text of the teacher": teacher * per_token * width,
        "logits of the answers": logits,
        "libraries": _OVERHEAD_BYTES[device] + max(0, _TEXT_BYTES[device] - activations - logits),
    }


def teacher_disk_bytes(shape: Shape, config: TrainConfig) -> int:
    """The most that is kept of the teacher's output until the run ends, in bytes; see `teacher`."""
    n_bytes = config.target_tokens * bytes_per_token(shape.vocab_size)
    found = 0.0
    for part, share in config.mix.items():
        if share and config.is_taught(part) and config.comes_again(part):
            drawn = config.steps * config.batch * share / sum(config.mix.values())
            found += min(drawn, _n_conversations(config, part)) * n_bytes
    return min(int(found), MOST_BYTES)


def _n_conversations(config: TrainConfig, part: str) -> float:
    """Number of distinct conversations in a part: bounded by the samples and by the lines of its file."""
    n = config.samples or math.inf
    if part not in OF_RECORDS:
        return n
    path = getattr(config, part)
    if not path:  # self-study that has yet to be generated
        return min(n, N_STUDIED)
    with suppress(OSError), Path(path).open("rb") as lines:
        n = min(n, sum(1 for _ in lines))
    return n


def micro_batch_tokens(config: TrainConfig) -> int:
    """Tokens of the largest micro-batch, with BOS, gist tokens and padding; it holds at least one segment."""
    segment = -(-(config.segment_tokens + config.slots + 1) // 16) * 16
    # a unit's segments differ in length and are padded to the longest: up to a third more
    most = config.micro_tokens if _endless(config) else min(config.micro_tokens, config.document_tokens * 4 // 3)
    return max(most, segment)


def conversation_tokens(config: TrainConfig) -> int:
    """Tokens of the largest batch of documents answered together: many short ones have as many questions as text."""
    return config.micro_tokens if _endless(config) else min(config.micro_tokens, 2 * config.document_tokens)


def answer_tokens(config: TrainConfig) -> int:
    """Answer tokens among those: a quarter of a short question and its answer, or a passage that is repeated."""
    return max(conversation_tokens(config) // 4, config.target_tokens)


def _endless(config: TrainConfig) -> bool:
    return any(config.mix.get(part) for part in _ENDLESS)


def step_seconds(shape: Shape, config: TrainConfig, device: str, precision: str) -> float:
    """Seconds per optimizer step, from its arithmetic at a third of the matrix rate measured here.

    Per token and weight, 2 operations each for: encoding without a graph, again with one, and the gradient of the
    input (and of the weights if they are merged); the teacher reads the text once.
    """
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    passes = 2 if config.unit_tokens <= config.micro_tokens else 3
    teacher = min(config.distill_tokens, config.unit_tokens) if config.distill_weight else 0
    tokens = config.batch * (passes * config.unit_tokens + teacher)
    return 2 * shape.weights.n_linear * tokens / (matrix_rate(device, dtype) / 3)


def n_evaluations(config: TrainConfig) -> int:
    """Number of evaluations: one at the start, one at the end, and those in between."""
    return 1 + -(-config.steps // config.evaluate_steps)


def evaluation_seconds(shape: Shape, config: TrainConfig, device: str, precision: str) -> float:
    """Seconds per evaluation: compressing for needles and their control, and the bottleneck check, once with full text.

    Every part of the mix has held-out units of about `unit_tokens` in all.
    """
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    n_languages = (config.korean_share > 0) + (config.korean_share < 1)
    n_samples = config.evaluate_samples * _N_DEPTHS * n_languages * len(config.evaluate_kinds)
    has_needles = bool({"passkeys", "facts"} & {part for part, share in config.mix.items() if share})
    n_gists = 2 * n_samples + n_samples // config.evaluate_samples * len(config.other_ratios)
    tokens: float = has_needles * sum(n_gists * (length + _ANSWER_TOKENS) for length in config.evaluate_lengths)
    tokens += 4 * config.unit_tokens * sum(1 for share in config.mix.values() if share)
    return 2 * shape.weights.n_linear * tokens / (matrix_rate(device, dtype) / 3)


def matrix_rate(device: str, dtype: torch.dtype, *, seconds: float = 0.3) -> float:
    """Measured operations per second of a matrix product."""
    size = 1024 if device == "cpu" else 8192
    a = torch.randn(size, size, device=device).to(dtype)
    (a @ a).sum().item()
    n, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        (a @ a)[0, 0].item()
        n += 1
    return 2 * size**3 * n / (time.perf_counter() - begun)


def free_bytes(device: str) -> int:
    """Free bytes of the card, or of the machine."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available)


def check_fits(config: TrainConfig) -> None:
    """Refuse what cannot fit before anything is loaded.

    Raises:
        UserError: it does not fit; the message has the numbers.
    """
    device, _ = choose_device(config.device)
    precision = plain_precision(device) if config.precision == "auto" else config.precision
    least = replace(config, checkpoint_activations=True)  # which happens automatically if needed
    needed = sum(memory_of(shape_of(config.base), least, precision, device).values())
    free = free_bytes(device)
    if needed > free:
        raise UserError(
            "Training on {name} in {precision} needs about {needed:.1f} GiB; {free:.1f} GiB are free.",
            "Lower micro_tokens or rank, or choose a smaller precision or base.",
            name=config.base,
            precision=precision,
            needed=needed / 2**30,
            free=free / 2**30,
        )

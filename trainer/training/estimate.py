"""What a training run will need: memory and time, from shapes and a short measurement. Loads no weights.

Estimates, from formulas that stand beside the numbers; the events of a run have what it really takes.
"""

import time
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import nn

from gistdesk.core.errors import UserError
from gistdesk.core.load import choose_device, find_model, plain_precision
from gistdesk.core.model_config import check_config
from gistdesk.core.precision import WeightCounts
from trainer.training.config import TrainConfig

_OVERHEAD_BYTES = {"cpu": 350 * 2**20, "cuda": 700 * 2**20}
"""Libraries, and on CUDA the context and what the allocator cannot use."""


@dataclass(frozen=True)
class Shape:
    """A base model's sizes. Counts of parameters, of values, and of tokens."""

    weights: WeightCounts
    n_lora_per_rank: int
    hidden_size: int
    intermediate_size: int
    n_layers: int
    kv_values: int
    vocab_size: int


def shape_of(name: str) -> Shape:
    """From the model's configuration alone. Raises UserError where it is not there or not supported."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if not name:
        raise UserError("No base model is given.", "Set base to a folder or a hub id: --set base=FOLDER.")
    folder = find_model(name).base
    check_config(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    linear = [module for module in model.model.modules() if isinstance(module, nn.Linear)]
    n_linear = sum(module.weight.numel() for module in linear)
    n_all = sum(p.numel() for p in model.parameters())
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Shape(
        WeightCounts(n_linear, n_all - n_linear),
        sum(module.in_features + module.out_features for module in linear),
        config.hidden_size,
        config.intermediate_size,
        config.num_hidden_layers,
        2 * config.num_hidden_layers * config.num_key_value_heads * head_dim,
        config.vocab_size,
    )


def estimate(config: TrainConfig) -> dict[str, Any]:
    """Memory by use in bytes, its sum beside what is free, seconds per step and for the whole run."""
    device, reason = choose_device(config.device)
    shape = shape_of(config.base)
    precision = plain_precision(device) if config.precision == "auto" else config.precision
    memory = memory_of(shape, config, precision, device)
    needed = sum(memory.values())
    seconds = step_seconds(shape, config, device, precision)
    return {
        "base": config.base,
        "device": device,
        "why_device": reason,
        "precision": precision,
        "trained_parameters": config.rank * shape.n_lora_per_rank + config.slots * shape.hidden_size,
        "memory_bytes": memory,
        "needed_bytes": needed,
        "free_bytes": free_bytes(device),
        "fits": needed <= free_bytes(device),
        "step_s": round(seconds, 2),
        "training_s": round(seconds * config.steps),
    }


def memory_of(shape: Shape, config: TrainConfig, precision: str, device: str) -> dict[str, int]:
    """Bytes by use. Activations are those of one micro-batch, whatever the document's length."""
    width = 4 if precision == "fp32" else 2
    n_trained = config.rank * shape.n_lora_per_rank + config.slots * shape.hidden_size
    moments = 2 if device == "cuda" else 8
    tokens = max(config.micro_tokens, config.segment_tokens)
    # per layer and token: two norms, q k v, attention's output, gate, up, their product; and the rank of each branch
    per_layer = (8 * shape.hidden_size + 3 * shape.intermediate_size + 7 * config.rank) * width
    if config.checkpoint_activations:
        activations = tokens * (per_layer + shape.n_layers * shape.hidden_size * width)
    else:
        activations = tokens * shape.n_layers * per_layer
    teacher = config.distill_tokens if config.distill_weight else 0
    answered = 32 * config.questions_per_document
    return {
        "weights": shape.weights.n_bytes(precision),
        "adapter, its gradients and moments": n_trained * (4 + 4 + moments),
        "activations of a micro-batch": int(activations),
        "full text of the teacher": teacher * (shape.kv_values + 6 * shape.hidden_size) * width,
        "logits of the answers": 4 * 4 * answered * shape.vocab_size,
        "libraries": _OVERHEAD_BYTES[device],
    }


def step_seconds(shape: Shape, config: TrainConfig, device: str, precision: str) -> float:
    """Seconds per optimizer step from its arithmetic at a third of the matrix rate that is measured here.

    Per token and weight 2 operations each for: encoding without a graph, again with one, and the gradient of what
    goes in (and of the weights where they are merged); the teacher reads the text once.
    """
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    passes = 2 if config.document_tokens <= config.micro_tokens else 3
    teacher = min(config.distill_tokens, config.document_tokens) if config.distill_weight else 0
    tokens = config.batch * (passes * config.document_tokens + teacher)
    return 2 * shape.weights.n_linear * tokens / (matrix_rate(device, dtype) / 3)


def matrix_rate(device: str, dtype: torch.dtype, *, seconds: float = 0.3) -> float:
    """Operations per second of a matrix product, measured."""
    size = 1024 if device == "cpu" else 8192
    a = torch.randn(size, size, device=device).to(dtype)
    (a @ a).sum().item()
    n, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        (a @ a)[0, 0].item()
        n += 1
    return 2 * size**3 * n / (time.perf_counter() - begun)


def free_bytes(device: str) -> int:
    """Of the card, or of the machine."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available)


def check_fits(config: TrainConfig) -> None:
    """Refuse what cannot fit, before anything is loaded.

    Raises:
        UserError: with the numbers.
    """
    device, _ = choose_device(config.device)
    precision = plain_precision(device) if config.precision == "auto" else config.precision
    needed = sum(memory_of(shape_of(config.base), config, precision, device).values())
    free = free_bytes(device)
    if needed > free:
        raise UserError(
            f"Training on {config.base} in {precision} needs about {needed / 2**30:.1f} GiB, "
            f"{free / 2**30:.1f} GiB are free.",
            "Lower micro_tokens or rank, set checkpoint_activations, or choose a smaller precision or base.",
        )

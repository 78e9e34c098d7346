"""Loads a decoder and a tokenizer from a model folder: one tensor after another, straight to its destination.

At no time are all weights in memory in any form but the requested one: a model of 8 billion in 4 bits takes 5 GB
while loading, not 16. The configuration has already been checked against the files; knows nothing of adapters.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from gistdesk.core.json_file import read_object
from gistdesk.core.model_config import weight_files
from gistdesk.core.precision import QUANTIZED
from gistdesk.core.quantize import quantize_layer

_STACK = "model."


def read_tokenizer(folder: Path, config: Any) -> Any:
    """The tokenizer in a folder. If its files are damaged, transformers raises errors of its own."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, config=config, local_files_only=True, trust_remote_code=False)


def read_weights(
    folder: Path, config: Any, device: torch.device, precision: str, on_share: Callable[[float], None]
) -> Any:
    """A causal decoder on `device`, for answering: no weight requires a gradient.

    Args:
        config: made from this folder by `model_config.read_config`.
        precision: "nf4", "int8", "bf16" or "fp32".
        on_share: called with the share of tensors loaded so far. It may raise.
    """
    from accelerate import init_empty_weights  # type: ignore[import-untyped]
    from transformers import AutoModelForCausalLM

    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    with init_empty_weights(include_buffers=False):  # rotary frequencies are not weights: they are computed, in float32
        causal_lm: Any = AutoModelForCausalLM.from_config(config, dtype=dtype)
    causal_lm.eval().requires_grad_(False)
    files = _files(folder)
    owners = [name for name, module in causal_lm.named_modules() if any(True for _ in module.parameters(False))]
    for number, owner in enumerate(owners):
        if config.tie_word_embeddings and owner == "lm_head":
            continue
        on_share(number / len(owners))
        module = causal_lm.get_submodule(owner)
        quantized = precision in QUANTIZED and isinstance(module, nn.Linear) and owner.startswith(_STACK)
        for name in [name for name, _ in module.named_parameters(recurse=False)]:
            tensor = _copied(files, f"{owner}.{name}", torch.device("cpu") if quantized else device, dtype)
            setattr(module, name, nn.Parameter(tensor, requires_grad=False))
        if quantized:
            quantize_layer(causal_lm.model, owner.removeprefix(_STACK), precision, device)
    if config.tie_word_embeddings:
        causal_lm.lm_head.weight = causal_lm.model.embed_tokens.weight
    causal_lm.generation_config.eos_token_id = _ends(folder, config)
    return causal_lm.to(device)


def _files(folder: Path) -> dict[str, Path]:
    """The file that each tensor is in."""
    files: dict[str, Path] = {}
    for path in weight_files(folder):
        with safe_open(path, "pt") as opened:
            files |= dict.fromkeys(opened.keys(), path)
    return files


def _copied(files: Mapping[str, Path], name: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    """One tensor on its device; a copy, since the contents of the file's memory map are lost if the file shrinks.

    The file is opened for this tensor alone: what was read through an open map counts as the process's memory, and a
    model of 1 billion took twice its size to load while its files stayed open (`tests/benchmarks/loading.py`).
    """
    with safe_open(files[name], "pt") as opened:
        tensor: Tensor = opened.get_tensor(name)
        return tensor.to(device=device, dtype=dtype, copy=True)


def _ends(folder: Path, config: Any) -> list[int]:
    """Tokens that end an answer: generation_config.json often lists more of them than config.json."""
    path = folder / "generation_config.json"
    said = read_object(path).get("eos_token_id") if path.is_file() else None
    ends = config.eos_token_id if said is None else said
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(isinstance(end, int) for end in ends):
        raise ValueError("its generation_config.json has an impossible eos_token_id")
    return ends

"""Decoders held in 4 bits (NF4) or 8, as the trainer, chat and benchmark use them.

Only the linear layers inside the decoder are quantized; embedding, output matrix and norms stay as they are, so
the prompt and the answer use the same table. Knows nothing of files and adapters.
"""

import logging
import sys
from importlib import import_module
from typing import Any

import torch
from torch import nn


def bitsandbytes() -> Any:
    """The module, kept quiet and off the network.

    If the package kernels is installed, it would download code from a hub and run it. In 8 bits every layer would
    report on every pass that it casts its input.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    unused = "kernels" not in sys.modules
    if unused:
        sys.modules["kernels"] = None  # type: ignore[assignment]
    try:
        return import_module("bitsandbytes")
    finally:
        if unused:
            del sys.modules["kernels"]


def quantize(causal_lm: Any, precision: str, device: torch.device) -> None:
    """Replace the decoder's linear layers by quantized ones, then move the rest to `device`.

    NF4 with double quantization, computing in bfloat16 (QLoRA), or LLM.int8. A layer's weights are quantized on their
    final device, so the GPU never holds all of them unquantized.
    """
    stack: nn.Module = causal_lm.model
    names = [name for name, module in stack.named_modules() if isinstance(module, nn.Linear)]
    for name in names:  # by name: a list of modules would hold all weights until the end
        quantize_layer(stack, name, precision, device)
    causal_lm.to(device)
    causal_lm.requires_grad_(False)


def quantize_layer(stack: nn.Module, name: str, precision: str, device: torch.device) -> None:
    """Replace one linear layer of a decoder, its weights loaded, by a quantized one on `device`."""
    bnb = bitsandbytes()
    module: Any = stack.get_submodule(name)
    bias = module.bias is not None
    layer: Any
    if precision == "nf4":
        layer = bnb.nn.Linear4bit(
            module.in_features,
            module.out_features,
            bias,
            compute_dtype=module.weight.dtype if module.weight.dtype == torch.float32 else torch.bfloat16,
            compress_statistics=True,
            quant_type="nf4",
            device="meta",
        )
        layer.weight = bnb.nn.Params4bit(
            module.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4", module=layer
        )
        # With AVX512-BF16, any no-grad pass repacks the weights, and later gradients are wrong or missing.
        layer.support_avx512bf16_for_cpu = False
    else:
        layer = bnb.nn.Linear8bitLt(
            module.in_features, module.out_features, bias, has_fp16_weights=False, device="meta"
        )
        layer.weight = bnb.nn.Int8Params(module.weight.data, requires_grad=False, has_fp16_weights=False)
    if bias:
        layer.bias = nn.Parameter(module.bias.data, requires_grad=False)
    parent, _, child = name.rpartition(".")
    # on a CPU an 8-bit layer computes differently while its module is in training mode
    setattr(stack.get_submodule(parent), child, layer.to(device).train(module.training))


def is_quantized(stack: nn.Module) -> bool:
    """Whether any layer's weights have fewer bits than its computation."""
    return any(type(module).__name__ in ("Linear4bit", "Linear8bitLt") for module in stack.modules())

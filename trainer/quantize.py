"""Base models as training holds them: 4 bits (NF4), 8 bits, bfloat16 or float32, frozen.

Only the linear layers inside the decoder are quantized; embedding, output matrix and norms stay as they are, and so
the prompt and the answer read the same table. Knows nothing of adapters beyond that they are added by a branch.
"""

from importlib import import_module
from typing import Any

import torch
from torch import nn

from gistdesk.core.adapter import Adapter, Encoder, branched_encoder, merged_encoder
from gistdesk.core.errors import UserError
from gistdesk.core.load import choose_device, choose_dtype, load_model
from gistdesk.core.model import GistModel

_MERGE_BYTES = 256 * 2**20
"""Merging W + B A costs a second copy of all weights and a gradient for each: only small bases are worth it."""


def load_base(name: str, *, device: str, precision: str) -> GistModel:
    """A model without an adapter, ready to be trained around.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "auto", "nf4", "int8", "bf16" or "fp32".

    Raises:
        UserError: unknown, unsuitable, damaged or too large.
    """
    device, _ = choose_device(device)
    dtype = {"fp32": torch.float32, "auto": choose_dtype(device)}.get(precision, torch.bfloat16)
    quantized = precision in ("nf4", "int8")
    # the layers go to the card one by one, as they become small
    model = load_model(name, device="cpu" if quantized else device, dtype=dtype, need_adapter=False)
    model.adapter = model.encoder = None
    if quantized:
        try:
            quantize(model.causal_lm, precision, torch.device(device))
        except torch.cuda.OutOfMemoryError as error:
            raise UserError(
                f"The model {name} does not fit into the card's memory in {precision}.", "Choose a smaller model."
            ) from error
    return model


def quantize(causal_lm: Any, precision: str, device: torch.device) -> None:
    """Replace the decoder's linear layers by quantized ones, then move the rest to `device`.

    NF4 with double quantization, computing in bfloat16 (QLoRA), or LLM.int8. A layer's weights are quantized where
    it will live.
    """
    bnb: Any = import_module("bitsandbytes")
    stack: nn.Module = causal_lm.model
    compute = torch.float32 if causal_lm.dtype == torch.float32 else torch.bfloat16
    for name, module in list(stack.named_modules()):
        if not isinstance(module, nn.Linear):
            continue
        bias = module.bias is not None
        layer: Any
        if precision == "nf4":
            layer = bnb.nn.Linear4bit(
                module.in_features,
                module.out_features,
                bias,
                compute_dtype=compute,
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
        # on a CPU an 8-bit layer computes something else while its module is in training mode
        setattr(stack.get_submodule(parent), child, layer.to(device).train(module.training))
    causal_lm.to(device)
    causal_lm.requires_grad_(False)


def is_quantized(stack: nn.Module) -> bool:
    """Whether any layer's weights are held in fewer bits than they are computed in."""
    return any(type(module).__name__ in ("Linear4bit", "Linear8bitLt") for module in stack.modules())


def training_encoder(stack: nn.Module, adapter: Adapter, *, checkpoint_layers: bool = False) -> Encoder:
    """Merged for a small base with plain weights, branched for all others; the test of the two holds them equal."""
    n_bytes = sum(p.numel() * p.element_size() for p in stack.parameters())
    if checkpoint_layers:
        from trainer.recompute import recomputing_encoder

        return recomputing_encoder(stack, adapter)
    if is_quantized(stack) or n_bytes > _MERGE_BYTES:
        return branched_encoder(stack, adapter)
    return merged_encoder(stack, adapter)

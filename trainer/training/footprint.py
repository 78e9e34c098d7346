"""How many bytes a training step keeps for its gradients, counted per layer and token from a model's shape.

What autograd saves in a decoder layer of the Llama family, with an attention kernel that keeps no square matrix. A
test counts the tensors of real layers on the meta device and checks that these formulas are within a tenth.
Knows shapes; knows nothing of configurations, devices or time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gistdesk.core.precision import WeightCounts


@dataclass(frozen=True)
class Shape:
    """A base model's sizes: counts of parameters, values and tokens.

    Attributes:
        n_lora_per_rank: in and out features of all linear layers together.
        query_size, kv_size: values of all heads at one position of one layer; kv_size of keys alone.
        has_head_norms: queries and keys are normed (Qwen 3).
    """

    weights: WeightCounts
    n_lora_per_rank: int
    hidden_size: int
    intermediate_size: int
    n_layers: int
    n_heads: int
    query_size: int
    kv_size: int
    vocab_size: int
    has_head_norms: bool = False

    @property
    def kv_values(self) -> int:
        """Keys and values of all layers at one position."""
        return 2 * self.n_layers * self.kv_size

    def n_trained(self, rank: int, slots: int) -> int:
        """Number of parameters in an adapter."""
        return rank * self.n_lora_per_rank + slots * self.hidden_size


def shape_on_disk(folder: Path) -> Shape:
    """A model's shape from its configuration alone; loads no weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        return shape_of_model(AutoModelForCausalLM.from_config(config))


def shape_of_model(causal_lm: Any) -> Shape:
    """The shape of a loaded model, whatever the precision of its weights."""
    config = causal_lm.config
    linear = [module for module in causal_lm.model.modules() if isinstance(module, nn.Linear)]
    n_linear = sum(module.in_features * module.out_features for module in linear)  # a quantized weight is packed
    inside = {id(p) for module in linear for p in module.parameters()}
    n_other = sum(p.numel() for p in causal_lm.parameters() if id(p) not in inside)
    n_other += sum(module.out_features for module in linear if module.bias is not None)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Shape(
        WeightCounts(n_linear, n_other),
        sum(module.in_features + module.out_features for module in linear),
        config.hidden_size,
        config.intermediate_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.num_attention_heads * head_dim,
        config.num_key_value_heads * head_dim,
        config.vocab_size,
        hasattr(causal_lm.model.layers[0].self_attn, "q_norm"),
    )


def encoding_bytes(shape: Shape, tokens: int, *, rank: int, width: int, recomputed: bool) -> int:
    """Bytes for one micro-batch encoded with a graph, the adapter's branches on.

    Args:
        tokens: rows times their width, including BOS, gist tokens and padding.
        width: bytes per value, 2 or 4.
        recomputed: each layer keeps only its input, keys and values; one layer at a time keeps everything.
    """
    # into the branches of q k v, of o, of gate and up, of down; gate, its activation, up
    inputs = 2 * shape.hidden_size + shape.query_size + shape.intermediate_size
    inputs += 7 * rank + 3 * shape.intermediate_size
    layer = _attended(shape, width) + inputs * width
    factors = rank * shape.n_lora_per_rank * width if width < 4 else 0  # their copies in the base's precision
    if recomputed:
        return int(tokens * _recomputed(shape, layer, width) + factors / shape.n_layers)
    return int(tokens * shape.n_layers * layer + factors)


def answering_bytes(shape: Shape, tokens: int, *, width: int, recomputed: bool) -> int:
    """Bytes for the conversations read after the gists with a graph, the adapter off.

    Args:
        tokens: rows times their width, slots not counted.
    """
    # rows of different lengths need a mask, and then keys and values are repeated for every query head
    repeated = 2 * (shape.query_size - shape.kv_size)
    layer = _attended(shape, width) + (shape.query_size + repeated + 3 * shape.intermediate_size) * width
    return int(tokens * (_recomputed(shape, layer, width) if recomputed else shape.n_layers * layer))


def _recomputed(shape: Shape, layer: float, width: int) -> float:
    """Per token: every layer's input, with the keys and values of all layers while they are read, and one whole layer.

    In the backward pass, that one layer also holds the gradients of gate, up and their product.
    """
    inputs, kv = shape.n_layers * shape.hidden_size * width, 2 * shape.n_layers * shape.kv_size * width
    return inputs + layer + max(kv, 3 * shape.intermediate_size * width)


def _attended(shape: Shape, width: int) -> int:
    """Per token: what both norms keep in 32 bits; queries, keys, values, and the softmax sums."""
    normed = 2 * shape.hidden_size + (shape.query_size + shape.kv_size if shape.has_head_norms else 0)
    return 4 * normed + (shape.query_size + 2 * shape.kv_size) * width + 4 * shape.n_heads


def logits_bytes(shape: Shape, tokens: int, *, distilled: bool) -> int:
    """Bytes for the answers' logits in 32 bits: themselves, their logarithms, and the gradient of both.

    Args:
        tokens: answer tokens.
        distilled: the divergence to a teacher keeps logarithms of its own.
    """
    return 4 * tokens * shape.vocab_size * (3 + distilled)

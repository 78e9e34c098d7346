"""How much what a model says next depends on each key of the text before it. Knows nothing of which keys are kept.

Attention tells where a model looks; this tells what would change if it looked elsewhere.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.attention import BiasedCache
from gistdesk.core.model import GistModel


def sensitivity(model: GistModel, cache: DynamicCache, first: int, said: Sequence[Sequence[int]]) -> Tensor:
    """Fisher information, estimated from what was drawn: squares of the gradient of its log-probability.

    The gradient is by a bias on each key's score, for every query by itself; heads that share a key are added before
    the square, queries after it.

    Args:
        cache: of one row, which ends with the text and stays as it is.
        first: the number of the text's first key in it.
        said: token ids of each thing that the model said after the text.

    Returns:
        (n_layers, n_kv_heads, n_tokens) of the text's keys, in float32; 0 where nothing longer than a token was said.
    """
    layers: list[Any] = list(cache.layers)
    pairs = [(layer.keys, layer.values) for layer in layers]
    _, n_heads, n_before, _ = pairs[0][0].shape
    found = torch.zeros(len(pairs), n_heads, n_before - first, device=model.device)
    for ids in said:
        if len(ids) < 2:
            continue
        shape = n_heads, len(ids) - 1, n_before
        biases = [torch.zeros(shape, device=model.device, requires_grad=True) for _ in pairs]
        with torch.enable_grad():
            biased = BiasedCache(pairs, biases, model.causal_lm.config)
            logits = model.logits(model.decode(torch.tensor([ids[:-1]]), biased, n_before))[0].float()
            told = torch.tensor(ids[1:], device=model.device)
            likelihood = -torch.nn.functional.cross_entropy(logits, told, reduction="sum")
            gradients = torch.autograd.grad(likelihood, biases)
        found += torch.stack([gradient[..., first:].square().sum(dim=1) for gradient in gradients])
    return found

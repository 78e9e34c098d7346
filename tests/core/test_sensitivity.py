"""What is said next depends on a key as much as it changes when the key is looked at a little more."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.attention import BiasedCache
from gistdesk.core.model import GistModel
from gistdesk.core.sensitivity import sensitivity
from tests.core.tiny_models import PLAIN, Kind, every_kind, random_ids, tiny_model

FIRST, N_TEXT = 3, 9


def read(kind: Kind) -> tuple[GistModel, DynamicCache, list[list[int]]]:
    """A model in float32, a cache of a prefix and a text, and two things to say after it."""
    model, random = tiny_model(kind), torch.Generator().manual_seed(5)
    cache = DynamicCache(config=model.causal_lm.config)
    with torch.no_grad():
        model.decode(random_ids(random, FIRST + N_TEXT, kind)[None], cache, 0)
    return model, cache, [random_ids(random, n, kind).tolist() for n in (4, 3)]


def layers_of(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    layers: list[Any] = list(cache.layers)
    return [(layer.keys, layer.values) for layer in layers]


def likelihood(model: GistModel, cache: DynamicCache, ids: Sequence[int], biases: list[Tensor]) -> float:
    """Log-probability of all but the first token."""
    biased = BiasedCache(layers_of(cache), biases, model.causal_lm.config)
    with torch.no_grad():
        hidden = model.decode(torch.tensor([ids[:-1]]), biased, FIRST + N_TEXT)
        found = model.logits(hidden)[0].double().log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])
    return float(found.sum())


@every_kind
def test_it_is_what_a_bias_on_the_key_would_change(kind: Kind) -> None:
    """By differences, query by query: squared, and added over queries and over what is said."""
    model, cache, said = read(kind)
    found = sensitivity(model, cache, FIRST, said)
    n_layers, n_heads = len(cache.layers), found.shape[1]
    assert found.shape == (n_layers, n_heads, N_TEXT) and (found >= 0).all() and found.max() > 0
    layer, head, token = (int(each) for each in torch.unravel_index(found.argmax(), found.shape))
    changed = 0.0
    for ids in said:
        for query in range(len(ids) - 1):
            sides = []
            for step in (1e-2, -1e-2):
                biases = [torch.zeros(n_heads, len(ids) - 1, FIRST + N_TEXT) for _ in range(n_layers)]
                biases[layer][head, query, FIRST + token] = step
                sides.append(likelihood(model, cache, ids, biases))
            changed += ((sides[0] - sides[1]) / 2e-2) ** 2
    assert changed == pytest.approx(float(found[layer, head, token]), rel=0.05)


def test_the_cache_stays_as_it_is_and_single_tokens_say_nothing() -> None:
    model, cache, said = read(PLAIN)
    before = torch.cat([part.flatten() for pair in layers_of(cache) for part in pair])
    both = sensitivity(model, cache, FIRST, said)
    assert torch.equal(torch.cat([part.flatten() for pair in layers_of(cache) for part in pair]), before)
    assert cache.get_seq_length() == FIRST + N_TEXT and not both.requires_grad
    assert torch.equal(sensitivity(model, cache, FIRST, [*said, [7]]), both)
    apart = sum(sensitivity(model, cache, FIRST, [each]) for each in said)
    assert torch.allclose(torch.as_tensor(apart), both, rtol=1e-4)
    assert not sensitivity(model, cache, FIRST, [[7]]).any()

"""Checks the pulse before every layer of the model: the finest grain at which a calculation can stop.

One long segment, or a text that is read in one piece, is a single call into the model, and takes a large model on a
CPU minutes. Knows nothing of what is calculated.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gistdesk.core.model import GistModel


@contextmanager
def layers_watched(model: GistModel, before_layer: Callable[[int], None]) -> Iterator[None]:
    """While open, calls `before_layer` with the number of token positions that a layer is about to read.

    Whatever it raises ends the calculation; the model itself is unharmed, but not a cache that was being filled.
    """

    def hook(module: Any, inputs: tuple[Any, ...]) -> None:
        before_layer(inputs[0].shape[0] * inputs[0].shape[1])

    with ExitStack() as hooks:
        for layer in model.causal_lm.model.layers:
            hooks.callback(layer.register_forward_pre_hook(hook).remove)
        yield

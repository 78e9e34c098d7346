"""A base model to train an adapter on: loaded as the chat loads it, without an adapter, frozen.

Knows nothing of adapters beyond how the base runs with one.
"""

from torch import nn

from gistdesk.core.adapter import Adapter, Encoder
from gistdesk.core.load import choose_device, encoder_of, load_model, plain_precision
from gistdesk.core.model import GistModel

MERGE_BYTES = 256 * 2**20
"""Merging W + B A costs a second copy of all weights and a gradient for each, so it only pays for small bases."""


def load_base(name: str, *, device: str, precision: str) -> GistModel:
    """Load a model without an adapter.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "nf4", "int8", "bf16" or "fp32"; "auto" is bf16 if the processor does it well, else fp32.

    Raises:
        UserError: unknown, unsuitable, damaged or too large.
    """
    device, _ = choose_device(device)
    wanted = plain_precision(device) if precision == "auto" else precision
    model = load_model(name, device=device, precision=wanted, need_adapter=False)
    model.adapter = model.encoder = None
    return model


def training_encoder(stack: nn.Module, adapter: Adapter, *, checkpoint_layers: bool = False) -> Encoder:
    """Merged for a small base with plain weights, branched for all others; a test checks that the two agree."""
    if checkpoint_layers:
        from trainer.training.recompute import recomputing_encoder

        return recomputing_encoder(stack, adapter)
    return encoder_of(stack, adapter, merge_bytes=MERGE_BYTES)

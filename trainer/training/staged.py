"""Back-propagation from answers through gists to the adapter, with memory that does not grow with the document.

First all segments are encoded without a graph, micro-batch by micro-batch, and their keys and values become leaves.
The answer loss is back-propagated to those leaves with the adapter off. Then each micro-batch is encoded once more,
with a graph, and the gradients of its leaves are pushed through it. Exact: one extra forward pass for one micro-batch
of activations at any length. A unit that fits into one micro-batch keeps its graph and needs no second pass.

Knows nothing of losses, optimizers or where a unit comes from.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from gistdesk.core.gist import join
from gistdesk.core.layout import encoder_rows
from gistdesk.core.model import GistModel
from trainer.data.units import Unit

_WIDTH_MULTIPLE = 16
"""oneDNN generates machine code for every shape it meets: the fewer widths, the less of it."""


Loss = Callable[[Sequence[int], list[Tensor]], Tensor]
"""Some of a unit's documents and the gist of each, (n_layers, 2, n_kv_heads, n_slots, head_dim) -> scalar."""


def staged_backward(
    model: GistModel, unit: Unit, loss_of: Loss, *, micro_tokens: int, document_batches: Sequence[Sequence[int]]
) -> None:
    """Add the gradients of the unit's losses, summed over `document_batches`, to the adapter's parameters.

    Args:
        loss_of: called once per batch of documents; it returns nothing but the loss.
        micro_tokens: tokens that are encoded with a graph at a time, padding included; at least one segment is.
        document_batches: which documents are answered together.
    """
    batches = list(micro_batches(row_lengths(model, unit), micro_tokens))
    keep_graph = len(batches) == 1
    encoded: list[Tensor] = []
    for batch in batches:
        with torch.set_grad_enabled(keep_graph):
            encoded.append(encode_segments(model, unit, batch))
    # gradients of many document batches are summed in float32; those of one batch, as for a long document, need no copy
    dtype = torch.float32 if len(document_batches) > 1 else encoded[0].dtype
    leaves = [kv.detach().to(dtype).requires_grad_() for kv in encoded]
    segments = _by_segment(unit, batches, leaves)
    for documents in document_batches:
        torch.autograd.backward(
            loss_of(documents, [join([segments[i] for i in unit.documents[d]], model.inv_freq) for d in documents])
        )
    for batch, kv, leaf in zip(batches, encoded, leaves, strict=True):
        if leaf.grad is None:
            continue
        again = kv if keep_graph else encode_segments(model, unit, batch)
        torch.autograd.backward(again, leaf.grad.to(again.dtype))
        leaf.grad = None


def encode_unit(model: GistModel, unit: Unit, *, micro_tokens: int) -> list[Tensor]:
    """The gist of every document, without a graph; (n_layers, 2, n_kv_heads, n_slots, head_dim) each."""
    batches = list(micro_batches(row_lengths(model, unit), micro_tokens))
    with torch.no_grad():
        segments = _by_segment(unit, batches, [encode_segments(model, unit, batch) for batch in batches])
        return [join([segments[i] for i in document], model.inv_freq) for document in unit.documents]


def row_lengths(model: GistModel, unit: Unit) -> list[int]:
    """Tokens in every segment's row, including BOS, gist tokens, and the padding that every row has."""
    n_bos = len(model.bos_ids)
    lengths = (n_bos + len(text) + n for text, n in zip(unit.texts, unit.n_slots, strict=True))
    return [-(-length // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE for length in lengths]


def micro_batches(lengths: Sequence[int], micro_tokens: int) -> Iterator[list[int]]:
    """Indices of rows encoded together: in order, up to `micro_tokens` tokens including padding."""
    batch: list[int] = []
    width = 0
    for i, length in enumerate(lengths):
        width = max(width, length)
        if batch and width * (len(batch) + 1) > micro_tokens:
            yield batch
            batch, width = [], length
        batch.append(i)
    if batch:
        yield batch


def encode_segments(model: GistModel, unit: Unit, numbers: Sequence[int]) -> Tensor:
    """Slots of these segments one after another, each segment's first slot at position 0.

    Returns:
        (n_layers, 2, n_kv_heads, n_slots, head_dim).
    """
    assert model.adapter is not None
    counts = [unit.n_slots[i] for i in numbers]
    rows = encoder_rows(
        [unit.texts[i] for i in numbers],
        counts,
        bos_ids=model.bos_ids,
        gist_ids=model.adapter.gist_ids,
        width_multiple=_WIDTH_MULTIPLE,
    )
    return model.encode(rows, torch.cat([torch.arange(n) for n in counts]))


def _by_segment(unit: Unit, batches: Sequence[Sequence[int]], encoded: Sequence[Tensor]) -> dict[int, Tensor]:
    found: dict[int, Tensor] = {}
    for batch, kv in zip(batches, encoded, strict=True):
        found.update(zip(batch, kv.split([unit.n_slots[i] for i in batch], dim=3), strict=True))
    return found

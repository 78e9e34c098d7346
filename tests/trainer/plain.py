"""The plainest way from documents to gists: what every other way of encoding is held against."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gistdesk.core.layout import cut_segments, encoder_rows
from gistdesk.core.model import GistModel


def encode_documents(
    model: GistModel, documents: Sequence[Tensor], *, segment_tokens: int, ratio: float
) -> list[Tensor]:
    """All segments in one batch, with a graph -> per document (n_layers, 2, n_kv_heads, n_slots, head_dim)."""
    adapter = model.adapter
    assert adapter is not None
    texts, n_slots, positions, per_document = [], [], [], []
    for ids in documents:
        segments = cut_segments(
            ids,
            segment_tokens=segment_tokens,
            ratio=ratio,
            max_slots=adapter.max_slots,
            ends_sentence=model.ends_sentence,
        )
        texts += [ids[s.start : s.start + s.n_tokens] for s in segments]
        n_slots += [s.n_slots for s in segments]
        per_document.append(sum(s.n_slots for s in segments))
        positions.append(torch.arange(per_document[-1]))
    rows = encoder_rows(texts, n_slots, bos_ids=model.bos_ids, gist_ids=adapter.gist_ids)
    return list(model.encode(rows, torch.cat(positions)).split(per_document, dim=3))

"""Where the tokens go: how a document is cut, and the order of tokens in the encoder's rows.

The only place that decides token order and positions; training, chat and benchmark all read it from here.
Knows nothing of models, files or text: token ids in, token ids out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LAYOUT_VERSION = 1
"""Raised whenever a gist made under the old rules would be misread under the new ones."""


@dataclass(frozen=True)
class Segment:
    """One piece of a document and the gist slots that stand in for it.

    Attributes:
        start: index of its first token in the document.
        n_tokens: its length in tokens.
        n_slots: gist tokens kept for it, at least 1.
    """

    start: int
    n_tokens: int
    n_slots: int


def cut_segments(
    token_ids: Sequence[int] | Tensor,
    *,
    segment_tokens: int,
    ratio: float,
    max_slots: int,
    ends_sentence: Tensor | None = None,
) -> list[Segment]:
    """Cut a document into segments of at most `segment_tokens`, each ending at a sentence end if one is near.

    The rest is divided evenly among as few segments as it needs: a short last segment would have too few slots
    to keep a fact (of 14 passkeys at the very end of 2,048 and 4,096 English tokens 1 was found, and 56 of 56 before).
    A cut moves back to the last sentence end within the final quarter of a segment, so that a statement is rarely
    split between two segments, which could each keep only half of it. Slots are allotted against the
    running total: after t tokens floor(t / ratio) slots have been given, and every segment has at least one. A low
    ratio shortens the segments instead of asking one for more than `max_slots`.

    Args:
        token_ids: the document, (n_tokens,).
        segment_tokens: longest segment, in tokens.
        ratio: document tokens per gist slot, at least 1.
        max_slots: most slots that one segment may have.
        ends_sentence: bool per vocabulary id, (vocab_size,): this token ends a sentence. None ignores sentences.
    """
    ids = torch.as_tensor(token_ids, dtype=torch.long)
    ends = torch.zeros(len(ids), dtype=torch.bool) if ends_sentence is None else ends_sentence[ids]
    window = max(1, min(segment_tokens, int(ratio * max_slots)))
    segments: list[Segment] = []
    start = given = 0
    while start < len(ids):
        left = len(ids) - start
        n_left = -(-left // window)
        length = -(-left // n_left)
        stop = start + length
        if n_left > 1:
            earliest = start + (3 * length) // 4
            near = ends[earliest:stop].nonzero()
            if len(near):
                stop = earliest + int(near[-1]) + 1
        # 49 slots for n tokens make a ratio of n / 49, and n / (n / 49) can be slightly below 49
        due = int(stop / ratio * (1 + 1e-12))
        n_slots = min(max(1, due - given), max_slots)
        segments.append(Segment(start, stop - start, n_slots))
        given += n_slots
        start = stop
    return segments


@dataclass(frozen=True)
class EncoderRows:
    """A batch for the encoding pass, one row per segment: BOS, text, gist tokens, then padding.

    Attention is causal and the padding comes last, so no real token ever sees it: no mask is needed.

    Attributes:
        input_ids: (n_rows, width).
        slot_rows: (n_slots,) the row of every slot, segment by segment.
        slot_columns: (n_slots,) its column, which is also its position in the encoding pass.
    """

    input_ids: Tensor
    slot_rows: Tensor
    slot_columns: Tensor


def encoder_rows(
    texts: Sequence[Tensor],
    n_slots: Sequence[int],
    *,
    bos_ids: Sequence[int],
    gist_ids: Sequence[int],
    width_multiple: int = 1,
) -> EncoderRows:
    """Lay out segments for the encoding pass.

    The gist tokens of a row are always the first k of `gist_ids`: with causal attention that makes the first k
    slots of an n-slot encoding equal to a k-slot encoding, so one adapter serves every ratio.

    Args:
        texts: token ids of each segment, (n_tokens,) each.
        n_slots: gist tokens for each.
        bos_ids: tokens the model expects before any text; may be empty.
        gist_ids: vocabulary ids of the gist tokens, in order.
        width_multiple: pad further, to a multiple of this width; the values at the slots do not change.
    """
    if max(n_slots) > len(gist_ids):
        raise ValueError(f"{max(n_slots)} slots are asked of {len(gist_ids)} gist tokens")
    bos = torch.tensor(list(bos_ids), dtype=torch.long)
    gist = torch.tensor(list(gist_ids), dtype=torch.long)
    rows = [torch.cat([bos, text, gist[:k]]) for text, k in zip(texts, n_slots, strict=True)]
    width = -(-max(len(row) for row in rows) // width_multiple) * width_multiple
    padded = torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])
    slot_rows = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(list(n_slots)))
    slot_columns = torch.cat([torch.arange(len(row) - k, len(row)) for row, k in zip(rows, n_slots, strict=True)])
    return EncoderRows(padded, slot_rows, slot_columns)

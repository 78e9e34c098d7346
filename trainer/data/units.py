"""A unit of training work: segments, documents put together from them, and questions about those.

A text is cut as compressing cuts it. Knows nothing of encoding, losses or how hard samples are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gistdesk.core.layout import cut_segments
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.data.samples import Sample


@dataclass(frozen=True)
class Unit:
    """The smallest piece of training work: segments to encode, documents put together from them, questions.

    Attributes:
        part: what kind of sample it is; its loss is reported under that name.
        texts: (n_tokens,) each, the segments.
        n_slots: gist tokens of every segment.
        documents: each document's segments, as indices into `texts`.
        turns: each document's questions with their answers.
    """

    part: str
    texts: Sequence[Tensor]
    n_slots: Sequence[int]
    documents: Sequence[Sequence[int]]
    turns: Sequence[tuple[Turn, ...]]

    @property
    def n_tokens(self) -> int:
        """Document tokens that are encoded."""
        return sum(len(text) for text in self.texts)

    def text(self, document: int) -> Tensor:
        """(n_tokens,) the whole text of a document."""
        return torch.cat([self.texts[i] for i in self.documents[document]])

    def n_document_tokens(self, document: int) -> int:
        return sum(len(self.texts[i]) for i in self.documents[document])


def unit_of(model: GistModel, part: str, sample: Sample, *, n_slots: int) -> Unit:
    """One document, cut as compressing cuts it, with about `n_slots` gist tokens to a full segment."""
    adapter = model.adapter
    if adapter is None:
        raise RuntimeError("training needs a model with gist tokens")
    length = min(adapter.segment_tokens, len(sample.token_ids))
    return unit_cut(model, part, sample.token_ids, [sample.turns], ratio=max(1.0, length / n_slots))


def unit_cut(
    model: GistModel, part: str, token_ids: Tensor, conversations: Sequence[tuple[Turn, ...]], *, ratio: float
) -> Unit:
    """One text, cut as compressing cuts it at this ratio, with one or more conversations about it."""
    adapter = model.adapter
    if adapter is None:
        raise RuntimeError("training needs a model with gist tokens")
    segments = cut_segments(
        token_ids,
        segment_tokens=adapter.segment_tokens,
        ratio=ratio,
        max_slots=adapter.max_slots,
        ends_sentence=model.ends_sentence,
    )
    texts = [token_ids[s.start : s.start + s.n_tokens] for s in segments]
    documents = [range(len(segments))] * len(conversations)
    return Unit(part, texts, [s.n_slots for s in segments], documents, list(conversations))

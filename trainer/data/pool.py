"""Segments that are encoded once and put together into many documents. Knows nothing of encoding or losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from torch import Tensor

from trainer.data.samples import Sample


@dataclass(frozen=True)
class Pool:
    """Segments encoded once and combined into many documents.

    Attributes:
        keyed: samples of one segment each.
        plain: (n_tokens,) segments without a fact; a document may hold one several times.
        n_slots: gist tokens of every segment, keyed ones first.
        distracting: keyed segments also appear in each other's documents: no two of them may answer one question.
    """

    keyed: Sequence[Sample]
    plain: Sequence[Tensor]
    n_slots: Sequence[int]
    distracting: bool = False

    def document(self, random: Random, own: int, n_segments: int) -> list[int]:
        """Which segments make up the document of sample `own`: its own among up to `n_segments` - 1 others."""
        others = list(range(len(self.keyed), len(self.n_slots)))
        if self.distracting:
            others += [i for i in range(len(self.keyed)) if i != own]
        order = random.choices(others, k=random.randint(0, n_segments - 1)) if others else []
        order.insert(random.randint(0, len(order)), own)
        return order

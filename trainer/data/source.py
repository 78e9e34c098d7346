"""What every kind of training data gives, and how the user's own records are split into trained and held out.

Knows nothing of any one kind.
"""

import hashlib
import math
from dataclasses import dataclass
from random import Random
from typing import Protocol

from trainer.data.units import Unit


@dataclass(frozen=True)
class Stage:
    """How hard the current samples are.

    Attributes:
        segment_tokens: longest segment of a generated document, tokens.
        segments: most segments per generated document.
        n_slots: gist tokens of a full segment in this step.
        ratio: document tokens per gist token of a text that is cut as compressing cuts it.
    """

    segment_tokens: float
    segments: int
    n_slots: int
    ratio: float = 1.0


class Source(Protocol):
    """A kind of training data."""

    def unit(self, random: Random, stage: Stage) -> Unit:
        """Draw one unit; a function of its arguments alone, so that a resumed run sees what another would."""

    def held_out(self) -> list[Unit]:
        """Units that are never drawn for training, always the same."""


def served_length(random: Random, segment_tokens: float, segments: int) -> int:
    """Tokens of a text of 1 to `segments` full segments, by the logarithm: short ones as often as long ones."""
    return round(segment_tokens * math.exp(random.uniform(0.0, math.log(segments))))


def is_held_out(text: str, share: float) -> bool:
    """Whether one of the user's texts belongs to the held-out share; by its content, so that copies stay together."""
    digest = hashlib.sha256(" ".join(text.split()).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def is_korean(text: str) -> bool:
    """Whether a text has more Hangul syllables than Latin letters."""
    hangul = sum("가" <= c <= "힣" for c in text)
    return hangul > sum(c.isascii() and c.isalpha() for c in text)

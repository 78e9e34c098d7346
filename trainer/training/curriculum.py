"""How hard the samples of a task are: drawn below a bound that grows while the answers are mostly right.

Knows a running accuracy and nothing else.
"""

from dataclasses import dataclass
from random import Random


@dataclass
class Curriculum:
    """The state of one task.

    Attributes:
        bound: hardest sample drawn at present; in tokens per segment, or in segments per document.
        limit: the bound never passes this.
        accuracy: running mean of the share of questions answered right.
        goal: the bound grows by 1.5% a step while `accuracy` is above this.
    """

    bound: float
    limit: float
    accuracy: float = 0.0
    goal: float = 0.85

    def update(self, accuracy: float) -> None:
        self.accuracy = 0.95 * self.accuracy + 0.05 * accuracy
        if self.accuracy > self.goal:
            self.bound = min(self.limit, self.bound * 1.015)


def advance(longer: Curriculum, more: Curriculum, accuracy: float) -> None:
    """Longer segments first, then more of them."""
    longer.update(accuracy)
    if longer.bound >= min(100, longer.limit):
        more.update(accuracy)


def drawn_length(random: Random, bound: float) -> float:
    """Tokens of a segment below the bound, half of the time a short one.

    An adapter that saw only a few long segments lost the needle among 32.
    """
    return random.uniform(max(32.0, 0.4 * min(bound, 100)), bound if random.random() < 0.5 else min(bound, 200))

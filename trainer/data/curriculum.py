"""How hard a task's samples are: drawn below a bound that grows while the answers are mostly right.

Knows a running accuracy and nothing else.
"""

from dataclasses import dataclass
from random import Random


@dataclass
class Curriculum:
    """The state of one task.

    Attributes:
        bound: hardest sample currently drawn, in tokens per segment or in segments per document.
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
    """Grow the segments first, then their number."""
    longer.update(accuracy)
    if longer.bound >= min(100, longer.limit):
        more.update(accuracy)


def drawn_length(random: Random, bound: float) -> float:
    """Length of a segment below the bound, in tokens; a short one half of the time.

    An adapter trained on only a few long segments lost the needle among 32.
    """
    return random.uniform(max(32.0, 0.4 * min(bound, 100)), bound if random.random() < 0.5 else min(bound, 200))

"""How hard the samples of a task are: drawn below a bound that grows while the answers are mostly right.

Knows a running accuracy and nothing else.
"""

from dataclasses import dataclass


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

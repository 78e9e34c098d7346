"""How long the segments of a task are: drawn below a bound that grows while the answers are mostly right.

Knows a running accuracy and nothing else.
"""

from dataclasses import asdict, dataclass
from random import Random


@dataclass
class Curriculum:
    """The state of one task.

    Attributes:
        bound: longest segment drawn at present, in tokens.
        accuracy: running mean of the share of questions answered right.
        limit: the bound never passes this, in tokens.
        goal: the bound grows by 1% a step while `accuracy` is above this.
    """

    bound: float = 40.0
    accuracy: float = 0.0
    limit: int = 512
    goal: float = 0.85

    @property
    def finished(self) -> bool:
        return self.bound >= self.limit

    def draw(self, random: Random) -> int:
        """A segment length in tokens."""
        return int(random.uniform(max(32.0, 0.4 * self.bound), self.bound))

    def update(self, accuracy: float) -> None:
        self.accuracy = 0.95 * self.accuracy + 0.05 * accuracy
        if self.accuracy > self.goal:
            self.bound = min(float(self.limit), self.bound * 1.01)

    def state(self) -> dict[str, float]:
        return asdict(self)

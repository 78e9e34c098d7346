"""The confidence interval of a share. Knows nothing of what was counted."""

import math


def wilson(correct: float, n: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson, 1927), as two numbers from 0 to 1.

    For scores between 0 and 1, pass their sum: they vary less than right and wrong with the same mean, so the
    interval is, if anything, too wide.
    """
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share, spread = correct / n, z * z / n
    centre = share + spread / 2
    half = z * math.sqrt(max(0.0, share * (1 - share)) / n + spread / (4 * n))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))

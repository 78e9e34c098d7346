"""Shares as colours that keep their order for the colour-blind and in greyscale. Knows nothing of what is shown."""

from PySide6.QtGui import QColor

_CIVIDIS = ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")
"""Points on matplotlib's cividis (Nunez, Anderton and Renslow, 2018)."""


def ramp(share: float) -> QColor:
    """A share from 0 to 1 as a colour, dark to light."""
    place = max(0.0, min(1.0, share)) * (len(_CIVIDIS) - 1)
    number = min(int(place), len(_CIVIDIS) - 2)
    one, other, part = QColor(_CIVIDIS[number]), QColor(_CIVIDIS[number + 1]), place - int(place)
    if number < int(place):
        part = 1.0
    mixed = (
        round(a + (b - a) * part)
        for a, b in ((one.red(), other.red()), (one.green(), other.green()), (one.blue(), other.blue()))
    )
    return QColor(*mixed)

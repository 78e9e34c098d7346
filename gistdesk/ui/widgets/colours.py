"""The colours of the light and the dark theme. Knows nothing of what they are used for beyond their names."""

from dataclasses import dataclass

from PySide6.QtGui import QColor


@dataclass(frozen=True)
class Colours:
    """The colours of one theme.

    Attributes:
        window, surface, raised: backgrounds of bars, of texts and tables, and of cards over them.
        text, muted, border: text, secondary text, lines.
        accent, on_accent, tint: the one accent, text on it, and a faint background of it.
        good, warning, bad: always used beside an icon or a word that says the same.
        hover, selected: backgrounds of what is under the mouse, and of what is selected.
        memory_model, memory_gist, memory_other, memory_free: parts of the memory bar.
    """

    window: str
    surface: str
    raised: str
    text: str
    muted: str
    border: str
    accent: str
    on_accent: str
    tint: str
    good: str
    warning: str
    bad: str
    hover: str
    selected: str
    memory_model: str
    memory_gist: str
    memory_other: str
    memory_free: str


LIGHT = Colours(
    window="#f4f5f8",
    surface="#ffffff",
    raised="#ffffff",
    text="#1b1e28",
    muted="#5b6275",
    border="#d5d9e3",
    accent="#3f56c9",
    on_accent="#ffffff",
    tint="#e8ecfc",
    good="#1c7a4b",
    warning="#8f5a00",
    bad="#b3261e",
    hover="#e9ebf2",
    selected="#dde4fb",
    memory_model="#3f56c9",
    memory_gist="#1f9d8b",
    memory_other="#a3aabd",
    memory_free="#e6e9f0",
)
DARK = Colours(
    window="#1a1c22",
    surface="#21242c",
    raised="#2a2e38",
    text="#e8eaf1",
    muted="#a2a9bb",
    border="#3a3f4c",
    accent="#9dacff",
    on_accent="#141a3c",
    tint="#2c3352",
    good="#6fd09b",
    warning="#f0bd62",
    bad="#ff9d94",
    hover="#2e323d",
    selected="#343d63",
    memory_model="#9dacff",
    memory_gist="#4fc7b4",
    memory_other="#707789",
    memory_free="#30343f",
)


def mix(front: str, back: str, share: float = 0.55) -> str:
    """`front` blended over `back`: style sheets have no transparency that all controls respect."""
    one, other = QColor(front), QColor(back)
    parts = (
        round(a * share + b * (1 - share))
        for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)  # type: ignore[index]
    )
    return "#" + "".join(f"{part:02x}" for part in parts)

"""Figures as people read them: bytes, seconds, ratios, counts. Knows nothing of where they come from."""

from datetime import datetime

from PySide6.QtCore import QDate, QLocale

from gistdesk.language.i18n import language, later, tr

PRECISIONS = {
    "nf4": later("NF4 (4 bits)"),
    "int8": later("8 bits"),
    "bf16": later("bfloat16 (16 bits)"),
    "fp32": later("float32 (32 bits)"),
}
"""The precisions a model's weights can be held in, in readable form; to be passed to `tr`."""


def bytes_text(n_bytes: float) -> str:
    """Bytes in the unit that suits: "512 B", "1.5 MB", "12 GB" (powers of 1024, as file managers count)."""
    value = float(n_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1023.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def duration_text(seconds: float) -> str:
    """A duration still ahead, roughly: "under a second", "40 s", "3 min", "2 h 5 min"."""
    if seconds < 1:
        return tr("under a second")
    if seconds < 90:
        return tr("{n} s", n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 90:
        return tr("{n} min", n=minutes)
    return tr("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def moment_text(iso: str) -> str:
    """A moment as clocks show it here: "2026-03-21 14:05"; what is none, as it stands."""
    try:
        return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return iso[:16]


def time_words(iso: str) -> str:
    """A time in the user's time zone: the time of day if today, else the date."""
    local = datetime.fromisoformat(iso).astimezone()
    if local.date() == datetime.now().astimezone().date():
        return f"{local:%H:%M}"
    day = QDate(local.year, local.month, local.day)
    return QLocale(language()).toString(day, tr("d MMM"))


def count_text(n: float) -> str:
    """A count with thousands separators: "48,210"."""
    return f"{n:,.0f}"


def ratio_text(ratio: float) -> str:
    """A compression ratio: "40x", "7.5x"."""
    return f"{ratio:.0f}x" if ratio >= 9.95 or ratio == round(ratio) else f"{ratio:.1f}x"


def percent_text(share: float) -> str:
    """A share of 0 to 1: "83%"."""
    return f"{100 * share:.0f}%"


def parameters_text(n: int) -> str:
    """A model's size as usually written: "7.9M parameters", "8.0B parameters"."""
    size = f"{n / 1e9:.1f}B" if n >= 999_500_000 else f"{n / 1e6:.1f}M"
    return tr("{size} parameters", size=size)

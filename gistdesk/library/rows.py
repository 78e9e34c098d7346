"""Column values as valid types: a database's columns accept anything, and disks lose bytes.

Knows nothing of tables.
"""

import math
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

_NAME = re.compile("[0-9A-Za-z_-]{1,128}")
_LONG_AGO = "1970-01-01T00:00:00.000+00:00"


def text_of(value: object) -> str:
    """A text, whatever it was stored as."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else "" if value is None else str(value)


def number_of(value: object, *, whole: bool = True) -> Any:
    """Raises ValueError: it is not a number, or an impossible one."""
    if isinstance(value, int):
        return value
    if whole or not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def id_of(value: object) -> int | None:
    """A row id; None if it is not one."""
    return value if isinstance(value, int) else None


def ratio_of(value: object) -> float:
    """Tokens per slot. Raises ValueError."""
    ratio = float(number_of(value, whole=False))
    if ratio <= 0:
        raise ValueError(f"{ratio} is no ratio")
    return ratio


def name_of(value: object) -> str | None:
    """The name of a file in one of the library's folders; it cannot lead elsewhere. Raises ValueError."""
    if value is None or (isinstance(value, str) and _NAME.fullmatch(value)):
        return value
    raise ValueError(f"{value!r} is no name")


def is_name(value: object) -> bool:
    """Whether it is a file's name, see `name_of`."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def time_of(value: object) -> str:
    """A time in ISO 8601; long ago if it is not one."""
    try:
        datetime.fromisoformat(str(value)).astimezone()
    except (ValueError, OverflowError):
        return _LONG_AGO
    return str(value)


def path_of(value: object) -> Path:
    """A path, which need not be Unicode. Raises ValueError, TypeError."""
    path = os.fsdecode(value)  # type: ignore[arg-type]
    if "\0" in path:
        raise ValueError("no path holds a zero")
    return Path(path)


def known(value: object, choices: Sequence[str]) -> Any:
    """One of the choices. Raises ValueError."""
    if value not in choices:
        raise ValueError(f"{value!r} is none of {', '.join(choices)}")
    return value


def one_of(value: object, choices: Sequence[str], otherwise: str) -> Any:
    """One of the choices, or the default for anything else."""
    return value if value in choices else otherwise

"""Small JSON files that anybody may have written: read with bounds, or refused. Knows nothing of what is in them."""

import json
import math
from pathlib import Path
from typing import Any

_MOST_BYTES = 4 * 2**20


def read_object(path: Path) -> dict[str, Any]:
    """One JSON object; no number in it is infinite.

    Raises:
        OSError: it cannot be read.
        ValueError: larger than 4 MiB, no JSON, something else than an object, or no ordinary file: a pipe would be
            waited for without end.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is no ordinary file")
    with path.open("rb") as stream:
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    try:
        found = json.loads(content.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no object")
    return found


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word[:20]} is no number to count on")
    return number

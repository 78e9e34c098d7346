"""Small JSON files that anybody may have written: read within bounds, or refused. Knows nothing of their contents."""

import json
import math
from pathlib import Path
from typing import Any

from gistdesk.core.sentences import Sentence

_MOST_BYTES = 4 * 2**20


def read_object(path: Path) -> dict[str, Any]:
    """One JSON object without infinite numbers.

    Raises:
        OSError: it cannot be read.
        ValueError: larger than 4 MiB, not JSON, not an object, or not an ordinary file: reading a pipe could
            block forever.
    """
    if path.exists() and not path.is_file():
        raise ValueError(Sentence("{name} is not an ordinary file", name=path.name))
    with path.open("rb") as stream:
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(Sentence("{name} is too large", name=path.name))
    try:
        found = json.loads(content.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError(Sentence("{name} is nested too deeply", name=path.name)) from None
    if not isinstance(found, dict):
        raise ValueError(Sentence("{name} is not an object", name=path.name))
    return found


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(Sentence("{value} is not a usable number", value=word[:20]))
    return number

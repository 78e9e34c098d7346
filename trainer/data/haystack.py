"""Running text to hide facts in, from `resources/text`; training files and evaluation files never mix.

Knows which file is for what; knows nothing of facts.
"""

import gzip
import re
from functools import cache

from gistdesk.folders import resource

_TRAINING = {
    "en": (
        "en-a-tale-of-two-cities",
        "en-great-expectations",
        "en-middlemarch",
        "en-moby-dick--or-the-whale",
        "en-pride-and-prejudice",
        "en-the-federalist-papers",
        "en-walden-and-on-the-duty-of-civil-disobedience",
    ),
    "ko": ("ko-klue", "ko-ud_korean-kaist"),
}
_EVALUATION = {"en": ("en-the-adventures-of-sherlock-holmes",), "ko": ("ko-ud_korean-gsd",)}


def haystack_names(language: str, *, evaluation: bool) -> tuple[str, ...]:
    """Names of the files for one language, "en" or "ko"."""
    return (_EVALUATION if evaluation else _TRAINING)[language]


@cache
def haystack_text(name: str) -> str:
    """One file as a single line of sentences: white space of any length becomes one space."""
    packed = resource(f"text/{name}.txt.gz").read_bytes()
    return re.sub(r"\s+", " ", gzip.decompress(packed).decode("utf-8")).strip()

"""Words that came from outside (a title, a name, an answer), fit to be shown in one line or on a terminal.

Knows nothing of where they came from.
"""

import re
import unicodedata

MAX_TITLE_CHARS = 200
"""As many as three lines of the inspector hold; beyond that it is not a title."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, and what turns the direction of text around; tab and line end are no part of it."""


def shown_title(text: str) -> str:
    """One line of valid Unicode without control characters, Hangul composed, shortened where it is too long."""
    start = _CONTROLS.sub(" ", valid(text[: 4 * MAX_TITLE_CHARS]))
    title = " ".join(unicodedata.normalize("NFC", start).split())
    return title if len(title) <= MAX_TITLE_CHARS else title[: MAX_TITLE_CHARS - 1].rstrip() + "…"


def printable(text: str) -> str:
    """As it is, without what a terminal would obey."""
    return _CONTROLS.sub("\ufffd", unicodedata.normalize("NFC", valid(text)))


def valid(text: str) -> str:
    """Without lone surrogates, which a file's name may hold."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def file_name(title: str) -> str:
    """A name for a file in a folder of the person's choice: nothing in it leads anywhere else."""
    words = "".join(char if char.isalnum() or char in " -_().,'" else "_" for char in shown_title(title))
    return words[:60].strip(" .") or "_"

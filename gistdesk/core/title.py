"""Text from outside (a title, a name, an answer), made fit to be shown on one line or on a terminal.

Knows nothing of where it came from.
"""

import re
import unicodedata

MAX_TITLE_CHARS = 200
"""What three lines of the inspector hold; anything longer is not a title."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, and what changes the direction of text; tab and line end are not included."""


def shown_title(text: str) -> str:
    """One line of valid Unicode without control characters, Hangul composed, shortened if too long."""
    start = _CONTROLS.sub(" ", valid(text[: 4 * MAX_TITLE_CHARS]))
    title = " ".join(unicodedata.normalize("NFC", start).split())
    return title if len(title) <= MAX_TITLE_CHARS else title[: MAX_TITLE_CHARS - 1].rstrip() + "…"


def printable(text: str) -> str:
    """The text without anything a terminal would obey."""
    return _CONTROLS.sub("\ufffd", unicodedata.normalize("NFC", valid(text)))


def valid(text: str) -> str:
    """Without lone surrogates, which a file name may contain."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def file_name(title: str) -> str:
    """A name for a file in a folder of the user's choice: nothing in it leads anywhere else."""
    words = "".join(char if char.isalnum() or char in " -_().,'" else "_" for char in shown_title(title))
    return words[:60].strip(" .") or "_"

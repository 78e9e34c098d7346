"""What a failing command writes to stderr: a line for a person, or for the window that started it.

The window shows it in its own language, so its line contains the sentences' templates and values. Knows no command.
"""

import json
import os
from collections.abc import Mapping

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence, packed, unpacked
from gistdesk.core.title import printable

FOR_A_WINDOW: Mapping[str, str] = {"GISTDESK_COMPLAINTS": "json"}
"""Set in a command's environment by the window that starts it."""

_PROGRAMS = ("gistdesk: ", "python -m trainer: ")


def is_for_a_window() -> bool:
    """Whether a window started this process."""
    return FOR_A_WINDOW.items() <= os.environ.items()


def complaint(program: str, error: UserError) -> str:
    """One line in which `program` says what was wrong, whatever it quotes."""
    if is_for_a_window():
        return f"{program}: {json.dumps({'said': packed(error.both)})}"
    return f"{program}: {printable(' '.join(str(error).split()))}"


def said_in(line: str) -> str:
    """A line of a command's stderr without the program's name: the sentence it contains, or the line itself."""
    program = next((name for name in _PROGRAMS if line.startswith(name)), "")
    said = line.removeprefix(program)
    try:
        found = unpacked(json.loads(said)["said"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return said
    return found if isinstance(found, Sentence) else said


def is_complaint(line: str) -> bool:
    """Whether this line is a program's message under its own name."""
    return line.startswith(_PROGRAMS)

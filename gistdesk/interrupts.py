"""Ctrl+C before a command has begun, while libraries load for seconds, and whether there was one.

A library that is interrupted while it loads may raise anything at all. Knows nothing of commands.
"""

import os
import signal
from types import FrameType

_heard: list[int] = []


def end_at_once(name: str) -> None:
    """Until `raise_from_now_on`, Ctrl+C ends the process with one line: nothing has been done yet."""

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, f"{name}: interrupted.\n".encode())
        os._exit(130)

    signal.signal(signal.SIGINT, end)


def raise_from_now_on() -> None:
    """Ctrl+C raises KeyboardInterrupt, as Python's own does, and is remembered."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _heard.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)


def heard() -> bool:
    """Whether there was one, whatever has been made of it since."""
    return bool(_heard)

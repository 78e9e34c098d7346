"""Ctrl+C before a command begins, while libraries load for seconds, and whether there was one.

A library that is interrupted while it loads may raise anything at all. Knows nothing of commands.
"""

import _thread
import os
import signal
import sys
import threading
from types import FrameType

_AGAIN_S = 0.05
_heard: list[int] = []


def end_at_once(name: str) -> None:
    """Until `raise_from_now_on`, Ctrl+C ends the process with one line: nothing has been done yet."""

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, f"{name}: interrupted.\n".encode())
        os._exit(130)

    signal.signal(signal.SIGINT, end)


def raise_from_now_on() -> None:
    """Ctrl+C raises KeyboardInterrupt, as Python's own handler does, and is remembered.

    If Python would drop it, as in a `__del__` that happens to run, it is raised once more.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        _heard.append(number)
        raise KeyboardInterrupt

    def dropped(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            threading.Timer(_AGAIN_S, _thread.interrupt_main).start()
        else:
            sys.__unraisablehook__(unraisable)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
        sys.unraisablehook = dropped


def heard() -> bool:
    """Whether there was one, whatever became of it."""
    return bool(_heard)

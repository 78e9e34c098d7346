"""The process that reads one document: one request on stdin, then page after page on stdout, as JSON lines.

It limits its own memory and time where the system can, and dies with the process that started it.
"""

import json
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read the document that the request on stdin names."""
    asked = json.loads(sys.stdin.buffer.readline())
    _limit(asked["memory_bytes"], asked["seconds"])
    _end_with(asked["parent"])
    try:
        said = _read(asked["path"], asked["password"])
    except MemoryError:
        said = {"error": "memory"}
    _say(said)


def _read(path: str, password: str | None) -> dict[str, Any]:
    """Print the pages; returns what to print at the end."""
    from pathlib import Path

    from gistdesk.core.document_formats import PasswordError
    from gistdesk.core.document_parse import parse
    from gistdesk.core.errors import UserError
    from gistdesk.core.sentences import packed

    steps = parse(Path(path), password)
    try:
        while True:
            page = next(steps)
            _say({"page": page.text, "n_pages": page.n_pages})
    except StopIteration as finished:
        return {"facts": vars(finished.value)}
    except UserError as error:
        kind = "password" if isinstance(error, PasswordError) else "user"
        return {"error": kind, "message": packed(error.message), "hint": packed(error.hint)}


def _say(said: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(said, ensure_ascii=False).encode("utf-8", errors="replace") + b"\n")
    sys.stdout.buffer.flush()


def _limit(memory_bytes: int, seconds: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the process that started this one
    limits = ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory_bytes))
    for which, most in limits:
        _, hard = resource.getrlimit(which)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (soft, hard))


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes
        import os

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    main()

"""What a terminal shows: progress, conversations, and how a program ends. Knows nothing of the work."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gistdesk.complaints import complaint
from gistdesk.core.errors import UserError, of_system
from gistdesk.core.title import printable
from gistdesk.interrupts import heard, raise_from_now_on


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run a program and turn its exceptions into an exit code.

    0 done, 1 our bug (with its traceback), 2 the user's error in one line, 130 interrupted.
    """
    _speak_utf8()
    raise_from_now_on()
    try:
        code = app(standalone_mode=False, prog_name=name)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk fails here, not while Python shuts down
        if code == 130:  # as newer versions of typer report Ctrl+C
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        _say_interrupted(name)
    except UserError as error:
        if heard():
            _say_interrupted(name)
        complain(name, error)
        sys.exit(2)
    except (BrokenPipeError, SystemExit):  # SystemExit is how typer ends when the reader of a pipe has gone
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if known := of_system(error):
            complain(name, known)
            sys.exit(2)
        if heard():
            _say_interrupted(name)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _drop_output()
        complain(name, UserError("The output cannot be written ({reason}).", "Free some space.", reason=error.strerror))
        sys.exit(2)
    except Exception as error:
        if heard():  # a library that was loading turned it into something else
            _say_interrupted(name)
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):
            _explain_usage(name, error)
            sys.exit(2)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _say_interrupted(name: str) -> NoReturn:
    print(f"{name}: interrupted.", file=sys.stderr)
    sys.exit(130)


def _drop_output() -> None:
    """Keep Python from retrying failed output, with an error message, while it shuts down."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115


def complain(name: str, error: UserError) -> None:
    """The user's error, in one line."""
    print(complaint(name, error), file=sys.stderr)


def _explain_usage(name: str, error: Any) -> None:
    """What is wrong with the arguments; nothing if the full help was just shown for an empty command line."""
    message = " ".join(error.format_message().split())
    if message:
        command = error.ctx.command_path if getattr(error, "ctx", None) else name
        print(f"{name}: {printable(message.rstrip('.'))}. See {command} --help.", file=sys.stderr)


def _speak_utf8() -> None:
    """A Windows console or a bare container may default to an encoding without Hangul."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def counted(work: Iterable[dict[str, Any]], title: str, *, show: bool) -> Iterator[dict[str, Any]]:
    """Pass events on; on a terminal, a bar from their `done` and `total`."""
    console = Console(stderr=True)
    if not (show and console.is_terminal):
        yield from work
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(title, total=None)
        for event in work:
            if "total" in event:
                share = f"  {event['agreement']:.0%} of its text recited" if "agreement" in event else ""
                bars.update(bar, completed=event["done"], total=event["total"], description=title + share)
            yield event


def each(lines: TextIO | None, welcome: str, mark: str) -> Iterator[str]:
    """Lines of a conversation; for a person typing, a welcome first and a mark before each."""
    if lines is None:
        return
    if lines.isatty():
        print(welcome, file=sys.stderr)
    while True:
        if lines.isatty():
            print(mark, end="", flush=True, file=sys.stderr)
        line = lines.readline()
        if not line:
            return
        yield line


def human_bytes(n: int) -> str:
    """1536 -> "1.5 KiB"."""
    size, unit = float(n), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def label_of(name: str) -> str:
    """The name of a figure for people: "file_bytes" -> "file"."""
    return name.removesuffix("_bytes").replace("_", " ")


def readable(name: str, value: Any) -> str:
    """Bytes in readable units, several values on one line."""
    if isinstance(value, list):
        return "; ".join(readable(name, item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{label_of(key)} {readable(key, item)}" for key, item in value.items())
    if isinstance(value, int):
        return human_bytes(value) if name.endswith("_bytes") else f"{value:,}"
    return printable(" ".join(str(value).split()))

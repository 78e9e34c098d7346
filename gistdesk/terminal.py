"""What a terminal shows: progress, conversations, and how a program ends. Knows nothing of the work."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gistdesk.core.errors import UserError


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run a program and turn what it raises into an exit code.

    0 done, 1 our bug (with its traceback), 2 the user's error in one line, 130 interrupted.
    """
    _speak_utf8()
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print(f"{name}: interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):
            print(f"{name}: {error.format_message()} See {name} --help.", file=sys.stderr)
            sys.exit(2)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _speak_utf8() -> None:
    """A Windows console or a bare container may default to an encoding that has no Hangul."""
    for stream in (sys.stdout, sys.stderr):
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
                bars.update(bar, completed=event["done"], total=event["total"])
            yield event


def each(lines: TextIO, mark: str) -> Iterator[str]:
    """Lines of a conversation, with a mark in front where a person types."""
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

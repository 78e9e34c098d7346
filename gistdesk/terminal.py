"""What a terminal shows while something works. Knows nothing of the work."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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

"""What the desk does with files that takes long: finding documents in folders, copying gists in and out.

Each is work for `FileJobs`, with a library of its own where it needs one. Knows nothing of threads.
"""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gistdesk.formats import ENDINGS
from gistdesk.library import Library

Result = TypeVar("Result")
_BEGINNING_BYTES = 2**15


@dataclass(frozen=True)
class Found:
    """Documents in folders and how large they are together, in bytes."""

    paths: tuple[Path, ...]
    n_bytes: int


def find_documents(folders: Sequence[Path]) -> Generator[None, None, Found]:
    """Files in folders and below whose names say that they can be read, hidden ones left out."""
    found: list[Path] = []
    n_bytes = 0
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(names):
                path = Path(place, name)
                if not name.startswith(".") and path.suffix.lower() in ENDINGS:
                    found.append(path)
                    n_bytes += size(path)
            yield
    return Found(tuple(found), n_bytes)


def with_library(
    folder: Path, work: Callable[[Library], Generator[float, None, Result]]
) -> Generator[float, None, Result]:
    """`work` on a library object of the thread's own. Raises UserError: the library cannot be opened; and `work`'s."""
    library = Library(folder)
    try:
        return (yield from work(library))
    finally:
        library.close()


def beginning(text_path: Path | None) -> str:
    """Of a kept text, enough to tell its language; "" where there is none or it cannot be read."""
    try:
        if text_path is not None:
            with text_path.open("rb") as stream:
                return stream.read(_BEGINNING_BYTES).decode("utf-8", "ignore")
    except OSError:
        pass
    return ""


def size(path: Path) -> int:
    """In bytes; 0 where it cannot be had."""
    try:
        return path.stat().st_size
    except OSError:
        return 0

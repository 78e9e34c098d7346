"""The desk's long-running file work: finding documents in folders, copying gists in and out.

Each function is work for `FileJobs`, with its own library object where it needs one. Knows nothing of threads.
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
    """Documents found in folders, and their total size in bytes."""

    paths: tuple[Path, ...]
    n_bytes: int


def find_documents(folders: Sequence[Path]) -> Generator[None, None, Found]:
    """Files in folders and subfolders whose names say that they can be read; hidden ones are left out."""
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
    """Run `work` on the thread's own library object. Raises UserError: cannot open the library; and `work`'s own."""
    library = Library(folder)
    try:
        return (yield from work(library))
    finally:
        library.close()


def beginning(text_path: Path | None) -> str:
    """The beginning of a kept text, enough to tell its language; "" if there is none or it cannot be read."""
    try:
        if text_path is not None:
            with text_path.open("rb") as stream:
                return stream.read(_BEGINNING_BYTES).decode("utf-8", "ignore")
    except OSError:
        pass
    return ""


def size(path: Path) -> int:
    """File size in bytes; 0 if it cannot be determined."""
    try:
        return path.stat().st_size
    except OSError:
        return 0

"""Atomic writes: beside the file, synced, then renamed over it, so that it is the old or the new one at any moment.

Knows no format.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident


@contextmanager
def replacing(path: Path, *, temporary: Path | None = None, private: bool = False) -> Iterator[Path]:
    """A path to write to, which becomes `path` at the end. On an error, `path` stays as it was.

    Args:
        temporary: in the same folder; the default name is short, as the name of `path` may be as long as names can be.
        private: only its owner may read it, from the first byte on.

    Raises:
        OSError: it cannot be synced or renamed.
    """
    part = temporary or path.with_name(f".{os.getpid()}-{get_ident()}{path.suffix[:16]}.tmp")
    try:
        if private:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise

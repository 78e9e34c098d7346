"""Who is at work on a library: every open one holds a locked file, which the system unlocks when its process dies.

So the dead are told from the living without process numbers, which systems use again. Knows nothing of what is done.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from gistdesk.folders import make_private

if sys.platform == "win32":
    import msvcrt

    def _try_lock(stream: BinaryIO) -> bool:
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(stream: BinaryIO) -> bool:
        # flock, not lockf: a process must see its own locks, and looking at one must not give it up
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


_SUFFIX = ".lock"


class Owner:
    """One open library. Make one, and call `living`, only while holding the database's write lock.

    Attributes:
        name: unique, and kept in the database beside whatever this owner is at work on.
    """

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        make_private(folder)
        self._folder = folder
        self.name = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._path = folder / (self.name + _SUFFIX)
        self._stream = self._path.open("wb")
        _try_lock(self._stream)

    def living(self) -> set[str]:
        """The names of all owners that live, this one among them. Forgets the dead."""
        return {self.name} | {path.stem for path in self._folder.glob(f"*{_SUFFIX}") if self._lives(path)}

    def close(self) -> None:
        self._stream.close()
        with suppress(OSError):
            self._path.unlink()

    def _lives(self, path: Path) -> bool:
        if path == self._path:
            return True
        try:
            with path.open("rb+") as stream:
                if not _try_lock(stream):
                    return True
        except FileNotFoundError:
            return False
        except OSError:  # not ours to open: another user's
            return True
        with suppress(OSError):
            path.unlink()
        return False

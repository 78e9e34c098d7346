"""Which processes have a library open: each holds a lock on a file of its own, which the system frees when it dies.

So the dead are told from the living without process numbers, which systems use again. Knows nothing of what is done.
"""

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from gistdesk.folders import make_private

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
        self._path.touch()
        self._lock = _lock(self._path)
        with suppress(OSError):  # a disk without locks: everybody seems to live, and nobody's work is taken over
            self._lock.acquire()

    def living(self) -> set[str]:
        """The names of all owners that live, this one among them. Forgets the dead."""
        return {self.name} | {path.stem for path in self._folder.glob(f"*{_SUFFIX}") if self._lives(path)}

    def close(self) -> None:
        self._lock.release()
        with suppress(OSError):
            self._path.unlink()

    def _lives(self, path: Path) -> bool:
        if path == self._path:
            return True
        try:
            with _lock(path):
                pass
        except OSError:  # it is held, or not ours to open: another user's
            return True
        with suppress(OSError):
            path.unlink()
        return False


def _lock(path: Path) -> FileLock:
    """Of the system alone: a file that merely lies there would outlive its process. Any thread may release it."""
    return FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)

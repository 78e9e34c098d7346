"""Which processes have a library open: each locks a file of its own, and the system frees the lock when it dies.

So dead owners are recognized without process ids, which systems reuse. Knows nothing of what owners do.
"""

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from gistdesk.folders import make_private

_SUFFIX = ".lock"


class Owner:
    """One open library. Create one, and call `living`, only while holding the database's write lock.

    Attributes:
        name: unique, and stored in the database with whatever this owner is working on.
    """

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        make_private(folder)
        self._folder = folder
        self.name = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._path = folder / (self.name + _SUFFIX)
        self._path.touch()
        self._lock = _lock(self._path)
        with suppress(OSError):  # a disk without locks: every owner seems alive, and no work is taken over
            self._lock.acquire()

    def living(self) -> set[str]:
        """The names of all living owners, including this one. Forgets the dead."""
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
        except OSError:  # it is held, or belongs to another user
            return True
        with suppress(OSError):
            path.unlink()
        return False


def _lock(path: Path) -> FileLock:
    """A lock of the system only: a lock that is just a file would outlive its process. Any thread may release it."""
    return FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)

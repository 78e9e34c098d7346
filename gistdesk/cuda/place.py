"""Where CUDA set-ups are, which one is in use, and what is left of others.

`cuda/current` in the data folder names the folder in use; it is replaced in one step. Every other folder there
is unfinished or unused. Knows nothing of what a set-up consists of.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import PathFinder
from pathlib import Path

from filelock import FileLock, Timeout

from gistdesk.atomic import replacing
from gistdesk.core.errors import UserError
from gistdesk.cuda.lock import python_tag
from gistdesk.folders import folders

_POINTER = "current"


def root() -> Path:
    """The folder that holds every set-up."""
    return folders().data / "cuda"


def packages(folder: Path) -> Path:
    """A set-up's packages, to go in front of a process's own."""
    return folder / "packages"


def current() -> Path | None:
    """The set-up in use; None if there is none, or it is for a different Python from this program's."""
    with suppress(OSError, UnicodeDecodeError):
        name = (root() / _POINTER).read_text(encoding="utf-8").strip()
        folder = root() / name
        if name == Path(name).name and f"-{python_tag()}-" in name and (packages(folder) / "torch").is_dir():
            return folder
    return None


def use() -> None:
    """From now on this process imports PyTorch from the set-up in use, if there is one."""
    folder = current()
    if folder is not None and str(packages(folder)) not in sys.path:
        sys.path.insert(0, str(packages(folder)))


def has_own_cuda() -> bool:
    """Whether the PyTorch that this program came with already has CUDA: then there is nothing to set up."""
    own = [path for path in sys.path if not Path(path).is_relative_to(root())]
    found = PathFinder.find_spec("torch", own)
    if found is None or found.origin is None:
        return False
    with suppress(OSError):
        text = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
        return re.search(r"^cuda\b.*= '", text, re.MULTILINE) is not None
    return False


def switch_to(folder: Path) -> None:
    """Use a finished set-up from now on, and delete every other one. Raises OSError."""
    with replacing(root() / _POINTER) as part:
        part.write_text(folder.name, encoding="utf-8")
    clear(keep=folder)


def clear(keep: Path | None = None) -> None:
    """Delete unused set-ups. What another process still has open stays until the next time."""
    for other in root().iterdir():
        if other.is_dir() and other != keep:
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def alone() -> Iterator[None]:
    """While open, nobody else sets up or removes.

    Raises:
        UserError: another process is doing so.
    """
    folders().data.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folders().data / "cuda.lock", timeout=0):
            yield
    except Timeout as error:
        raise UserError(
            "CUDA is being set up or removed by another gistdesk.", "Wait until it is done, then try again."
        ) from error


def remove() -> None:
    """Remove everything, unfinished set-ups included; from the next process on PyTorch is the program's own.

    Raises:
        UserError: something cannot be deleted.
    """
    if not root().exists():
        return
    try:
        with alone():
            (root() / _POINTER).unlink(missing_ok=True)
            shutil.rmtree(root())
    except OSError as error:
        raise UserError(
            "The CUDA set-up in {folder} cannot be deleted ({reason}).",
            "It is no longer used; close other gistdesk windows and try again.",
            folder=root(),
            reason=error.strerror,
        ) from error

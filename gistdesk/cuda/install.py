"""Sets CUDA up: asks the package index, fetches, unpacks, tries it on the card, and only then switches to it.

Whatever stops it, the set-up in use stays in use, and fetched files are kept for the next try. Reports progress;
shows nothing.
"""

import errno
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gistdesk import roles
from gistdesk.core.errors import UserError
from gistdesk.cuda import place
from gistdesk.cuda.lock import Lock
from gistdesk.cuda.unpack import unpack
from gistdesk.fetch import part_bytes
from gistdesk.wheels import Wheel, addresses, bring, run

_GIB = 2**30
_T = TypeVar("_T")


@dataclass(frozen=True)
class Step:
    """Progress: `phase` "asking", "fetching", "unpacking" or "testing"; bytes of the phase, 0 if not counted."""

    phase: str
    done_bytes: int = 0
    total_bytes: int = 0


def install(lock: Lock) -> Generator[Step, None, Path]:
    """Set CUDA up in the data folder and use it from the next process on; resumes an earlier attempt.

    Returns the folder. If this very set-up is already in use and works, nothing is done.

    Raises:
        UserError: no network, no space, an unexpected file, or a card that it does not work with.
    """
    used = place.current()
    if used is not None and used.name.startswith(lock.name):
        yield Step("testing")
        if not (yield from _problem(used)):
            return used
    folder = place.root() / f"unfinished-{lock.name}"
    with place.alone(), _failures_in_words(lock, folder):
        place.packages(folder).mkdir(parents=True, exist_ok=True)
        _check_space(lock, folder)
        missing = [wheel for wheel in lock.wheels if not _done(folder, wheel).exists()]
        yield Step("asking")
        unfetched = [wheel for wheel in missing if not (folder / wheel.file).exists()]
        urls = yield from _told(Step("asking"), addresses(unfetched, lock.index))
        for wheel in missing:
            before = sum(each.n_bytes for each in lock.wheels[: lock.wheels.index(wheel)])
            if not (folder / wheel.file).exists():
                for n_bytes in bring(urls[wheel.name], wheel, folder):
                    yield Step("fetching", before + n_bytes, lock.n_bytes)
            for n_bytes in unpack(folder / wheel.file, place.packages(folder)):
                yield Step("unpacking", n_bytes, wheel.unpacked_bytes)
            _done(folder, wheel).touch()
            (folder / wheel.file).unlink()
        yield Step("testing")
        if problem := (yield from _problem(folder)):
            raise UserError(
                "CUDA was set up but does not work on this card ({reason}).",
                "The previous set-up stays in use. Update NVIDIA's driver and try again; nothing is downloaded again.",
                reason=problem,
            )
        finished = _free_name(lock)
        folder.rename(finished)
        place.switch_to(finished)
    return finished


def needed_disk_bytes(lock: Lock) -> int:
    """Peak space during set-up; `lock.unpacked_bytes` of it stay."""
    return lock.unpacked_bytes + max(wheel.n_bytes for wheel in lock.wheels)


def _done(folder: Path, wheel: Wheel) -> Path:
    return folder / f"{wheel.file}.unpacked"


def _free_name(lock: Lock) -> Path:
    """A new name beside a broken set-up of the same name that is still in use."""
    n, path = 1, place.root() / lock.name
    while path.exists():
        n, path = n + 1, place.root() / f"{lock.name}-{n + 1}"
    return path


def _check_space(lock: Lock, folder: Path) -> None:
    left = [wheel for wheel in lock.wheels if not _done(folder, wheel).exists()]
    if not left:
        return
    parts = sum(part_bytes(folder / f"{wheel.file}.part") for wheel in left)
    needed = sum(wheel.unpacked_bytes for wheel in left) + max(wheel.n_bytes for wheel in left) - parts
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            "CUDA needs {needed:,.1f} GiB; {free:,.1f} GiB are free in {folder}.",
            "Free some space and try again.",
            needed=needed / _GIB,
            free=free / _GIB,
            folder=place.root(),
        )


# ---- Trying


def _problem(folder: Path) -> Generator[Step, None, str]:
    """What is wrong with a set-up on this computer, tried in a separate process; "" if it works."""
    trial = run(roles.command("cuda-trial", str(place.packages(folder))))
    code, said = yield from _told(Step("testing"), trial)
    lines = said.strip().splitlines()
    return "" if code == 0 else lines[-1] if lines else f"exit code {code}"


def _told(step: Step, work: Generator[None, None, _T]) -> Generator[Step, None, _T]:
    """The result of some work; `step` is repeated while it runs."""
    try:
        while True:
            next(work)
            yield step
    except StopIteration as finished:
        value: _T = finished.value
        return value
    finally:
        work.close()


@contextmanager
def _failures_in_words(lock: Lock, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = f"{needed_disk_bytes(lock) / _GIB:,.1f}"
            raise UserError(
                "The disk is full: CUDA needs {needed} GiB in {folder}.",
                "Free some space and try again.",
                needed=needed,
                folder=place.root(),
            ) from error
        raise UserError(
            "CUDA cannot be kept in {folder} ({reason}).",
            "Check the disk and who owns the folder.",
            folder=folder,
            reason=error.strerror or error,
        ) from error

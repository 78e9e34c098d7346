"""The programs where their disk fills up, may not be written to or goes, the clock jumps, or two do the same at once.

Each case has a disk of its own, a small tmpfs that no other process sees and that goes with it; that needs the rights
to mount one. A program does its work or refuses in a sentence, and what is there is whole.
"""

import ctypes
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from tests.campaign.disks import empty, jumping_clock
from tests.campaign.forked import Part
from tests.campaign.works import Work, forked, run_to_its_end, said, wait_for, works

_NEW_MOUNTS = 0x20000
_PRIVATE, _REMOUNT, _READ_ONLY = 0x44000, 0x20, 0x1
_WHOLE_BYTES = 2**26
_FREE_BYTES = (0, 4096, 20_000, 60_000, 200_000, 1_000_000)
_PATIENCE_S = 200.0
_DONE, _REFUSED = 0, 2

Harm = Callable[[Path, Random], None]


def may_mount() -> bool:
    """Whether this user may have disks of his own."""
    if sys.platform != "linux":
        return False
    pid = os.fork()
    if pid == 0:
        try:
            _own_disk(Path("/tmp"))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _own_disk(folder: Path) -> None:
    """A tmpfs there, for this process and those that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    _mount(Path("/"), _PRIVATE, "")
    _mount(folder, 0, f"size={_WHOLE_BYTES}")


def _mount(folder: Path, flags: int, options: str) -> None:
    if ctypes.CDLL(None, use_errno=True).mount(b"none", os.fsencode(folder), b"tmpfs", flags, options.encode()):
        raise OSError(ctypes.get_errno(), f"mount {folder}")


def _small(disk: Path, random: Random) -> None:
    found = os.statvfs(disk)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    _mount(disk, _REMOUNT, f"size={used + random.choice(_FREE_BYTES)}")


def _read_only(disk: Path, random: Random) -> None:
    _mount(disk, _REMOUNT | _READ_ONLY, "")


def _vanishing(disk: Path, random: Random) -> None:
    after_s = random.choice((0.0, random.uniform(0.0, 1.0)))

    def vanish() -> None:
        time.sleep(after_s)
        for path in disk.iterdir():
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)

    threading.Thread(target=vanish, daemon=True).start()


def _twice(disk: Path, random: Random) -> None:
    """From here on there are two of this process; both have to end well."""
    other = os.fork()
    if other == 0:
        time.sleep(random.choice((0.0, random.uniform(0.0, 0.5))))
        return

    def wait_for_it() -> None:
        code = wait_for(other, _PATIENCE_S)
        assert code in (_DONE, _REFUSED), f"the other one ended with {code}"

    _at_the_end.append(wait_for_it)


_at_the_end: list[Callable[[], object]] = []


def _use(harm: Harm, path: Path) -> None:
    random = Random(path.name)
    work = random.choice(works())
    disk = path / "disk"

    def begin() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        disk.mkdir()
        _own_disk(disk)
        work.prepare(disk)
        os.chdir(disk)
        harm(disk, random)
        code = _ended(work, disk)
        for wait in _at_the_end:
            wait()
        if harm is not _vanishing:
            work.check(disk)
            left = [each for each in disk.rglob("*") if each.suffix == ".tmp"]
            assert not left, left
        sys.exit(code)

    code = wait_for(forked(begin, path), _PATIENCE_S)
    told = said(path)
    assert "Traceback" not in told, f"{work.name}: {told[-1500:]}"
    assert code in (_DONE, _REFUSED), f"{work.name} ended with {code}: {told[-500:]}"


def _ended(work: Work, disk: Path) -> int:
    try:
        work.begin(disk)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return _DONE


_imported: list[str] = []


def _import_all(folder: Path) -> None:
    """What they import is imported here, once, and not by every case."""
    for work in works():
        if work.name not in _imported:
            place = folder / work.name
            place.mkdir()
            work.prepare(place)
            run_to_its_end(work, place)
            _imported.append(work.name)


def _harmed(name: str, harm: Harm) -> Part:
    return Part(f"program, {name}", _import_all, empty, partial(_use, harm))


PROGRAMS = (
    _harmed("small disk", _small),
    _harmed("read-only disk", _read_only),
    _harmed("vanishing folder", _vanishing),
    _harmed("other times", lambda disk, random: jumping_clock(random)),
    _harmed("two at once", _twice),
)

"""Case after case in a forked process with limits: what it raises, and what ends it, is told apart and counted.

A case is clean where it is done or refused with the program's own error. Knows nothing of files.
"""

import faulthandler
import mmap
import os
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from gistdesk.core.errors import UserError, of_system

CPU_S = 10.0
MEMORY_BYTES = 2**30
_WALL_S = 300.0


@dataclass(frozen=True)
class Part:
    """One kind of thing to try.

    Attributes:
        prepare: makes what is spoilt, once, in a folder.
        spoil: puts one case into a fresh folder; what it returns is given to `check`.
        check: uses the case; raises nothing, or one of `refusals`.
        again: what a case that broke its limits is given to, in this process, and must refuse; None: it is bad.
    """

    name: str
    prepare: Callable[[Path], object]
    spoil: Callable[[object, Path, Random], Path]
    check: Callable[[Path], object]
    refusals: tuple[type[BaseException], ...] = (UserError,)
    again: Callable[[Path], object] | None = None


@dataclass
class Count:
    """What came of a part.

    Attributes:
        ended: cases that broke a limit in the forked process, and were then refused by the program's own.
        kinds: each kind of failure, with the case that showed it first and how often it came.
    """

    tried: int = 0
    clean: int = 0
    bad: int = 0
    ended: int = 0
    longest_s: float = 0.0
    peak_bytes: int = 0
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add_bad(self, kind: str, case: int) -> bool:
        """Whether it is the first of its kind."""
        self.bad += 1
        first, n = self.kinds.get(kind, (case, 0))
        self.kinds[kind] = (first, n + 1)
        return n == 0


_SHARED = struct.Struct("qqqdq")  # the case under way, tried, clean, longest seconds, n bytes of the failure told
_TOLD_BYTES = 8192


def try_cases(part: Part, seed: int, first: int, seconds: float, count: Count) -> tuple[int, str]:
    """Try cases from `first` on, until the time is over or one fails -> (the next case, the failure or "")."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        made = Path(folder, "made")
        made.mkdir()
        shared = mmap.mmap(-1, _SHARED.size + _TOLD_BYTES)
        shared[: _SHARED.size] = _SHARED.pack(first, 0, 0, 0.0, 0)
        prepared = part.prepare(made)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _serve(part, seed, first, seconds, Path(folder), prepared, shared)
        _, status, used = os.wait4(pid, 0)
        case, tried, clean, longest, n_told = _SHARED.unpack(shared[: _SHARED.size])
        count.tried += tried
        count.clean += clean
        count.longest_s = max(count.longest_s, longest)
        count.peak_bytes = max(count.peak_bytes, used.ru_maxrss * 1024)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return case, ""
        if os.WIFEXITED(status):
            told = bytes(shared[_SHARED.size : _SHARED.size + n_told]).decode("utf-8", "replace")
        else:
            told = f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
        if part.again is not None and (told == "MemoryError" or told.startswith("ended by")):
            told = _again(part, seed, case, Path(folder), prepared)
            count.ended += not told
        count.tried += 1
        count.clean += not told
        return case + 1, told


def make_case(part: Part, seed: int, case: int, folder: Path, prepared: object) -> Path:
    """The files of one case, the same every time."""
    folder.mkdir()
    return part.spoil(prepared, folder, Random(f"{seed}:{part.name}:{case}"))


def _again(part: Part, seed: int, case: int, folder: Path, prepared: object) -> str:
    assert part.again is not None
    path = make_case(part, seed, case, folder / "again", prepared)
    try:
        part.again(path)
    except part.refusals:
        return ""
    except Exception as error:
        return _kind_of(error)
    finally:
        shutil.rmtree(folder / "again", ignore_errors=True)
    return ""


def _serve(
    part: Part, seed: int, first: int, seconds: float, folder: Path, prepared: object, shared: mmap.mmap
) -> None:
    """The forked process; never comes back."""
    code = 0
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
        faulthandler.disable()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        case, tried, clean, longest = first, 0, 0, 0.0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            shared[: _SHARED.size] = _SHARED.pack(case, tried, clean, longest, 0)
            place = folder / str(case)
            path = make_case(part, seed, case, place, prepared)
            signal.setitimer(signal.ITIMER_PROF, CPU_S)
            signal.setitimer(signal.ITIMER_REAL, _WALL_S)
            begun = time.process_time()
            told = ""
            try:
                part.check(path)
            except part.refusals:
                pass
            except MemoryError:
                told = "MemoryError"
            except BaseException as error:
                told = "" if of_system(error) else _kind_of(error)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            longest = max(longest, time.process_time() - begun)
            if told:
                data = told.encode("utf-8", "replace")[:_TOLD_BYTES]
                shared[_SHARED.size : _SHARED.size + len(data)] = data
                shared[: _SHARED.size] = _SHARED.pack(case, tried, clean, longest, len(data))
                code = 3
                break
            shutil.rmtree(place, ignore_errors=True)
            tried, clean, case = tried + 1, clean + 1, case + 1
            shared[: _SHARED.size] = _SHARED.pack(case, tried, clean, longest, 0)
    except BaseException:
        traceback.print_exc()
        code = 4
        data = f"the campaign itself: {traceback.format_exc()[-1500:]}".encode("utf-8", "replace")
        shared[_SHARED.size : _SHARED.size + len(data)] = data
        shared[: _SHARED.size] = _SHARED.pack(case, tried, clean, longest, len(data))
    finally:
        os._exit(code)


def _kind_of(error: BaseException) -> str:
    """Its type and the last line of ours that it came through: the same fault, the same words."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/gistdesk/" in frame.filename or "/trainer/" in frame.filename]
    last = (ours or frames)[-1]
    said = re.sub(r"'[^']*'|\d+|0x\w+", "…", str(error)[:400].split("\n")[0])[:120]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.name}: {said}"

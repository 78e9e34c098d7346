"""One program in a folder of its own, to which signal after signal is sent, until it has come to its end all the same.

Knows nothing of what the program does.
"""

import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import torch

from gistdesk.core.errors import UserError
from tests.campaign.works import Work, forked, run_to_its_end, said, wait_for

_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_PATIENCE_S = 600.0
_END_S, _GONE_S = 120.0, 60.0
_SHARE_PAST_THE_END = 1.1
"""Of the time that an undisturbed run takes: some are to come to their end, to be compared."""


@dataclass
class Kills:
    """Counts of one work.

    Attributes:
        sent: signals by name, of those that came before the end.
        finished: runs that came to their end and made what an undisturbed one makes.
        longest_s: from a signal until all its processes were gone.
    """

    sent: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    longest_s: float = 0.0
    bad: list[str] = field(default_factory=list)


class Disturbed:
    """One work in a folder that is kept from signal to signal.

    Attributes:
        name: of the work.
        kills: what came of it.
        spent_s: seconds so far; whoever had the least is next.
    """

    def __init__(self, work: Work, folder: Path, random: Random) -> None:
        self.name, self.kills, self.spent_s = work.name, Kills(), 0.0
        self._work = work
        self._random, self._folder = random, folder / "disturbed"
        quiet = folder / "quiet"
        for each in (quiet, self._folder):
            each.mkdir(parents=True)
            work.prepare(each)
        run_to_its_end(work, quiet)  # once for what it imports, which the next ones find imported
        work.prepare(quiet)
        begun = time.monotonic()
        run_to_its_end(work, quiet)
        self._whole_s = time.monotonic() - begun
        self._made = work.made(quiet)

    def one(self) -> None:
        """Begin it, and send one signal at some moment, if it is not done by then."""
        (self._folder / "stderr").unlink(missing_ok=True)
        number = self._random.choice(_SIGNALS)
        after_s = self._random.uniform(0.0, _SHARE_PAST_THE_END) * self._whole_s
        begun = time.monotonic()
        pid = forked(lambda: self._work.begin(self._folder), self._folder)
        code = wait_for(pid, after_s)
        if code is None:
            problem = self._signalled(pid, number)
            self.kills.sent[number.name] += 1
            if problem:
                self.kills.bad.append(f"{number.name} after {after_s:.2f} s: {problem}")
        else:
            self._ended(code)
        self.spent_s += time.monotonic() - begun

    def finish(self) -> None:
        """Leave it alone until it comes to its end."""
        self._ended(wait_for(forked(lambda: self._work.begin(self._folder), self._folder), _PATIENCE_S))

    def _signalled(self, pid: int, number: signal.Signals) -> str:
        """What is wrong after it; "" when nothing is."""
        process = psutil.Process(pid)
        family = process.children(recursive=True)
        sent = time.monotonic()
        victim = self._work.victim(process, self._random)
        victim.send_signal(number)
        if wait_for(pid, _END_S) is None:
            told = self._ended_telling_where([process, *family])
            wait_for(pid, _END_S)
            return f"it did not end within {_END_S:.0f} s: {told}"
        _, alive = psutil.wait_procs(family, timeout=_GONE_S)
        if alive:
            return f"{len(alive)} processes are left: {self._ended_telling_where(alive)}"
        self.kills.longest_s = max(self.kills.longest_s, time.monotonic() - sent)
        return self._checked()

    def _ended_telling_where(self, processes: list[psutil.Process]) -> str:
        """End them, each telling where its threads stand (`works.forked` enables it)."""
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGABRT)
        time.sleep(1.0)
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        return said(self._folder)[-6000:]

    def _checked(self) -> str:
        told = said(self._folder)
        if "Traceback" in told:
            return told[-1500:]
        try:
            self._work.check(self._folder)
        except (UserError, OSError, ValueError, AssertionError, LookupError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _ended(self, code: int | None) -> None:
        """By itself: compare, and begin anew."""
        problem = self._checked()
        if code != 0:
            problem = f"it ended with {code}: {said(self._folder)[-1500:]}"
        if not problem:
            try:
                if not _same(self._work.made(self._folder), self._made):
                    problem = "what was made in the end is not what an undisturbed run makes"
            except (UserError, OSError, ValueError, AssertionError, LookupError) as error:
                problem = f"in the end: {type(error).__name__}: {error}"
        if problem:
            self.kills.bad.append(problem)
            return
        self.kills.finished += 1
        self._work.prepare(self._folder)


def _same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other

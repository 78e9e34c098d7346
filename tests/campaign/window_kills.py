"""A window that works all the time, and its engine, killed at random moments: the next window goes on.

What has to hold is `tests.end2end.faults`'; here no kill waits for anything, so that there can be many of them.
"""

import signal
import time
from pathlib import Path
from random import Random

import psutil

from tests.campaign.disturbed import Kills
from tests.end2end.faults import BusyWindow, Faults

_WAIT_S, _GONE_S = 8.0, 60.0
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)


class DisturbedWindow:
    """One library, window after window. Attributes: as those of `Disturbed`."""

    name = "window"

    def __init__(self, folder: Path, random: Random) -> None:
        self.kills, self.spent_s = Kills(), 0.0
        self._random, self._home = random, folder / "home"
        self._faults = Faults(self._home, 0, _GONE_S)
        self._faults.finish()  # so that there is something to ask

    def one(self) -> None:
        """Open it, kill its engine or not, and then the window itself."""
        begun = time.monotonic()
        window = BusyWindow(self._home)
        try:
            self._strike(window)
            self._faults.check()
        except AssertionError as error:
            self.kills.bad.append(f"{error}\n{window.told[-5:]}")
        finally:
            window.kill()
        self.spent_s += time.monotonic() - begun

    def _strike(self, window: BusyWindow) -> None:
        time.sleep(self._random.uniform(0.0, 2.0))  # from before it is drawn
        if self._random.random() < 0.5:
            window.wait_for(lambda line: line["what"] == "engine" and line["pid"])
            time.sleep(self._random.uniform(0.0, _WAIT_S))
            pid, since = window.engine_id(), len(window.told)
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()
                self.kills.sent["SIGKILL"] += 1
                window.wait_for(lambda line: line["what"] == "engine" and line["pid"] not in (0, pid), since=since)
        time.sleep(self._random.uniform(0.0, _WAIT_S))
        number, sent = self._random.choice(_SIGNALS), time.monotonic()
        if number == signal.SIGTERM:
            family = window.family()
            window.process.send_signal(number)
            window.process.wait(_GONE_S)
            _, alive = psutil.wait_procs(family, timeout=_GONE_S)
            assert not alive, f"left behind: {[each.cmdline() for each in alive]}"
        self._faults.kill_window(window)
        self.kills.sent[number.name] += 1
        self.kills.longest_s = max(self.kills.longest_s, time.monotonic() - sent)

    def finish(self) -> None:
        """The queue goes on to its end, and a last question is answered."""
        self._faults.finish()
        self.kills.finished += 1

"""kill -9 at random moments, of the engine and of the window, while documents are compressed and questions answered.

    python -m tests.end2end.faults 50

After every kill: no process of the window's is left, every question that it had taken is in the library, every gist in
the library is whole, the database is sound; and the queue goes on, to its end. Prints a line per kill and the counts.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from gistdesk.core.gist_file import read_gist
from gistdesk.library import Library

PATIENCE_S = 180.0
_MOMENTS: dict[str, tuple[Callable[[dict[str, Any]], object], float]] = {
    "from the start": (lambda line: line["what"] == "open", 4.0),
    "from compressing": (lambda line: line["what"] == "entry" and line["state"] == "compressing", 3.0),
    "from a question": (lambda line: line["what"] == "asked", 3.0),
}
"""From when on a window is killed, and within how many seconds."""
_GONE_S = 15.0


class BusyWindow:
    """A window that works, in a process of its own. Attributes: told: what it printed so far."""

    def __init__(self, home: Path, *words: str) -> None:
        command = [sys.executable, "-m", "tests.end2end.busy_window", *words]
        environment = os.environ | {"GISTDESK_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.told: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.told.append(json.loads(line))

    def wait_for(self, what: Callable[[dict[str, Any]], object], *, since: int = 0) -> dict[str, Any]:
        """The first such line after the first `since`; fails when there is none."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            ended = self.process.poll() is not None
            if ended:
                self._reader.join()
            found = next((line for line in self.told[since:] if what(line)), None)
            if found is not None:
                return found
            assert not ended, f"the window ended with {self.process.returncode}: {self.told[-5:]}"
            time.sleep(0.02)
        raise AssertionError(f"nothing of the kind came about: {self.told[since:][-10:]}")

    def engine_id(self) -> int:
        """Process id of the engine that was started last."""
        return [int(line["pid"]) for line in self.told if line["what"] == "engine" and line["pid"]][-1]

    def family(self) -> list[psutil.Process]:
        """The window's process and all that it has started."""
        try:
            window = psutil.Process(self.process.pid)
            return [window, *window.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def asked(self) -> list[str]:
        return [line["text"] for line in self.told if line["what"] == "asked"]


class Faults:
    """Attributes: killed: how often what was killed while what was being done; asked: every question so far."""

    def __init__(self, home: Path, seed: int, gone_s: float = _GONE_S) -> None:
        self._gone_s = gone_s
        self._home, self._library = home, home / "data" / "library"
        self._chance = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.asked: list[str] = []

    def run(self, n: int, tell: Callable[[str], object] = print) -> None:
        """Kill so often, then let the queue end. Raises AssertionError."""
        self.finish()  # so that there is something to ask
        for number in range(n):
            victim = ("window", "engine")[number % 2]
            begin, within_s = self._chance.choice(sorted(_MOMENTS.items()))[1]
            window = BusyWindow(self._home)
            try:
                window.wait_for(begin)
                time.sleep(self._chance.uniform(0.0, within_s))
                doing = self._doing()
                self.killed[f"{victim} while {doing}"] += 1
                tell(f"{number + 1:3} of {n}: kill -9 of the {victim} while {doing}")
                if victim == "engine":
                    self._kill_engine(window)
                self.kill_window(window)
            finally:
                window.kill()
            self.check()
        self.finish()

    def _doing(self) -> str:
        """What the library says is being done."""
        with sqlite3.connect(self._library / "library.sqlite3", timeout=10) as db:
            writing = db.execute("SELECT 1 FROM messages WHERE state = 'writing'").fetchone()
            states = {row[0] for row in db.execute("SELECT state FROM entries")}
        db.close()
        return "answering" if writing else next((s for s in ("compressing", "extracting") if s in states), "starting")

    def _kill_engine(self, window: BusyWindow) -> None:
        """The window starts it again, and work goes on."""
        window.wait_for(lambda line: line["what"] == "engine" and line["pid"])
        while True:
            pid, since = window.engine_id(), len(window.told)
            with suppress(psutil.NoSuchProcess):  # the window itself had just ended it, and starts another
                psutil.Process(pid).kill()
                break
            time.sleep(0.02)
        window.wait_for(lambda line: line["what"] == "engine" and line["pid"] not in (0, pid), since=since)
        again = len(window.told)
        window.wait_for(lambda line: _is_progress(line), since=again)

    def kill_window(self, window: BusyWindow) -> None:
        """Nothing that it started outlives it for long."""
        family = window.family()
        window.kill()
        self.asked += window.asked()
        _, alive = psutil.wait_procs(family, timeout=self._gone_s)
        left = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
        assert not left, f"left behind: {left}"

    def check(self) -> None:
        """What the library holds now: all questions, and whole gists only."""
        db = sqlite3.connect(self._library / "library.sqlite3", timeout=10)
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        stored = {row[0] for row in db.execute("SELECT text FROM messages WHERE role = 'user'")}
        db.close()
        lost = set(self.asked) - stored
        assert not lost, f"questions were lost: {lost}"
        library = Library(self._library)
        try:
            for path in library.store.gists_folder.glob("*.gistkv"):
                read_gist(path)
            for entry in library.entries.all():
                assert entry.state != "failed", entry
                assert entry.gist is None or entry.gist.path.is_file(), entry
                assert entry.state != "ready" or entry.gist is not None, entry
        finally:
            library.close()

    def finish(self) -> None:
        """The queue goes on to its end; then a question is answered, and nothing is left lying about."""
        window = BusyWindow(self._home, "finish")
        try:
            answer = window.wait_for(lambda line: line["what"] == "answered")
            assert answer["state"] == "complete", answer
            assert window.process.wait(60) == 0
        finally:
            window.kill()
        self.check()
        library = Library(self._library)
        try:
            assert {entry.state for entry in library.entries.all()} == {"ready"}
            assert list(library.store.incoming_folder.iterdir()) == []
            states = {message.state for chat in library.chats.all() for message in library.chats.path(chat.id)}
            assert "writing" not in states
        finally:
            library.close()


def _is_progress(line: dict[str, Any]) -> bool:
    compressed = line["what"] == "entry" and line["state"] == "compressing" and line["done"] > 0
    ready = line["what"] == "entry" and line["state"] == "ready"
    return compressed or ready or (line["what"] == "answered" and line["state"] == "complete")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", type=int, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        faults = Faults(Path(name), options.seed)
        faults.run(options.count)
    print("\n".join(f"{n:4} {what}" for what, n in sorted(faults.killed.items())))
    print(f"Killed {options.count} times. Questions asked and kept: {len(faults.asked)}. No process was left.")


if __name__ == "__main__":
    main()

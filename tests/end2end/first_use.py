"""The first use of the program, on a screen of its own with a window manager: keys from outside, pictures of each step.

    python -m tests.end2end.first_use FOLDER [--document FILE] [--question TEXT] [--size 1280x800] [--scale 1.0]

Starts Xvfb, openbox and the window with a document, presses what a person would press (xdotool), and waits for what the
library's database says. Writes a PNG per step, `steps.json` with the seconds, and `terminal.log` with all that the
program wrote to its terminal, into FOLDER; ends with 1 where that was anything. Knows nothing of the program but its
keys and its database.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from gistdesk.folders import resource

NEEDED = ("Xvfb", "openbox", "xdotool", "import")
QUESTION = "Who is the chief executive officer?"
_PATIENCE_S = 300.0
_DISPLAYS = range(90, 120)


def missing() -> list[str]:
    """Programs that this computer lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


class FirstUse:
    """A window on a screen of its own.

    Attributes:
        steps: what was done, and after how many seconds it could be seen.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.steps: list[dict[str, Any]] = []
        self._environment = dict(environment)
        self._database = Path(environment["GISTDESK_HOME"]) / "data" / "library" / "library.sqlite3"
        self._begun = time.monotonic()

    def seen(self, step: str, **more: object) -> None:
        """Take a picture and the time."""
        row = {"step": step, "seconds": round(time.monotonic() - self._begun, 2), **more}
        self.steps.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)
        name = f"{len(self.steps):02}-{step.replace(' ', '-')}.png"
        self._run("import", "-window", "root", str(self.folder / name))

    def keys(self, *names: str) -> None:
        self._run("xdotool", "key", "--delay", "60", *names)

    def write(self, text: str) -> None:
        self._run("xdotool", "type", "--delay", "15", text)

    def wait_for_window(self) -> None:
        self._run("xdotool", "search", "--sync", "--onlyvisible", "--name", "gistdesk", "windowfocus")

    def wait_for(self, query: str, *, press: str = "") -> tuple[Any, ...]:
        """Until this query of the library gives a row; the row. `press`: a key that is tried every few seconds."""
        until, pressed = time.monotonic() + _PATIENCE_S, 0.0
        while time.monotonic() < until:
            if press and time.monotonic() - pressed > 3:
                self.keys(press)
                pressed = time.monotonic()
            with suppress(sqlite3.Error):
                db = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)
                try:
                    if row := db.execute(query).fetchone():
                        return tuple(row)
                finally:
                    db.close()
            time.sleep(0.1)
        raise TimeoutError(f"nothing after {_PATIENCE_S:.0f} s: {query}")

    def _run(self, *words: str) -> None:
        subprocess.run(words, env=self._environment, check=True, timeout=_PATIENCE_S, stdout=subprocess.DEVNULL)


@contextmanager
def screen(size: str) -> Iterator[str]:
    """A display with a window manager; its name."""
    with ExitStack() as stack:
        number = next(n for n in _DISPLAYS if not Path(f"/tmp/.X11-unix/X{n}").exists())
        display = f":{number}"
        for words in (["Xvfb", display, "-screen", "0", f"{size}x24"], ["openbox"]):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started = subprocess.Popen(words, env=os.environ | {"DISPLAY": display}, **quiet)
            stack.callback(started.wait, 10)
            stack.callback(started.terminate)
            until = time.monotonic() + 10
            while not Path(f"/tmp/.X11-unix/X{number}").exists() and time.monotonic() < until:
                time.sleep(0.05)
        yield display


def first_use(folder: Path, *, document: Path, question: str, size: str, scale: float) -> list[dict[str, Any]]:
    """From the command to an answer; the steps with their seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    with screen(size) as display:
        environment = os.environ | {"DISPLAY": display, "QT_SCALE_FACTOR": str(scale), "GISTDESK_HOME": str(home)}
        environment.pop("QT_QPA_PLATFORM", None)
        environment.pop("WAYLAND_DISPLAY", None)
        use = FirstUse(folder, environment)
        command = [sys.executable, "-P", "-m", "gistdesk", str(document)]
        terminal = folder / "terminal.log"
        with terminal.open("wb") as said:
            window = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            use.wait_for_window()
            use.seen("window")
            time.sleep(4)  # by then the sheet has read a short document and says what it will take
            use.seen("drop sheet")
            use.wait_for("SELECT id FROM entries", press="Return")
            use.keys("ctrl+j")
            time.sleep(1)
            use.seen("compressing")
            ready = use.wait_for("SELECT state, problem_message FROM entries WHERE state IN ('ready', 'failed')")
            use.seen("compressed", state=ready[0], problem=ready[1])
            use.keys("ctrl+j")
            use.keys("ctrl+n")
            time.sleep(1.5)
            use.seen("chat")
            use.keys("ctrl+l")
            use.write(question)
            time.sleep(0.3)
            use.keys("Return")
            answer = use.wait_for(
                "SELECT text, state, figures FROM messages WHERE role = 'assistant' AND state <> 'writing'"
            )
            time.sleep(0.5)
            use.seen("answer", question=question, answer=answer[0], state=answer[1])
            use.keys("ctrl+q")
            use.seen("quit", code=window.wait(30), said=terminal.read_text(encoding="utf-8", errors="replace"))
        finally:
            window.kill()
            window.wait()
    (folder / "steps.json").write_text(json.dumps(use.steps, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return use.steps


def main() -> None:
    parser = argparse.ArgumentParser(description="The first use of the window, by keys and with pictures.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--document", type=Path, default=resource("samples/ferry-report.md"))
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    if lacking := missing():
        sys.exit(f"Install first: {', '.join(lacking)}")
    steps = first_use(
        given.folder.absolute(), document=given.document, question=given.question, size=given.size, scale=given.scale
    )
    sys.exit(1 if steps[-1]["said"] or steps[-1]["code"] else 0)


if __name__ == "__main__":
    main()

"""How the program begins: what the window's process imports, how soon it can be used, what is said when it cannot."""

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from gistdesk.library import Library
from tests.library.made import ready

HEAVY = {"torch", "transformers", "peft", "accelerate", "bitsandbytes", "safetensors", "tokenizers", "matplotlib"}
OPENED_LATER = {f"gistdesk.ui.{name}" for name in ("chat.place", "lab.place", "settings.dialog", "window.palette")}
USABLE_S = 0.7
"""Of this process's own work; on a quiet machine that is also the time on the clock."""
_OPEN = """
import json, os, sys, time
from PySide6.QtCore import QTimer
from gistdesk.ui.app import start
from gistdesk.__main__ import main

def look():
    window = programs[0].window
    window.grab()  # all of it is drawn
    print(json.dumps({
        "clock_s": time.time() - float(os.environ["BEGUN"]),
        "work_s": time.process_time(),
        "modules": sorted({name.split(".")[0] for name in sys.modules} | {m for m in sys.modules if "gistdesk" in m}),
    }))
    QTimer.singleShot(0, window.quit_now)

programs = []
class Program(start.Program):
    def show(self, paths):
        super().show(paths)
        programs.append(self)
        QTimer.singleShot(0, look)

start.Program = Program
sys.argv = ["gistdesk"]
main()
"""


def opened(home: Path) -> dict[str, Any]:
    """What a window's process says of itself when it can first be used."""
    environment = os.environ | {"GISTDESK_HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "BEGUN": str(time.time())}
    command = [sys.executable, "-c", _OPEN]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
    line = next(line for line in ended.stdout.decode().splitlines() if line.startswith("{"))
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.release
def test_the_window_is_drawn_within_0_7_s_and_without_torch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    starts = [opened(tmp_path / "home") for _ in range(3)]
    with capsys.disabled():
        work_s, clock_s = (median(start[name] for start in starts) for name in ("work_s", "clock_s"))
        print(f"\nfrom the command to a window that is drawn: {work_s:.2f} s of work, {clock_s:.2f} s on the clock")
    for start in starts:
        modules = set(start["modules"])
        assert "PySide6" in modules
        assert not modules & HEAVY
        assert not {name for name in modules if name.startswith(("gistdesk.worker", "trainer"))}
        assert not modules & OPENED_LATER
    assert min(start["work_s"] for start in starts) < USABLE_S


@pytest.mark.release
def test_without_a_display_the_demonstration_runs(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    del environment["QT_QPA_PLATFORM"]
    environment["GISTDESK_HOME"] = str(tmp_path / "home")

    def start(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "gistdesk", *words]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )

    if sys.platform in ("win32", "darwin"):
        pytest.skip("there is always a display")
    ended = start()
    assert ended.returncode == 0, ended.stderr
    assert "There is no display here" in ended.stderr.decode()
    assert "58203" in ended.stdout.decode()
    (tmp_path / "a.txt").write_text("Some words.", "utf-8")
    refused = start("a.txt")
    assert refused.returncode == 2
    assert "gistdesk compress FILE" in refused.stderr.decode()
    assert not refused.stdout


@pytest.mark.release
def test_a_library_that_cannot_be_used_is_told_in_one_box(tmp_path: Path) -> None:
    """Whether its folder cannot be made, or its database is damaged; exit code 2, and no traceback."""
    script = """
import sys
from PySide6.QtWidgets import QMessageBox
from gistdesk.__main__ import main
QMessageBox.exec = lambda self: print(self.text())
sys.argv = ["gistdesk"]
main()
"""
    file = tmp_path / "file"
    file.touch()
    damaged = tmp_path / "damaged" / "data" / "library"
    damaged.mkdir(parents=True)
    (damaged / "library.sqlite3").write_bytes(b"rubbish " * 1000)
    for home, words in ((file, "cannot be used (Not a directory)"), (tmp_path / "damaged", "is damaged")):
        environment = os.environ | {"GISTDESK_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
        ended = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, timeout=120, check=False
        )
        assert ended.returncode == 2, ended.stderr
        assert words in ended.stdout.decode()
        assert b"Traceback" not in ended.stderr


@pytest.mark.release
def test_a_damaged_library_opens_from_its_copy_when_asked(tmp_path: Path) -> None:
    """The window offers the newest copy that is whole, and keeps the damaged file."""
    script = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from gistdesk.ui.app import start
QMessageBox.exec = lambda self: next(button for button in self.buttons() if button.text() == "Use the backup").click()
def show(self, paths):
    print([entry.title for entry in self.desk.library.entries.all()])
    QTimer.singleShot(0, QApplication.quit)
start.Program.show = show
sys.exit(start.run_window([]))
"""
    folder = tmp_path / "data" / "library"
    with closing(Library(folder)) as library:
        ready(library, "kept")
        library.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    Library(folder).close()
    (folder / "library.sqlite3").write_bytes(b"rubbish " * 1000)
    environment = os.environ | {"GISTDESK_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen", "LANG": "en_US.UTF-8"}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.decode().strip() == "['kept']"
    assert (folder / "library.sqlite3.damaged-1").read_bytes().startswith(b"rubbish")

"""A command in a process of its own is heard line by line, and its end is told once, however it ends."""

import sys

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from gistdesk.session import child as module
from gistdesk.session.child import Child, End

SPEAKS = """
import json, sys
print("no object"); print(json.dumps({"n": 1}), flush=True)
print(json.dumps({"heard": json.loads(sys.stdin.readline())}), end="\\n", flush=True)
sys.exit("gistdesk: That is all.")
"""

PARENT = QObject()


def child(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Child, list[object], list[End]]:
    monkeypatch.setattr(module, "command", lambda role, *more: (*words, *more))
    made = Child(PARENT, "gistdesk")
    rows: list[object] = []
    ends: list[End] = []
    made.said.connect(rows.append)
    made.ended.connect(ends.append)
    made.start()
    return made, rows, ends


def test_it_is_heard_and_told(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    made, rows, ends = child(monkeypatch, sys.executable, "-c", SPEAKS)
    qtbot.waitUntil(lambda: rows == [{"n": 1}])
    made.tell({"go": "on"})
    qtbot.waitUntil(lambda: bool(ends))
    assert rows[1:] == [{"heard": {"go": "on"}}]
    assert ends == [End(1, "That is all.", is_bug=False)]


def test_a_traceback_is_a_bug(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, ends = child(monkeypatch, sys.executable, "-c", "1 / 0")
    qtbot.waitUntil(lambda: bool(ends))
    assert ends == [End(1, "ZeroDivisionError: division by zero", is_bug=True)]


def test_what_cannot_be_started_has_ended(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, ends = child(monkeypatch, "/there/is/no/such/program")
    qtbot.waitUntil(lambda: bool(ends))
    assert len(ends) == 1 and ends[0].code == -1 and ends[0].said


def test_what_is_stopped_is_silent(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, ends = child(monkeypatch, sys.executable, "-c", "import time; time.sleep(60)")
    made.stop()
    qtbot.wait(50)
    assert not ends

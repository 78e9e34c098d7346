"""One window per library: the second start hands over, waits for one that is closing, and tells of one that hangs."""

import stat
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QObject, QProcess, QTimer
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from pytestqt.qtbot import QtBot

from gistdesk.core.errors import UserError
from gistdesk.ui.app.instance import Instance

_HAND_OVER = """
import stat
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from gistdesk.ui.app.instance import Instance
app = QCoreApplication([])
second = Instance(Path(sys.argv[1]))
assert not second.first
sys.exit(0 if second.hand_over([Path(word) for word in sys.argv[2:]], 2000) else 3)
"""


def hand_over(qtbot: QtBot, folder: Path, *paths: Path) -> int:
    """The exit code of another process that does so: 0 when they were taken."""
    process = QProcess()
    process.start(sys.executable, ["-c", _HAND_OVER, str(folder), *map(str, paths)])
    qtbot.waitUntil(lambda: process.state() == QProcess.ProcessState.NotRunning, timeout=60_000)
    return process.exitCode()


def test_files_are_handed_over(qtbot: QtBot, tmp_path: Path) -> None:
    first = Instance(tmp_path)
    assert first.first
    opened: list[list[Path]] = []
    first.opened.connect(opened.append)
    assert hand_over(qtbot, tmp_path, tmp_path / "a b.txt", tmp_path / "계약.pdf") == 0
    assert hand_over(qtbot, tmp_path) == 0
    assert opened == [[tmp_path / "a b.txt", tmp_path / "계약.pdf"], []]
    first.close()


def test_a_window_that_hangs_takes_nothing(qapp: QCoreApplication, tmp_path: Path) -> None:
    """This thread does not get to its events while it waits for itself: just as one that hangs."""
    first, second = Instance(tmp_path), Instance(tmp_path)
    assert not second.first
    assert not second.hand_over([tmp_path / "a.txt"], 200)
    assert not second.become_first(200)
    first.close()


def test_who_starts_while_a_window_closes_opens_the_next(qtbot: QtBot, tmp_path: Path) -> None:
    first, second = Instance(tmp_path), Instance(tmp_path)
    first.refuse()
    assert not second.hand_over([tmp_path / "a.txt"])
    assert not second.become_first(50)
    first.close()
    assert second.become_first(50)
    assert hand_over(qtbot, tmp_path) == 0
    second.close()


def test_rubbish_is_no_file(qtbot: QtBot, tmp_path: Path) -> None:
    first = Instance(tmp_path)
    opened: list[list[Path]] = []
    first.opened.connect(opened.append)
    holder = QObject()
    socket = QLocalSocket(holder)
    socket.connectToServer((tmp_path / "window.socket").read_text())
    socket.write(b"[1, {]\n" + b'"text"\n')
    socket.flush()
    qtbot.wait(50)
    socket.write(b"x" * (2 << 20))
    qtbot.waitUntil(lambda: socket.state() == QLocalSocket.LocalSocketState.UnconnectedState)
    QTimer.singleShot(0, holder.deleteLater)
    assert opened == []
    first.close()


def test_a_folder_that_cannot_be_made_is_told(qapp: QCoreApplication, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be used"):
        Instance(tmp_path / "file" / "folder")


def test_nobody_else_can_foretell_or_read_where_the_window_listens(qtbot: QtBot, tmp_path: Path) -> None:
    """Another user who listened there first was told the files' paths."""
    folder, names = tmp_path / "data", set()
    for _ in range(2):
        first = Instance(folder)
        note = folder / "window.socket"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        names.add(note.read_text())
        first.close()
        assert not note.exists()
    assert len(names) == 2


def test_a_window_that_cannot_listen_tells_no_name(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QLocalServer, "listen", lambda *_: False)
    (tmp_path / "window.socket").write_text("gistdesk-" + "0" * 32)
    first, second = Instance(tmp_path), Instance(tmp_path)
    assert first.first
    assert not (tmp_path / "window.socket").exists()
    assert not second.hand_over([tmp_path / "a.txt"])
    first.close()


def test_a_note_that_names_something_else_is_not_followed(qtbot: QtBot, tmp_path: Path) -> None:
    first, second = Instance(tmp_path), Instance(tmp_path)
    for said in (b"/tmp/their-socket", b"\xff\xfe", b"gistdesk-" + b"a" * 32):
        (tmp_path / "window.socket").write_bytes(said)
        assert not second.hand_over([tmp_path / "a.txt"])
    first.close()

"""Names that are too long, folders that cannot be searched, Ctrl+C at any moment: a line each, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gistdesk.core.errors import of_system
from tests.core.test_documents import as_nobody
from tests.end2end.conftest import Run

pytestmark = pytest.mark.release

LONG = "x" * 300
COMMANDS = (
    ("compress", "{}"),
    ("compress", "{}", "-o", "{}.gistkv"),
    ("compress", "book.txt", "--model", "{}"),
    ("ask", "{}", "-q", "What?"),
    ("info", "{}"),
    ("doctor", "--model", "{}"),
    ("niah", "-o", "{}"),
    ("niah", "-o", "out", "--haystack", "{}"),
    ("recall", "{}", "{}"),
    ("adapters", "import", "{}"),
    ("adapters", "export", "{}", "{}"),
    ("adapters", "remove", "{}"),
    ("train", "--config", "{}"),
    ("train", "--preset", "check", "--work", "{}"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_name_may_be_too_long(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text("The harbour was quiet.")
    ended = here(*(word.format(tmp_path / LONG) for word in words))
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") == 1 and len(ended.err) < 2000


@pytest.mark.skipif(sys.platform != "linux", reason="users and permissions of Linux")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_folder_may_not_be_searched(
    here: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    closed = folder / "closed"
    closed.mkdir(exist_ok=True)
    (closed / "a").write_text("text")
    closed.chmod(0)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    try:
        (folder / "book.txt").write_text("The harbour was quiet.")
        monkeypatch.chdir(folder)
        with as_nobody():
            ended = here(*(word.format(closed / "a") for word in words))
    finally:
        closed.chmod(0o755)
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="variables of POSIX")
def test_no_home_and_no_locale(environment: dict[str, str]) -> None:
    """As a service starts it; names of files are not of that locale."""
    bare = {"PATH": os.defpath, "LC_ALL": "C", "PYTHONPATH": environment["PYTHONPATH"]}
    for words, code, said in (
        (("models",), 0, "starter"),
        (("compress", "/\ud55c\uad6d.txt"), 2, "\ud55c\uad6d.txt cannot be found"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "gistdesk", *words], env=bare, capture_output=True, timeout=120, check=False
        )
        assert ended.returncode == code, ended
        assert said in (ended.stderr if code else ended.stdout).decode()
        assert b"Traceback" not in ended.stderr


def test_what_the_system_refuses_is_told_shortly() -> None:
    told = of_system(OSError(36, "File name too long", "x" * 5000))
    assert told is not None and len(str(told)) < 1500
    assert of_system(OSError(36, "File name too long")) is None
    assert of_system(FileNotFoundError(2, "No such file or directory", "x")) is None


@pytest.mark.parametrize("wait_s", [0.0, 0.3, 1.5])
def test_interrupted_while_libraries_load(tmp_path: Path, environment: dict[str, str], wait_s: float) -> None:
    (tmp_path / "book.txt").write_text("The harbour was quiet. " * 2000)
    errors = tmp_path / "errors"
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "gistdesk", "compress", "book.txt"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
    deadline = time.monotonic() + 60
    while b" gistdesk.interrupts\n" not in errors.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.05 + wait_s)
    process.send_signal(signal.SIGINT)
    code = process.wait(timeout=120)
    said = [line for line in errors.read_text().splitlines() if not line.startswith("import time:")]
    assert code == 130, said
    assert said[-1] == "gistdesk: interrupted."
    assert not any("Traceback" in line or "cannot be loaded" in line for line in said)


_INTERRUPTED_WHERE_PYTHON_DROPS_IT = """
import os, signal, time
from gistdesk.interrupts import raise_from_now_on

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

raise_from_now_on()
try:
    Dying()
    time.sleep(20)
    print("not heard")
except KeyboardInterrupt:
    print("heard")
"""


def test_no_interrupt_is_dropped() -> None:
    """One that comes while an object is deleted was printed, and the command went on."""
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHERE_PYTHON_DROPS_IT], capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("heard\n", "")

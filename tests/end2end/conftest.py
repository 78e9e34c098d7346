"""The program as its users run it: as a process of its own that may not touch the network, or here, which is faster."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gistdesk.__main__ import main
from gistdesk.cli.jobs import compress_file
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.folders import resource
from tests.starter import loaded_starter

_NO_NETWORK = """
import sys

def refuse(event, _):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind"):
        sys.stderr.write(f"NETWORK USED: {event}\\n")
        sys.stderr.flush()
        raise ConnectionError("the network is not to be used")

sys.addaudithook(refuse)
"""


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The one object that was printed, and nothing else."""
        [line] = self.lines
        return json.loads(line)


Run = Callable[..., Ended]


def starter_once(name: str = "starter", **options: Any) -> GistModel:
    """`load_model`, but of the starter, which no command changes, there is one."""
    return loaded_starter(**options) if name == "starter" else load_model(name, **options)


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process: the same `main`, without four seconds of imports, on a starter loaded once."""
    for module in ("gistdesk.core.load", "gistdesk.cli.choosing", "gistdesk.cli.demo"):
        monkeypatch.setattr(f"{module}.load_model", starter_once)

    def run(*words: object, stdin: str | bytes = "") -> Ended:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "argv", ["gistdesk", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        out, err = capfd.readouterr()
        return Ended(code if isinstance(code, int) else int(code is not None), out, err)

    return run


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a user's shell, with one difference: any use of the network fails, loudly."""
    folder = tmp_path_factory.mktemp("no-network")
    (folder / "sitecustomize.py").write_text(_NO_NETWORK, "utf-8")
    found = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    return found | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def program(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `python -m gistdesk` in `tmp_path`; its words may start with other options of Python, up to "--"."""

    def run(*words: object, stdin: bytes = b"", start: tuple[str, ...] = ("-m", "gistdesk"), **variables: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, *start, *map(str, words)],
            cwd=tmp_path,
            env=environment | variables,
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run


@pytest.fixture(scope="session")
def alice() -> str:
    """Eleven thousand characters of English, about 3,300 tokens."""
    return (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")


@pytest.fixture(scope="session")
def korean() -> str:
    return (resource("samples") / "korean-with-a-note.txt").read_text("utf-8")


@pytest.fixture
def book(tmp_path: Path, alice: str) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(alice, "utf-8")
    return path


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, alice: str) -> Path:
    folder = tmp_path_factory.mktemp("made-once")
    (folder / "book.txt").write_text(alice, "utf-8")
    *_, _ = compress_file(loaded_starter(), folder / "book.txt", folder / "book.gistkv")
    return folder / "book.gistkv"


@pytest.fixture
def gist(book: Path, made_once: Path) -> Path:
    """The gist of `book`, beside it: 33 slots."""
    return Path(shutil.copy(made_once, book.with_suffix(".gistkv")))


@pytest.fixture(scope="session")
def common() -> Iterator[Path]:
    """A folder that every user of the machine may enter, with a starter in it that every user may read."""
    with tempfile.TemporaryDirectory(prefix="gistdesk-common-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(resource("starter"), folder / "starter")
        for path in (folder / "starter").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        load_model(str(folder / "starter"))  # another user may not be able to read this one's Python
        yield folder

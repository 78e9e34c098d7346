"""The set-up script: its messages, its stamp, its lock. A full set-up is tried by whoever runs the tests."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "packaging" / "start.py"
PYPROJECT = """
[project]
dependencies = ["torch"]
[project.optional-dependencies]
test = ["pytest"]
"""


@pytest.fixture
def start() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project with a copy of the script in it."""
    (tmp_path / "packaging").mkdir()
    shutil.copy(SCRIPT, tmp_path / "packaging")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    return tmp_path.resolve()


def run_script(root: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "packaging" / "start.py"), *words],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def set_up_by_hand(start: ModuleType, root: Path, job: str) -> None:
    start.venv_python(root).parent.mkdir(parents=True, exist_ok=True)
    start.venv_python(root).touch()
    start.stamp_file(root).write_text(start.wanted_stamp(root, job), "utf-8")


# ---- old and new Python


def test_old_python_can_parse_it() -> None:
    ast.parse(SCRIPT.read_text("utf-8"), feature_version=(3, 7))


def test_old_python_meets_the_version_check_before_anything_it_lacks() -> None:
    body = ast.parse(SCRIPT.read_text("utf-8")).body
    docstring, import_sys, check = body[:3]
    assert isinstance(docstring, ast.Expr)
    assert ast.unparse(import_sys) == "import sys"
    assert ast.unparse(check).startswith("if sys.version_info < (3, 11):\n    sys.exit(")


def test_needs_only_the_standard_library() -> None:
    names = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert names <= sys.stdlib_module_names


# ---- words


def test_unknown_word_shows_how_to_use_it(root: Path) -> None:
    done = run_script(root, "compress", "book.pdf")
    assert done.returncode == 2
    assert "run compress FILE" in done.stderr
    assert not (root / ".venv").exists()


# ---- stamp


def test_nothing_is_ready_at_first(start: ModuleType, root: Path) -> None:
    assert not start.is_ready(root, "run")


def test_tests_need_more_than_a_run(start: ModuleType, root: Path) -> None:
    set_up_by_hand(start, root, "run")
    assert start.is_ready(root, "run")
    assert not start.is_ready(root, "test")
    set_up_by_hand(start, root, "test")
    assert start.is_ready(root, "run")
    assert start.is_ready(root, "test")


def test_changed_project_is_set_up_again(start: ModuleType, root: Path) -> None:
    set_up_by_hand(start, root, "run")
    (root / "pyproject.toml").write_text(PYPROJECT + "# newer\n", "utf-8")
    assert not start.is_ready(root, "run")


def test_changed_python_is_set_up_again(start: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_by_hand(start, root, "run")
    monkeypatch.setattr(sys, "version", "3.99.0 (main)")
    assert not start.is_ready(root, "run")


def test_vanished_python_is_set_up_again(start: ModuleType, root: Path) -> None:
    set_up_by_hand(start, root, "run")
    start.venv_python(root).unlink()
    assert not start.is_ready(root, "run")


# ---- what can go wrong


@pytest.mark.skipif(sys.platform != "linux", reason="apt-get is Debian's")
def test_missing_venv_module_names_the_package(root: Path) -> None:
    tools = root / "tools"
    tools.mkdir()
    (tools / "ensurepip.py").write_text("raise ImportError('not here')\n", "utf-8")
    (tools / "apt-get").write_text("#!/bin/sh\necho no network; exit 100\n", "utf-8")
    (tools / "apt-get").chmod(0o755)
    done = run_script(root, PYTHONPATH=str(tools), PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 1
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"sudo apt-get install -y {package}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / ".venv").exists()


@pytest.mark.release
def test_unreachable_index_is_one_sentence_and_is_taken_up_again(start: ModuleType, root: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    nowhere["PIP_EXTRA_INDEX_URL"] = ""
    done = run_script(root, HTTPS_PROXY="http://127.0.0.1:9", **nowhere)
    assert done.returncode == 1
    assert start.NO_NETWORK in done.stderr
    assert "Traceback" not in done.stderr
    assert not start.is_ready(root, "run")
    assert start.is_usable(root)
    start.stamp_file(root).write_text(start.UNFINISHED, "utf-8")  # had it been killed instead
    assert not start.is_usable(root)


def test_pip_failures_are_told_apart(start: ModuleType, root: Path) -> None:
    (root / ".venv").mkdir()
    start.stamp_file(root).write_text(start.UNFINISHED, "utf-8")
    full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    unknown = f"ERROR: No matching distribution found for torch=={start.TORCH}"
    assert "disk is full" in str(start.pip_failure(root, full))
    assert "is not available for Python" in str(start.pip_failure(root, unknown))
    assert "pip failed" in str(start.pip_failure(root, "ERROR: something else"))
    assert start.read_stamp(root) == start.UNFINISHED


# ---- lock


@contextmanager
def setting_up(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is sent a line, and says so on its standard output."""
    code = (
        "import pathlib, start\n"
        "with start.lock(pathlib.Path('..').resolve()):\n"
        "    print('held', flush=True)\n"
        "    input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root / "packaging", stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_second_set_up_waits_for_the_first(root: Path) -> None:
    with setting_up(root) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with setting_up(root) as second:
            assert second.stdout is not None
            assert second.stderr is not None
            assert "Another set-up of this folder is under way" in second.stderr.readline()
            first.communicate("\n")
            assert second.stdout.readline() == "held\n"


def test_lock_of_a_killed_set_up_is_free(root: Path) -> None:
    with setting_up(root) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
    with setting_up(root) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == "held\n"


# ---- Qt


@pytest.mark.skipif(sys.platform != "linux", reason="Qt brings its libraries on other systems")
def test_missing_qt_library_stops_only_what_draws(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "QT_LIBRARIES", {"libnowhere9": "libnowhere.so.9"})
    monkeypatch.setenv("PATH", "")  # no apt-get
    start.check_qt_libraries(needs_window=False)
    assert "sudo apt-get install -y libnowhere9" in capsys.readouterr().err
    with pytest.raises(start.SetupError, match="libnowhere9"):
        start.check_qt_libraries(needs_window=True)

"""The wheel and the sdist: nothing that the program needs is left out, and what is installed runs by itself."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from gistdesk import __version__

ROOT = Path(__file__).parents[2]


def build(kind: str, folder: Path) -> Path:
    """Build with the build backend itself: no environment is made for it, so no network is needed."""
    pytest.importorskip("hatchling")
    words = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def files_in(folder: str) -> list[Path]:
    return [p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts]


@pytest.mark.slow
def test_wheel_holds_every_module_and_resource(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        metadata = archive.read(f"gistdesk-{__version__}.dist-info/METADATA").decode()
    modules = {path.as_posix() for folder in ("gistdesk", "trainer") for path in files_in(folder)}
    resources = {f"gistdesk/{path.as_posix()}" for path in files_in("resources")}
    assert (modules | resources) - held == set()
    assert "gistdesk/resources/icons/gistdesk.svg" in held
    assert "gistdesk/resources/translations/ko/window.json" in held
    assert "gistdesk/resources/starter/model.safetensors" in held
    strays = {name for name in held - modules - resources if not name.startswith(f"gistdesk-{__version__}.dist-info/")}
    assert strays == set()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "License-File: LICENSE" in metadata


@pytest.mark.slow
def test_sdist_holds_what_builds_and_tests_it(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames()}
    wanted = {"pyproject.toml", "LICENSE", "README.md", "packaging/CHANGELOG.md", "packaging/start.py"}
    wanted |= {path.as_posix() for folder in ("gistdesk", "trainer", "resources") for path in files_in(folder)}
    assert wanted - held == set()
    assert any(name.startswith("tests/") for name in held)


@pytest.mark.slow
def test_installed_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The libraries are those of the environment that runs the tests; gistdesk is the wheel's alone."""
    home = tmp_path / "a clean 환경"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (place,) = home.glob("[Ll]ib/python*/site-packages") if os.name != "nt" else [home / "Lib" / "site-packages"]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    libraries = [p for p in sys.path if p.endswith("site-packages")]
    (place / "zz-libraries.pth").write_text("\n".join(libraries), encoding="utf-8")  # no .pth of theirs is read
    variables = {**os.environ, "GISTDESK_HOME": str(tmp_path / "data"), "PYTHONUTF8": "1"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-P", "-m", *words]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)

    assert run("gistdesk", "--version").stdout == f"gistdesk {__version__}\n"
    code = "import gistdesk, trainer; from gistdesk.folders import resource; print(resource('starter'))"
    found = subprocess.run([str(python), "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == place / "gistdesk" / "resources" / "starter"
    steps = run("gistdesk.ui.app.self_test").stdout
    assert '"answered"' in steps
    assert '"closed"' in steps
    assert "check" in run("trainer", "presets").stdout

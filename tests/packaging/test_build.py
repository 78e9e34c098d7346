"""What the build is made of agrees with the rest: versions, hooks, desktop files, the smoke test's own eyes."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from gistdesk import __version__
from gistdesk.roles import MODULES

PACKAGING = Path(__file__).parents[2] / "packaging"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PACKAGING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_version_is_written_in_one_place() -> None:
    assert script("build").version() == __version__
    for path in [*PACKAGING.glob("linux/*"), *PACKAGING.glob("windows/*"), PACKAGING.parent / "pyproject.toml"]:
        assert f'"{__version__}"' not in path.read_text("utf-8"), path


def test_frozen_program_knows_every_role() -> None:
    source = (PACKAGING / "frozen.py").read_text("utf-8")
    assert set(re.findall(r'role == "(.+?)"', source)) == set(MODULES)


def test_frozen_program_holds_every_family_that_is_loaded() -> None:
    source = (PACKAGING / "hooks" / "hook-transformers.py").read_text("utf-8")
    assert "from gistdesk.core.families import FAMILIES as LOADED" in source and "(*LOADED," in source


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info[:2] != (3, 11), reason="the lock file of this one")
def test_lock_file_has_everything_with_hashes() -> None:
    lines = (PACKAGING / "lock-linux-x86_64-py311.txt").read_text("utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[\w.-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    locked = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    with (PACKAGING.parent / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    named = {re.sub(r"[-_.]+", "-", re.split(r"[<>=\[; ]", line)[0]).lower() for line in wanted}
    assert named | {"pyinstaller", "hatchling"} <= locked


@pytest.mark.usefixtures("qapp")  # icons are drawn; what draws them would make a smaller application of its own
def test_share_of_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = script("build")
    icons = script("icons")
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    made = icons.write_icons(tmp_path / "icons")
    build.share(tmp_path / "share")
    assert {path.name for path in made} >= {"gistdesk.png", "gistdesk.svg", "gistdesk.ico", "gistdesk.icns"}
    for size in icons.SIZES:
        picture = tmp_path / f"share/icons/hicolor/{size}x{size}/apps/gistdesk.png"
        assert picture.read_bytes()[16:24] == size.to_bytes(4, "big") * 2
    (metainfo,) = (tmp_path / "share" / "metainfo").iterdir()
    release = ET.parse(metainfo).find("releases/release")
    assert release is not None
    assert release.attrib == {"version": __version__, "date": "1970-01-02"}
    mime = (tmp_path / "share" / "mime" / "packages" / "gistdesk-mime.xml").read_text("utf-8")
    entry = tmp_path / "share" / "applications" / "gistdesk.desktop"
    assert "*.gistkv" in mime
    assert "application/x-gistkv" in entry.read_text("utf-8")
    if shutil.which("desktop-file-validate"):
        subprocess.run(["desktop-file-validate", str(entry)], check=True)
    if shutil.which("appstreamcli"):
        subprocess.run(["appstreamcli", "validate", "--no-net", str(metainfo)], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_registering_and_taking_back(tmp_path: Path) -> None:
    tree, home = tmp_path / "풀린 tree & 100%", tmp_path / "home"
    (tree / "gistdesk").mkdir(parents=True)
    (tree / "share" / "applications").mkdir(parents=True)
    shutil.copy(PACKAGING / "linux" / "gistdesk.desktop", tree / "share" / "applications")
    shutil.copy(PACKAGING / "linux" / "install.sh", tree)
    words, variables = ["sh", str(tree / "install.sh")], {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    subprocess.run(words, env=variables, check=True, capture_output=True)
    entry = home / ".local" / "share" / "applications" / "gistdesk.desktop"
    assert f'Exec="{tree}/gistdesk/gistdesk" %F\n'.replace("100%", "100%%") in entry.read_text("utf-8")
    assert (home / ".local" / "bin" / "gistdesk").readlink() == tree / "gistdesk" / "gistdesk"
    kept, fetched = home / ".local/share/gistdesk/library", home / ".local/share/gistdesk/cuda"
    kept.mkdir(parents=True)
    fetched.mkdir()
    subprocess.run([*words, "remove"], env=variables, check=True, capture_output=True)
    assert not entry.exists()
    assert not (home / ".local" / "bin" / "gistdesk").is_symlink()
    assert kept.exists()
    assert not fetched.exists()


def test_smoke_test_sees_what_it_looks_for(tmp_path: Path) -> None:
    smoke = script("smoke")
    assert smoke.unexpected("This plugin does not support raise()\n\nUserWarning: x\n") == ["UserWarning: x"]
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "alice-with-a-note.txt").touch()
    (tmp_path / "place").mkdir()
    tried = smoke.Smoke(tmp_path / "program", tmp_path / "place")
    assert not tried.changed_files()
    (tmp_path / "place" / "sockets-1").write_text("9 socket(AF_UNIX, SOCK_STREAM, 0) = 3\n")
    assert not tried.network_sockets()
    (tmp_path / "place" / "sockets-2").write_text("9 socket(AF_INET, SOCK_STREAM, 0) = 3\n")
    assert len(tried.network_sockets()) == 1
    tried.program.chmod(0o755)
    (tried.program / "stray").touch()
    assert tried.changed_files()

"""CUDA is set up beside the program from a package index over real HTTP: whole, resumed, refused, tried, removed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gistdesk import roles
from gistdesk.core.errors import UserError
from gistdesk.cuda import place
from gistdesk.cuda.card import Card, find_card
from gistdesk.cuda.install import install
from gistdesk.cuda.lock import read_lock
from gistdesk.cuda.status import status
from gistdesk.folders import HOME_VARIABLE
from gistdesk.protocol import Error, Load, ModelChoice
from tests.cuda.index import Index, local_index, put_card
from tests.worker.process import engine_process


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The one index that pip knows, and an empty data folder."""
    with local_index() as index:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "집 home"))
        yield index


def set_up(locks: Path) -> list[str]:
    """Install what a folder of locks says -> the phases that it went through, each once."""
    return list(dict.fromkeys(step.phase for step in install(read_lock(locks))))


def imported_torch() -> str:
    """The version of PyTorch that a process of the program has, which has asked for the set-up in use."""
    code = "import gistdesk.cuda.place as p; p.use(); import torch; print(torch.__version__)"
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_set_up_used_and_removed(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    assert place.current() is None
    assert set_up(locks) == ["asking", "fetching", "unpacking", "testing"]
    used = place.current()
    assert used is not None
    assert imported_torch() == "2.0+cu130"
    assert {path.name for path in used.rglob("ballast*")} == {"ballast"}, "headers are left out"
    assert [path.name for path in place.root().iterdir() if path.is_dir()] == [used.name]
    assert not list(used.glob("*.whl")), "what was unpacked is not kept twice"

    index.requests.clear()
    assert set_up(locks) == ["testing"], "it is there already"
    assert index.requests == []
    place.remove()
    assert place.current() is None
    assert not place.root().exists()


def test_an_interrupted_set_up_goes_on(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    steps = install(read_lock(locks))
    for step in steps:
        if step.phase == "fetching" and step.done_bytes > 2**21:
            break
    steps.close()
    assert place.current() is None
    assert status()["unfinished"]
    index.requests.clear()
    set_up(locks)
    (first, _torch) = index.requests
    assert first[0].startswith("nvidia_tiny")
    assert first[1] is not None
    assert int(first[1].removeprefix("bytes=").removesuffix("-")) >= 2**21
    assert imported_torch() == "2.0+cu130"


def test_a_broken_connection_is_taken_up_again(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    index.cut_after = 2**21
    set_up(locks)
    assert [asked for file, asked in index.requests if file.startswith("nvidia")] == [None, f"bytes={2**21}-"]


def test_another_file_than_the_pinned_one_is_refused(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    set_up(locks)
    newer = index.offer(tmp_path / "locks", "3.0")
    index.damaged = "torch-3.0-py3-none-any.whl"
    with pytest.raises(UserError, match=r"torch-3.0-py3-none-any.whl is not the file"):
        set_up(newer)
    assert imported_torch() == "2.0+cu130", "what was in use stays in use"
    index.damaged = "none"
    index.requests.clear()
    set_up(newer)
    assert [file for file, _ in index.requests] == ["torch-3.0-py3-none-any.whl"], "the others were fetched already"
    assert imported_torch() == "3.0+cu130"
    assert len([path for path in place.root().iterdir() if path.is_dir()]) == 1, "the older one is gone"


def test_what_does_not_work_on_the_card_is_not_used(index: Index, tmp_path: Path) -> None:
    set_up(index.offer(tmp_path / "locks"))
    broken = index.offer(tmp_path / "locks", "3.0", works=False)
    with pytest.raises(UserError, match=r"does not work on this card \(RuntimeError: PyTorch sees no NVIDIA card"):
        set_up(broken)
    assert imported_torch() == "2.0+cu130"


def test_a_set_up_that_no_longer_works_is_replaced(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    set_up(locks)
    broken = place.current()
    assert broken is not None
    (place.packages(broken) / "torch" / "__init__.py").write_text("raise SystemExit(3)")
    assert set_up(locks)[0] == "testing"
    assert place.current() not in (None, broken)
    assert imported_torch() == "2.0+cu130"


def test_the_trial_compiles_for_those_that_come_later(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # as it is in a frozen program
    set_up(index.offer(tmp_path / "locks"))
    used = place.current()
    assert used is not None
    assert list((place.packages(used) / "torch" / "__pycache__").glob("*.pyc"))


def test_a_library_that_takes_the_process_with_it(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    set_up(locks)
    folder = place.current()
    assert folder is not None
    (place.packages(folder) / "torch" / "__init__.py").write_text("import os; os.abort()")
    tried = subprocess.run(roles.command("cuda-trial", str(place.packages(folder))), capture_output=True)
    assert tried.returncode not in (0, 1)


def test_no_network(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = index.offer(tmp_path / "locks")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(UserError, match="The package index cannot be reached"):
        set_up(locks)


def test_the_index_lacks_a_package(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    index.files = {name: data for name, data in index.files.items() if not name.startswith("torch")}
    with pytest.raises(UserError, match=r"does not have what is needed .*torch"):
        set_up(locks)


def test_no_space(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    (lock,) = locks.iterdir()
    text = lock.read_text(encoding="utf-8").replace("unpacked_bytes = ", "unpacked_bytes = 9000000000")
    lock.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"CUDA needs [\d,.]+ GiB; [\d,.]+ GiB are free"):
        set_up(locks)
    assert index.requests == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="mounts a small disk")
def test_the_disk_becomes_full(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "small"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", str(home)], capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        monkeypatch.setenv(HOME_VARIABLE, str(home))
        locks = index.offer(tmp_path / "locks")
        steps = install(read_lock(locks))
        next(steps)
        (home / "other").write_bytes(bytes(5 * 2**20))  # another program is quicker
        with pytest.raises(UserError, match="The disk is full"):
            list(steps)
        (home / "other").unlink()
        set_up(locks)
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_one_at_a_time(index: Index, tmp_path: Path) -> None:
    locks = index.offer(tmp_path / "locks")
    steps = install(read_lock(locks))
    next(steps)
    for work in (lambda: set_up(locks), place.remove):
        with pytest.raises(UserError, match="by another gistdesk"):
            work()
    steps.close()
    set_up(locks)


def test_a_set_up_for_another_python_is_not_used(index: Index, tmp_path: Path) -> None:
    set_up(index.offer(tmp_path / "locks"))
    folder = place.current()
    assert folder is not None
    other = folder.rename(folder.with_name(folder.name.replace("-py3", "-py2")))
    place.switch_to(other)
    assert place.current() is None
    (place.root() / "current").write_bytes(b"\xff../..")
    assert place.current() is None


def test_the_engine_takes_its_packages_from_the_set_up(index: Index, tmp_path: Path) -> None:
    set_up(index.offer(tmp_path / "locks"))
    folder = place.current()
    assert folder is not None
    (place.packages(folder) / "torch" / "__init__.py").write_text("raise RuntimeError(__file__)")
    with engine_process() as engine:
        error = engine.do(Load(ModelChoice()), Error)
    assert error.details is not None
    assert str(place.packages(folder)) in error.details


# ---- cards


def test_a_card_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(put_card(tmp_path / "bin")))
    assert find_card() == Card("NVIDIA GeForce RTX 4070", 12282 * 2**20, "580.95.05", 8.9)
    for nonsense in ("No devices were found", "a, b, c, d", ""):
        put_card(tmp_path / "bin", nonsense)
        assert find_card() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_card() is None


def test_a_card_that_cuda_cannot_use(index: Index, tmp_path: Path) -> None:
    lock = read_lock(index.offer(tmp_path / "locks"))
    lock.check(Card("RTX 4070", 1, "580.95.05", 8.9))
    for card, said in {
        Card("GTX 1080", 1, "580.95.05", 6.1): "too old .* capability 6.1",
        Card("RTX 4070", 1, "535.1", 8.9): "The driver 535.1 is too old",
    }.items():
        with pytest.raises(UserError, match=said):
            lock.check(card)


def test_this_version_pins_everything() -> None:
    locks = Path(__file__).parents[2] / "resources" / "cuda"
    assert list(locks.iterdir())
    for path in locks.iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.startswith("sha256") or len(line) == len('sha256 = ""') + 64


# ---- the command


def run(*words: str) -> subprocess.CompletedProcess[str]:
    words = tuple(roles.command("gistdesk", "cuda", *words))
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_the_command_says_what_there_is(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    facts = json.loads(run("status", "--json").stdout)
    assert facts["card"] is None
    assert not facts["can_install"]
    assert "There is no NVIDIA card" in run("status").stdout
    failed = run("install", "--yes")
    assert failed.returncode == 2
    assert failed.stderr.startswith("gistdesk: ")
    assert len(failed.stderr.splitlines()) == 1
    assert run("remove").returncode == 0


@pytest.mark.skipif(not (sys.platform == "linux" and sys.version_info[:2] == (3, 11)), reason="the lock of this one")
def test_the_command_offers_and_asks(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{put_card(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    if not place.has_own_cuda():
        assert "gistdesk cuda install fetches 2.4 GiB" in run("status").stdout
    asked = run("install")
    assert asked.returncode == 2
    assert "2.4 GiB are fetched" in asked.stdout
    assert index.requests == [], "nothing is fetched unasked"

"""Half a minute of the campaign, and that it would see what it is there to see."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from gistdesk.core.errors import UserError
from tests.campaign import forked
from tests.campaign.__main__ import run, table
from tests.campaign.disturbed import Disturbed
from tests.campaign.forked import Part
from tests.campaign.mutation import bytes_of, json_of, zip_of
from tests.campaign.parts import PARTS
from tests.campaign.works import Work
from tests.core.test_documents import docx_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and limits of Linux")


def part(check: object, again: object = None) -> Part:
    def spoil(_: object, folder: Path, random: Random) -> Path:
        path = folder / "file"
        path.write_bytes(random.randbytes(8))
        return path

    return Part("a part", lambda folder: None, spoil, check, again=again)  # type: ignore[arg-type]


@pytest.mark.release
def test_a_minute_of_hostile_files(tmp_path: Path) -> None:
    parts = ",".join(part.name for part in PARTS)  # programs take seconds each
    words = ["-m", "tests.campaign", "--minutes", "1", "--seed", "11", "--parts", parts, "--out", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, *words], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-2000:]
    told = json.loads((tmp_path / "table-11.json").read_text())
    assert all(count["tried"] == count["clean"] and not count["bad"] for count in told.values())
    assert sum(count["tried"] for count in told.values()) > 100


def test_what_is_refused_is_clean(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise UserError("No.", "Another.")

    [count] = run([part(refuse)], 0.5, 1, tmp_path).values()
    assert count.tried == count.clean > 0


def _raise(path: Path) -> None:
    raise KeyError(path.read_bytes().hex())


def _die(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _spin(path: Path) -> None:
    while True:
        pass


def _grow(path: Path) -> None:
    kept = []
    while True:
        kept.append(bytearray(2**26))


@pytest.mark.parametrize(
    ("check", "kind"), [(_raise, "KeyError in"), (_die, "SIGSEGV"), (_spin, "SIGPROF"), (_grow, "MemoryError")]
)
def test_what_is_bad_is_seen_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: object, kind: str
) -> None:
    monkeypatch.setattr(forked, "CPU_S", 3.0 if check is _spin else 30.0)  # a gigabyte of pages may take ten
    counts = run([part(check)], 60, 1, tmp_path)
    [count] = counts.values()
    assert (count.tried, count.clean, count.bad) == (1, 0, 1)
    assert kind in next(iter(count.kinds))
    assert kind in table(counts)
    assert (tmp_path / "a-part-1-0" / "file").stat().st_size == 8


def test_what_breaks_the_limits_is_given_to_what_has_its_own(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise UserError("No.", "Another.")

    [count] = run([part(_die, again=refuse)], 0.5, 1, tmp_path).values()
    assert count.ended == count.clean == count.tried > 0


def test_a_case_can_be_made_again() -> None:
    data = docx_bytes("text")
    for mutation, whole in ((bytes_of, data), (zip_of, data), (json_of, b'{"a": [1, {"b": "c"}]}')):
        made = [mutation(whole, Random(f"1:{case}")) for case in range(40)]
        assert made == [mutation(whole, Random(f"1:{case}")) for case in range(40)]
        assert len(set(made)) > 20


def _count(folder: Path) -> None:
    """Half a second of work, which goes on where it stopped."""
    path = folder / "done"
    for number in range(int(path.read_text()) if path.exists() else 0, 50):
        time.sleep(0.01)
        (folder / "new").write_text(str(number + 1))
        (folder / "new").replace(path)


def _half_a_file(folder: Path) -> None:
    """Written in place: a kill leaves half of it."""
    with (folder / "done").open("w") as stream:
        for _ in range(50):
            stream.write("1")
            stream.flush()
            time.sleep(0.01)


def _leave_a_child(folder: Path) -> None:
    if os.fork() == 0:
        os.setsid()
        time.sleep(5)
        os._exit(0)
    time.sleep(0.5)


def disturbed(folder: Path, begin: object, check: object = lambda folder: None, n: int = 6) -> Disturbed:
    """After so many signals, or the first failure."""

    def clear(place: Path) -> None:
        (place / "done").unlink(missing_ok=True)

    def made(place: Path) -> object:
        return (place / "done").read_text() if (place / "done").exists() else ""

    work = Work("a work", clear, begin, check, made)  # type: ignore[arg-type]
    found = Disturbed(work, folder, Random(1))
    while found.kills.sent.total() < n and not found.kills.bad:
        found.one()
    return found


@pytest.mark.release
def test_a_work_that_is_killed_and_goes_on_is_clean(tmp_path: Path) -> None:
    found = disturbed(tmp_path, _count)
    found.finish()
    assert not found.kills.bad and found.kills.finished and found.kills.sent["SIGKILL"]


@pytest.mark.release
def test_what_a_kill_spoils_is_seen(tmp_path: Path) -> None:
    def check(folder: Path) -> None:
        assert not (folder / "done").exists() or len((folder / "done").read_text()) == 50, "half a file"

    assert "half a file" in disturbed(tmp_path, _half_a_file, check, n=50).kills.bad[0]


@pytest.mark.release
def test_what_a_kill_leaves_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.campaign.disturbed._GONE_S", 0.5)
    found = disturbed(tmp_path, _leave_a_child, n=50)
    assert "1 processes are left" in found.kills.bad[0]

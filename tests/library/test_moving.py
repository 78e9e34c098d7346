"""Moving the library: whole at one place or the other, whatever happens."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.library.moving import move_to
from gistdesk.library.store import Store
from tests.library.made import add, ready


@pytest.fixture
def filled(library: Library) -> Library:
    for n in range(5):
        entry = ready(library, f"document {n}")
        for _ in library.texts.index(entry.id):
            pass
    return library


def titles(library: Library) -> list[str]:
    for entry in library.entries.all():
        assert entry.gist is not None and entry.gist.path.read_bytes() == b"gist"
        assert library.texts.pages(entry.id) == [f"The text of {entry.title}."]
        assert library.texts.find_passages(entry.title, [entry.id])
    return [entry.title for entry in library.entries.all()]


def test_there_and_back(filled: Library, tmp_path: Path):
    home, target, third = filled.store.folder, tmp_path / "a disk" / "library", tmp_path / "third"
    before = titles(filled)
    cancelled = add(filled, "cancelled")
    filled.entries.set_state(cancelled.id, "cancelled")
    filled.gists.incoming_path(cancelled.id).with_name(f"{cancelled.id}.gistkv.part").write_bytes(b"so far")
    fractions = list(move_to(filled, target))
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert filled.store.folder == target and titles_but_last(filled) == before
    assert filled.gists.incoming_path(cancelled.id).with_name(f"{cancelled.id}.gistkv.part").read_bytes() == b"so far"
    assert [path.name for path in home.iterdir()] == ["moved-to.txt"]
    other = Library(home)
    assert other.store.folder == target and titles_but_last(other) == before
    with pytest.raises(UserError, match="open in another window"):
        next(move_to(filled, third))
    other.close()
    third.mkdir()
    assert list(move_to(filled, third))[-1] == 1.0
    assert not target.exists()
    assert list(move_to(filled, home))[-1] == 1.0
    assert filled.store.folder == home and titles_but_last(filled) == before
    assert not third.exists() and not (home / "moved-to.txt").exists()


def titles_but_last(library: Library) -> list[str]:
    last = library.entries.all()[-1]
    library.entries.trash([last.id])
    found = titles(library)
    library.entries.restore([last.id])
    return found


def test_stopped_halfway_it_stays(filled: Library, tmp_path: Path):
    moving = move_to(filled, tmp_path / "new")
    next(moving)
    moving.close()
    assert len(titles(filled)) == 5
    assert not (tmp_path / "new").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


def test_the_note_is_on_the_disk_before_it_has_its_name(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The old library is deleted next, and after a power cut nothing else says where the new one is."""
    replace, fsync = Path.replace, os.fsync
    synced: set[int] = set()
    noted: list[bool] = []

    def sync(number: int) -> None:
        synced.add(os.fstat(number).st_ino)
        fsync(number)

    def name(path: Path, to: Path) -> Path:
        if to.name == "moved-to.txt":
            noted.append(path.stat().st_ino in synced)
        return replace(path, to)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", name)
    assert list(move_to(filled, tmp_path / "new"))[-1] == 1.0
    assert noted == [True]


def test_what_comes_in_meanwhile_moves_too(filled: Library, tmp_path: Path):
    moving = move_to(filled, tmp_path / "new")
    next(moving)
    ready(filled, "late")
    assert list(moving)[-1] == 1.0
    assert "late" in titles(filled)


def test_not_while_a_document_is_compressed(filled: Library, tmp_path: Path):
    add(filled)
    filled.queue.claim_next("w")
    with pytest.raises(UserError, match="being compressed"):
        next(move_to(filled, tmp_path / "new"))
    filled.queue.release("w")
    moving = move_to(filled, tmp_path / "new")
    next(moving)
    filled.queue.claim_next("w")
    with pytest.raises(UserError, match="being compressed"):
        list(moving)
    assert filled.store.folder == tmp_path / "library" and not (tmp_path / "new").exists()


def test_not_into_something_else(filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for target in ("full", "file"):
        with pytest.raises(UserError, match="is not empty"):
            next(move_to(filled, tmp_path / target))
    for target in (filled.store.folder, filled.store.folder / "texts" / "inside"):
        with pytest.raises(UserError, match="own folder"):
            next(move_to(filled, target))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="MiB are free"):
        next(move_to(filled, tmp_path / "new"))
    assert len(titles(filled)) == 5


def test_a_disk_that_is_not_there(filled: Library, tmp_path: Path):
    home = filled.store.folder
    list(move_to(filled, tmp_path / "disk"))
    filled.close()
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    with pytest.raises(UserError, match="was moved to") as missing:
        Library(home)
    assert "Connect the disk" in missing.value.hint
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    again = Library(home)
    assert len(titles(again)) == 5
    again.close()


def test_kill_9_while_it_moves(library: Library, tmp_path: Path):
    """At every moment all of it is there, at one place or the other."""
    for n in range(15):
        ready(library, f"document {n}")
    home = library.store.folder
    library.close()
    code = (
        "import sys; from pathlib import Path; from gistdesk.library import Library; "
        "from gistdesk.library.moving import move_to; "
        "library = Library(Path(sys.argv[1])); [print(f, flush=True) for f in move_to(library, Path(sys.argv[2]))]"
    )
    for n in range(6):
        command = [sys.executable, "-c", code, str(home), str(tmp_path / str(n))]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(10 if n < 1 else 30):  # the end, where it counts, comes after 30 files
            assert process.stdout.readline()
        if n < 5:
            time.sleep(0.015 * n)
            process.kill()
        process.communicate(timeout=60)
        opened = Library(home)
        assert len(titles(opened)) == 15
        opened.disk.clean_up()
        opened.close()
    assert opened.store.folder == tmp_path / "5"
    assert [path.name for path in home.iterdir()] == ["moved-to.txt"]


def test_who_waits_for_the_old_place_opens_the_new_one(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Opened between looking for the note and taking the lock: as if the move ended in between."""
    home = filled.store.folder

    class Late(Store):
        def _migrate(self) -> None:
            super()._migrate()
            if self.folder == home:
                list(move_to(filled, tmp_path / "new"))

    monkeypatch.setattr("gistdesk.library.library.Store", Late)
    late = Library(home)
    assert late.store.folder == tmp_path / "new"
    assert len(titles(late)) == 5
    late.close()

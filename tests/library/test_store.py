"""Opening: new, old, newer, damaged and foreign databases; several at once; a full or closed disk."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Library, schema
from gistdesk.library.damage import DamagedLibraryError, telling
from gistdesk.library.store import DATABASE
from gistdesk.worker.texts import _keep
from tests.library.made import add, ready

HERE = Path(__file__).parent


def old_library(folder: Path, version: int) -> None:
    folder.mkdir()
    with sqlite3.connect(folder / DATABASE) as db:
        db.executescript((HERE / f"schema-{version}.sql").read_text(encoding="utf-8"))
    db.close()


def tables(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    db.close()
    return found


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_an_old_library_is_brought_up_to_date(tmp_path: Path, version: int):
    old_library(tmp_path / "old", version)
    before = (tmp_path / "old" / DATABASE).read_bytes()
    library, new = Library(tmp_path / "old"), Library(tmp_path / "new")
    assert tables(library.store.database_path) == tables(new.store.database_path)
    (backup,) = library.store.folder.glob("*.backup")
    assert backup.name == f"library.sqlite3.version-{version}.backup"
    with sqlite3.connect(backup) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (version,)
    db.close()
    assert library.queue.recover() == 0
    (entry,), (trashed,), (chat,) = (
        library.entries.all(),
        library.entries.all(trashed=True),
        library.chats.all(search="월세"),
    )
    assert (entry.title, entry.state, entry.n_tokens) == ("임대차 계약", "ready", 400)
    assert entry.gist is not None and entry.gist.path == library.store.gists_folder / "5ca1ab1e.gistkv"
    assert entry.gist.agreement is None
    assert trashed.problem is not None and trashed.problem.message == "It holds no text."
    assert (chat.entry_ids, chat.system, chat.sampling) == ((1,), "Be brief.", {"temperature": 0.5})
    assert [(m.text, m.state) for m in library.chats.path(chat.id)] == [
        ("월세는 얼마입니까?", "complete"),
        ("950 euros", "stopped"),
    ]
    assert library.chats.all(search="950") == library.chats.all(search="900") == [chat]
    assert not chat.look_up and (entry.gist.recall_n, entry.gist.recall) == (None, None)
    assert before[:16] == b"SQLite format 3\x00"
    library.close()
    new.close()


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old_library(tmp_path / "old", 1)
    before = tables(tmp_path / "old" / DATABASE)
    monkeypatch.setattr(
        "gistdesk.library.store.STEPS", (schema.STEPS[0], "CREATE TABLE a (b);\nCREATE TABLE chats (c);")
    )
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        Library(tmp_path / "old")
    assert tables(tmp_path / "old" / DATABASE) == before
    monkeypatch.undo()
    library = Library(tmp_path / "old")
    assert len(library.chats.all()) == 1
    library.close()


def test_a_library_of_a_newer_version_is_refused(library: Library):
    library.close()
    with sqlite3.connect(library.store.database_path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = library.store.database_path.read_bytes()
    with pytest.raises(UserError, match="newer gistdesk") as refused:
        Library(library.store.folder)
    assert "Update" in refused.value.hint
    assert library.store.database_path.read_bytes() == before


def test_a_damaged_database_is_refused_and_left_alone(library: Library):
    for n in range(50):
        ready(library, f"document {n}")
    library.close()
    whole = library.store.database_path.read_bytes()
    middle = len(whole) // 2
    for damaged in (b"no database" * 1000, whole[:4096] + os.urandom(len(whole) - 4096), whole[:middle]):
        library.store.database_path.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged") as refused:
            Library(library.store.folder)
        assert "backup" in refused.value.hint
        assert library.store.database_path.read_bytes() == damaged
    library.store.database_path.write_bytes(whole)
    again = Library(library.store.folder)
    assert len(again.entries.all()) == 50
    again.close()


def test_a_format_that_sqlite_does_not_know_is_damage(library: Library):
    """The schema format in the file's head, four bytes at 44: SQLite has no code of its own for it."""
    library.close()
    whole = bytearray(library.store.database_path.read_bytes())
    whole[44:48] = b"\xff" * 4
    library.store.database_path.write_bytes(whole)
    with pytest.raises(DamagedLibraryError, match="unsupported file format"):
        Library(library.store.folder)
    assert library.store.database_path.read_bytes() == whole


def test_damage_that_is_found_later_is_a_sentence(tmp_path: Path):
    library = Library(tmp_path)
    add(library)
    library.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = library.store.database_path.read_bytes()
    library.store.database_path.write_bytes(pages[:4096] + b"\xff" * (len(pages) - 4096))
    library.store._db.execute("PRAGMA shrink_memory")
    other = sqlite3.connect(library.store.database_path)
    with pytest.raises(DamagedLibraryError, match="is damaged"), telling(library.store.database_path):
        other.execute("SELECT * FROM entries").fetchall()
    other.close()
    library.close()


def test_a_foreign_database_is_refused(tmp_path: Path):
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute("CREATE TABLE recipes (name)")
    db.close()
    with pytest.raises(UserError, match="not a gistdesk library"):
        Library(tmp_path)
    assert tables(tmp_path / DATABASE) == [("recipes", "CREATE TABLE recipes (name)")]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be used"):
        Library(tmp_path / "library")
    tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path):
    (tmp_path / "library").write_text("a file")
    with pytest.raises(UserError, match="cannot be used"):
        Library(tmp_path / "library")


def test_a_full_disk_is_a_sentence_and_loses_nothing(library: Library):
    add(library)
    n_pages = library.store._db.execute("PRAGMA page_count").fetchone()[0]
    library.store._db.execute(f"PRAGMA max_page_count = {n_pages}")
    chat = library.chats.add([])
    with pytest.raises(UserError, match="cannot be written") as full:
        for _ in range(100):
            library.chats.add_message(chat.id, parent_id=None, role="user", text="long " * 1000)
    assert "Free some space" in full.value.hint
    library.store._db.execute("PRAGMA max_page_count = 1000000")
    n_before = len(library.entries.all())
    add(library)
    assert len(library.entries.all()) == n_before + 1


def test_another_program_that_holds_the_database(library: Library, monkeypatch: pytest.MonkeyPatch):
    library.store._db.execute("PRAGMA busy_timeout = 50")
    with sqlite3.connect(library.store.database_path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="holding"):
            add(library)
        assert library.entries.all() == []  # reading goes on
        holder.execute("ROLLBACK")
    holder.close()
    add(library)


def test_many_processes_begin_one_library(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from gistdesk.library import Library; l = Library(Path(sys.argv[1])); "
        "l.entries.add(source_path=Path('x.txt'), model='starter', ratio=10.0); l.close()"
    )
    for version in (0, 1):
        folder = tmp_path / str(version)
        if version:
            old_library(folder, version)
        command = [sys.executable, "-c", code, str(folder)]
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE, cwd=HERE.parents[1]) for _ in range(6)]
        assert [process.communicate(timeout=60)[1] for process in processes] == [b""] * 6
        library = Library(folder)
        assert len(library.entries.all()) == 6 + version
        library.close()
    with sqlite3.connect(tmp_path / "1" / f"{DATABASE}.version-1.backup") as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (1,)
    backup.close()


def test_what_is_written_beside_other_programs_is_not_lost(library: Library):
    """Two libraries in one process, as the window and its thread of files have; a command opens it and ends."""
    beside = Library(library.store.folder)
    code = (
        "import sys; from pathlib import Path; from gistdesk.library import Library; l = Library(Path(sys.argv[1])); "
        "print(*(entry.title for entry in l.entries.all(search=sys.argv[2]))); l.close()"
    )

    def titles(search: str) -> str:
        command = [sys.executable, "-c", code, str(library.store.folder), search]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parents[1]).stdout.strip()

    assert titles("") == ""
    entry = ready(library, pages=["The rent is due on Mondays."])
    assert titles("") == "Lease"
    for _ in beside.texts.index(entry.id):
        pass
    assert titles("mondays") == "Lease"
    beside.close()


def test_a_failed_transaction_leaves_nothing_open(library: Library):
    with pytest.raises(ZeroDivisionError), library.store.write() as db:
        db.execute("DELETE FROM entries")
        raise ZeroDivisionError
    add(library)
    assert not library.store._db.in_transaction


def test_closing_twice_and_leaving_nothing_locked(library: Library):
    library.close()
    library.close()
    assert list((library.store.folder / "open").iterdir()) == []
    shutil.rmtree(library.store.folder)


def test_nobody_else_can_read_what_is_kept(tmp_path: Path) -> None:
    """Texts, gists, questions and answers, under the usual umask; also a library made by an earlier version."""
    before = os.umask(0o022)
    try:
        folder = tmp_path / "library"
        folder.mkdir(mode=0o755)
        (folder / "texts").mkdir(mode=0o755)
        with closing(Library(folder)) as library:
            entry = ready(library)
            chat = library.chats.add([entry.id])
            library.chats.add_message(chat.id, parent_id=None, role="user", text="secret")
            _keep(library.store.texts_folder / "0.txt", b"text")
            for path in (folder, *folder.rglob("*")):
                if path.is_dir():
                    assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
                elif path.parent.name not in ("open", "texts") or path.name == "0.txt":
                    assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    finally:
        os.umask(before)


def test_an_old_gist_keeps_the_name_of_its_model(tmp_path: Path):
    """Also one that was being made anew with another model: others that are done tell whose it was."""
    old_library(tmp_path / "old", 8)
    with sqlite3.connect(tmp_path / "old" / DATABASE) as db:
        db.row_factory = sqlite3.Row
        (done,) = db.execute("SELECT * FROM entries WHERE state = 'ready' AND trashed IS NULL").fetchall()
        values = {name: done[name] for name in done.keys() if name != "id"}  # noqa: SIM118
        for state, model in (("queued", "/models/llama"), ("failed", done["model"])):
            row = {**values, "state": state, "model": model}
            db.execute(f"INSERT INTO entries({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", row)
    db.close()
    library = Library(tmp_path / "old")
    assert {entry.gist_model for entry in library.entries.all()} == {done["model"]}
    assert all(entry.can_answer for entry in library.entries.all())
    library.close()

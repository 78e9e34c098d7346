"""A library that lost bytes: what is whole works, what is not says so, and there is a copy to go back to."""

import os
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.library.backup import back_up_daily, newest_backup, restore
from gistdesk.library.damage import DamagedLibraryError, is_sound
from gistdesk.library.moving import move_to
from gistdesk.library.store import DATABASE
from gistdesk.worker.texts import _keep, kept_document
from tests.library.made import add, extract, ready

WRONG = ("x'ff00'", "'no such thing'", "-1e999", "x''", "9223372036854775807", "'../../../etc/passwd'")


def changed(library: Library, sql: str) -> None:
    """As a broken disk would, with no regard for types."""
    with closing(sqlite3.connect(library.store.database_path)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(sql)
        db.commit()


def test_one_byte_that_is_no_unicode_costs_one_letter(library: Library) -> None:
    first, second = ready(library, "a"), ready(library, "b")
    changed(library, f"UPDATE entries SET title = CAST(x'41ff42' AS TEXT) WHERE id = {first.id}")
    assert [entry.title for entry in library.entries.all()] == ["A\ufffdB", "b"]
    assert library.texts.pages(first.id) == ["The text of a."]
    assert library.entries.get(second.id).state == "ready"


@pytest.mark.parametrize("table", ["entries", "gists"])
def test_a_damaged_row_says_so_and_the_rest_works(library: Library, table: str) -> None:
    """Whatever stands in whichever column."""
    first, second = ready(library, "a"), ready(library, "b")
    assert first.gist is not None
    damaged = first.gist.id if table == "gists" else first.id
    with closing(sqlite3.connect(library.store.database_path)) as db:
        columns = [
            row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in ("id", "trashed", "gist_id")
        ]
    n_damaged = 0
    for column in columns:
        for value in WRONG:
            with closing(sqlite3.connect(library.store.database_path)) as db:
                before = db.execute(f"SELECT {column} FROM {table} WHERE id = {damaged}").fetchone()[0]
            changed(library, f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE id = {damaged}")
            shown, whole = library.entries.all()
            assert (shown.id, whole.title, whole.state) == (first.id, "b", "ready"), (column, value)
            if shown.problem is not None and "damaged" in shown.problem.message:
                assert shown.state == "failed"
                n_damaged += 1
            assert shown.gist is None or shown.gist.path.parent == library.store.gists_folder
            with closing(sqlite3.connect(library.store.database_path)) as db:
                db.execute(f"UPDATE {table} SET {column} = ? WHERE id = {damaged}", (before,))
                db.commit()
    assert n_damaged > 20
    library.entries.trash([first.id])
    assert [entry.id for entry in library.entries.all()] == [second.id]


def test_damaged_chats_are_read_as_far_as_they_go(library: Library) -> None:
    chat, other = library.chats.add([], title="one"), library.chats.add([], title="two")
    asked = library.chats.add_message(chat.id, parent_id=None, role="user", text="?")
    given = library.chats.add_message(chat.id, parent_id=asked.id, role="assistant", text="!")
    for column in ("sampling", "created", "updated", "title", "system"):
        for value in WRONG:
            changed(library, f"UPDATE chats SET {column} = {value} WHERE id = {chat.id}")
            assert {each.id for each in library.chats.all()} == {chat.id, other.id}
            assert library.chats.export(chat.id, "json")
    for column in ("role", "text", "state", "kind", "figures", "created"):
        for value in WRONG:
            changed(library, f"UPDATE messages SET {column} = {value} WHERE id = {given.id}")
            assert [message.id for message in library.chats.path(chat.id)] == [asked.id, given.id]
            assert library.chats.export(chat.id, "json")
    for table, column in (("messages", "parent_id"), ("messages", "owner"), ("chats", "leaf_id"), ("chats", "trashed")):
        for value in WRONG:
            changed(library, f"UPDATE {table} SET {column} = {value}")
            library.queue.recover()
            library.chats.path(chat.id)
            assert library.chats.export(chat.id, "json")


def test_a_document_that_names_another_folder_reads_nothing(library: Library) -> None:
    entry = ready(library)
    for value in WRONG:
        changed(library, f"UPDATE entries SET text_sha256 = {value}")
        with pytest.raises(UserError):
            library.texts.pages(entry.id)
        library.disk.storage()
        library.disk.clean_up()


@pytest.mark.timeout(30)
def test_messages_that_answer_each_other_end(library: Library) -> None:
    chat = library.chats.add([])
    asked = library.chats.add_message(chat.id, parent_id=None, role="user", text="?")
    given = library.chats.add_message(chat.id, parent_id=asked.id, role="assistant", text="!")
    changed(library, f"UPDATE messages SET parent_id = {given.id} WHERE id = {asked.id}")
    assert len(library.chats.path(chat.id)) == 2


def test_damage_that_sqlite_cannot_tell_in_unicode_is_damage(tmp_path: Path) -> None:
    """Its complaint quotes the names of damaged tables."""
    folder = tmp_path / "library"
    with closing(Library(folder)) as library:
        library.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = (folder / DATABASE).read_bytes()
    for word in (b"CREATE TABLE gists", b"TABLE entries", b"CREATE TRIGGER message_added"):
        (folder / DATABASE).write_bytes(data.replace(word, b"\xff" * len(word)))
        with pytest.raises(DamagedLibraryError):
            Library(folder)


def test_folders_that_are_gone_hold_nothing(library: Library) -> None:
    ready(library)
    for folder in (library.store.texts_folder, library.store.gists_folder, library.store.incoming_folder):
        shutil.rmtree(folder)
    assert library.disk.storage().gists == 0
    assert library.disk.clean_up() == 0


def test_a_table_that_is_gone_is_damage(library: Library) -> None:
    ready(library)
    changed(library, "DROP TABLE gists")
    with pytest.raises(DamagedLibraryError, match="is damaged"):
        library.entries.all()


DAMAGE = {
    "a column": "UPDATE sqlite_master SET sql = replace(sql, 'total', 'tot' || char(10) || 'l') WHERE name = 'entries'",
    "a reference": "UPDATE sqlite_master SET sql = replace(sql, 'messages', 'messabes') WHERE name = 'message_index'",
    "a trigger": "UPDATE sqlite_master SET sql = replace(sql, 'new.text', 'new.teyt') WHERE name = 'message_added'",
    "a trigger that is gone": "DELETE FROM sqlite_master WHERE name = 'message_added'",
    "an index that is gone": "DELETE FROM sqlite_master WHERE name = 'entries_by_state'",
    "the tokenizer": "UPDATE sqlite_master SET sql = replace(sql, 'trigram', 'tr' || char(1) || 'g''m') "
    "WHERE name = 'message_index'",
    "the search's version": "UPDATE message_index_config SET v = 103",
    "the search's settings": "DELETE FROM message_index_config",
    "the search's pages": "UPDATE message_index_data SET block = x'ff' WHERE id > 10",
    "the search's root": "DELETE FROM message_index_data",
    "a lower version": "PRAGMA user_version = 3",
    "a version below zero": "PRAGMA user_version = -5",
}


def use(folder: Path) -> None:
    with closing(Library(folder)) as library:
        library.queue.recover()
        library.entries.all()
        chat = library.chats.add([])
        library.chats.add_message(chat.id, parent_id=None, role="user", text="one more")
        library.chats.all(search="text")


@pytest.mark.parametrize("what", sorted(DAMAGE))
def test_damage_that_sqlite_has_no_code_for_is_damage(tmp_path: Path, what: str) -> None:
    """It says "SQL error" of it, or nothing at all; its own check of integrity finds most of it sound."""
    folder = tmp_path / "library"
    with closing(Library(folder)) as library:
        ready(library, "a")
        chat = library.chats.add([])
        library.chats.add_message(chat.id, parent_id=None, role="user", text="a text")
    use(folder)
    assert is_sound(folder / DATABASE)
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(DAMAGE[what])
        db.commit()
    with pytest.raises(DamagedLibraryError):
        use(folder)
    assert not is_sound(folder / DATABASE)
    backup = newest_backup(folder / DATABASE)
    assert backup is not None
    restore(folder / DATABASE, backup)
    use(folder)


@pytest.mark.parametrize("wrong", ["SELECT nothing FROM entries", "SELECT 1 WHERE", "SELECT ?"])
def test_a_wrong_statement_is_not_damage(library: Library, wrong: str) -> None:
    ready(library)
    with pytest.raises(sqlite3.Error):
        library.store.rows(wrong)
    with pytest.raises(sqlite3.Error), library.store.write():
        library.store.rows(wrong)


def test_a_database_is_looked_at_by_a_relative_path_too(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(library)
    monkeypatch.chdir(library.store.folder)
    back_up_daily(Path(DATABASE))
    assert newest_backup(Path(DATABASE)) == Path(f"{DATABASE}.backup-1")
    assert sorted(path.name for path in Path().glob("*backup*")) == [f"{DATABASE}.backup-1"]


# kept texts


def test_a_kept_text_that_was_altered_is_not_used(library: Library) -> None:
    entry = ready(library, "a")
    path = library.texts.path(entry.id)
    assert path is not None
    assert library.texts.pages(entry.id) == ["The text of a."]
    path.write_bytes(b"The text of b.")
    with pytest.raises(UserError, match="it is damaged"):
        library.texts.pages(entry.id)
    with pytest.raises(UserError, match="cannot be read"):
        kept_document(path)


def test_reading_the_document_again_mends_its_text(library: Library) -> None:
    entry = add(library)
    sha256 = extract(library, entry.id, ["The text."])
    path = library.store.texts_folder / f"{sha256}.txt"
    path.write_bytes(b"Any text.")  # as long as the other
    _keep(path, b"The text.")
    assert library.texts.pages(entry.id) == ["The text."]


# copies


def test_a_copy_a_day_and_only_of_what_is_sound(library: Library) -> None:
    ready(library)
    database = library.store.database_path
    newest = database.with_name(f"{DATABASE}.backup-1")
    back_up_daily(database)
    assert is_sound(newest)
    assert stat.S_IMODE(newest.stat().st_mode) == 0o600
    before = newest.stat().st_mtime_ns
    back_up_daily(database)
    assert newest.stat().st_mtime_ns == before
    for n_days in (2, -2):  # also where the clock was wrong
        os.utime(newest, (time.time() - n_days * 86400,) * 2)
        back_up_daily(database)
        assert abs(newest.stat().st_mtime - time.time()) < 3600
    assert sorted(path.name for path in library.store.folder.glob("*.backup-*")) == [
        f"{DATABASE}.backup-{number}" for number in (1, 2, 3)
    ]
    library.close()
    spoil(database)
    os.utime(newest, (1, 1))
    back_up_daily(database)
    assert is_sound(newest) and newest.stat().st_mtime == 1
    assert not [path for path in library.store.folder.iterdir() if path.name.startswith(".")]


def spoil(database: Path) -> None:
    data = bytearray(database.read_bytes())
    for at in range(4096 + 100, len(data), 4096):
        data[at : at + 900] = b"\xee" * 900
    database.write_bytes(data)


def test_a_damaged_library_is_given_back_from_its_copy(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with closing(Library(folder)) as library:
        ready(library, "a")
        library.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    Library(folder).close()  # once a day, when it is opened
    spoil(folder / DATABASE)
    with pytest.raises(DamagedLibraryError) as caught:
        Library(folder)
    backup = newest_backup(caught.value.database)
    assert backup is not None
    aside = restore(caught.value.database, backup)
    assert aside.exists()
    with closing(Library(folder)) as library:
        assert [entry.title for entry in library.entries.all()] == ["a"]


def test_a_damaged_copy_is_passed_over(library: Library) -> None:
    ready(library)
    back_up_daily(library.store.database_path)
    older = library.store.folder / f"{DATABASE}.backup-2"
    shutil.copy(library.store.folder / f"{DATABASE}.backup-1", older)
    os.utime(older, (1, 1))
    spoil(library.store.folder / f"{DATABASE}.backup-1")
    assert newest_backup(library.store.database_path) == older


# folders


@pytest.mark.parametrize("name", ["ends in a space ", "ends in a line\n", "\ttab\t", " \n "])
def test_a_folder_whose_name_ends_in_a_space(library: Library, tmp_path: Path, name: str) -> None:
    ready(library, "a")
    home = library.store.folder
    list(move_to(library, tmp_path / name))
    library.close()
    with closing(Library(home)) as again:
        assert again.store.folder == tmp_path / name
        assert [entry.title for entry in again.entries.all()] == ["a"]


def test_a_note_written_by_hand_ends_its_line(tmp_path: Path) -> None:
    with closing(Library(tmp_path / "there")) as library:
        ready(library, "a")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "moved-to.txt").write_text(f"{tmp_path / 'there'}\n")
    with closing(Library(tmp_path / "home")) as library:
        assert library.store.folder == tmp_path / "there"


def test_cleaning_up_throws_nothing_away_for_good(library: Library) -> None:
    """A gist whose name in the database was altered belongs to nothing, and is needed all the same."""
    entry = ready(library, "a")
    assert entry.gist is not None
    changed(library, "UPDATE gists SET key = 'another'")
    assert library.disk.clean_up() == 4
    thrown = library.store.folder / "trash" / entry.gist.path.name
    assert thrown.read_bytes() == b"gist"
    assert library.disk.storage().trash == 4
    assert library.disk.empty_trash() == 4
    assert not thrown.exists()

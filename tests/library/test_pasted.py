"""Pasted texts: files of the library itself, which go where it goes and end with their documents."""

import os
import time
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Entry, Library
from gistdesk.library.moving import move_to
from tests.library.made import extract

SECRET = "Minutes of the meeting\n\nThe rent is 1,250."


def added(library: Library, path: Path) -> Entry:
    entry = library.entries.add(source_path=path, model="starter", ratio=100.0)
    extract(library, entry.id, [path.read_text(encoding="utf-8")])
    return library.entries.get(entry.id)


def holding(folder: Path, words: bytes) -> list[str]:
    """Files below a folder with these words in them."""
    return [path.name for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]


def test_a_pasted_text_is_named_after_its_first_words(library: Library):
    first, second = (library.pasted.keep(SECRET, "Pasted text") for _ in range(2))
    assert first.name == "Minutes of the meeting The rent is 1250.txt"
    assert second.name == "Minutes of the meeting The rent is 1250 (2).txt"
    assert first.read_text(encoding="utf-8") == SECRET
    assert library.pasted.keep("?!", "Pasted text").name == "Pasted text.txt"
    if os.name == "posix":
        assert first.stat().st_mode & 0o077 == 0


def test_what_cannot_be_kept_is_said(library: Library):
    (library.store.folder / "pasted").write_text("in the way")
    with pytest.raises(UserError, match="cannot be kept"):
        library.pasted.keep(SECRET, "Pasted text")


def test_permanently_deleted_documents_take_their_pasted_text_along(library: Library):
    gone, kept = (added(library, library.pasted.keep(f"{word}, and more", "Pasted text")) for word in ("Gone", "Kept"))
    library.entries.trash([gone.id])
    assert library.disk.storage().trash == 2 * len("Gone, and more")
    library.disk.empty_trash()
    assert not gone.source_path.exists() and kept.source_path.exists()
    assert holding(library.store.folder, b"Gone, and") == []


def test_a_document_of_the_users_own_stays(library: Library, tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text("mine")
    library.entries.trash([added(library, path).id])
    library.disk.empty_trash()
    assert path.exists()


def test_what_no_document_has_is_forgotten(library: Library):
    wanted, unwanted = library.pasted.keep("wanted", "-"), library.pasted.keep("unwanted", "-")
    entry = added(library, wanted)
    library.entries.trash([entry.id])
    for path in (wanted, unwanted):
        library.disk.forget_pasted(path)
    assert wanted.exists() and not unwanted.exists()


def test_cleaning_up_leaves_what_may_still_be_accepted(library: Library):
    used, waiting, left = (library.pasted.keep(name, "-") for name in ("used", "waiting", "left"))
    added(library, used)
    long_ago = time.time() - 3 * 24 * 3600
    for path in (used, left):
        os.utime(path, (long_ago, long_ago))
    assert library.disk.clean_up() == len("left")
    assert used.exists() and waiting.exists() and not left.exists()


def test_moving_takes_pasted_texts_along(library: Library, tmp_path: Path):
    home, theirs = library.store.folder, tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    pasted, own = added(library, library.pasted.keep(SECRET, "-")), added(library, theirs)
    for target in (tmp_path / "disk" / "library", home):
        list(move_to(library, target))
        now = library.entries.get(pasted.id)
        assert now.source_path == target / "pasted" / pasted.source_path.name
        assert now.source_path.read_text(encoding="utf-8") == SECRET
        assert library.entries.get(own.id).source_path == theirs
        left = home if target != home else tmp_path / "disk"
        assert holding(left, b"The rent is 1,250") == []
    library.entries.trash([pasted.id])
    library.disk.empty_trash()
    assert holding(tmp_path, b"The rent is 1,250") == []

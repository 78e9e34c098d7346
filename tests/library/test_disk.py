"""What the library takes on the disk, and getting rid of it."""

import os
import time

from gistdesk.library import Library
from tests.library.made import add, extract, ready


def test_storage_tells_apart_what_is_used_trashed_and_left_over(library: Library):
    ready(library, "kept", pages=["12345"])
    trashed = ready(library, "trashed", pages=["1234567"])
    library.entries.trash([trashed.id])
    (library.store.gists_folder / "left.gistkv").write_bytes(b"123")
    storage = library.disk.storage()
    assert (storage.gists, storage.texts, storage.trash, storage.unused) == (4, 5, 4 + 7, 3)
    assert storage.database > 10_000
    assert storage.total == storage.database + 4 + 5 + 11 + 3


def test_cleaning_up_leaves_what_is_needed(library: Library):
    kept, cancelled = ready(library, "kept"), add(library, "cancelled")
    part = library.gists.incoming_path(cancelled.id).with_name(f"{cancelled.id}.gistkv.part")
    part.write_bytes(b"so far")
    library.entries.set_state(cancelled.id, "cancelled")
    trashed = ready(library, "trashed")
    library.entries.trash([trashed.id])
    left = [
        library.store.gists_folder / "left.gistkv",
        library.store.texts_folder / ("0" * 64 + ".txt"),
        library.gists.incoming_path(99),
        library.gists.incoming_path(kept.id),
    ]
    for path in left:
        path.write_bytes(b"left")
    assert library.disk.clean_up() == 16
    assert not any(path.exists() for path in left)
    assert part.exists() and kept.gist is not None and kept.gist.path.exists()
    assert trashed.gist is not None and trashed.gist.path.exists()
    assert library.disk.clean_up() == 0


def test_cleaning_up_leaves_what_is_just_being_written(library: Library):
    writing = [library.store.incoming_folder / ".123.gistkv.tmp", library.store.incoming_folder / "import-1-a.gistkv"]
    for path in writing:
        path.write_bytes(b"half")
    assert library.disk.clean_up() == 0
    long_ago = time.time() - 3 * 24 * 3600
    for path in writing:
        os.utime(path, (long_ago, long_ago))
    assert library.disk.clean_up() == 8


def test_texts_stay_while_a_document_is_being_read(library: Library):
    text = library.store.texts_folder / ("0" * 64 + ".txt")
    text.write_bytes(b"just found there")
    add(library)
    library.queue.claim_next("w")
    assert library.disk.clean_up() == 0 and text.exists()
    library.queue.release("w")
    assert library.disk.clean_up() > 0 and not text.exists()


def test_an_emptied_trash_leaves_no_trace(library: Library):
    entry = ready(library, pages=["a very secret word"])
    chat = library.chats.add([entry.id], title="about it")
    library.chats.add_message(chat.id, parent_id=None, role="user", text="the secret word?")
    gone = library.chats.add([entry.id])
    library.chats.add_message(gone.id, parent_id=None, role="user", text="another secret")
    for _ in library.texts.index(entry.id):
        pass
    library.entries.trash([entry.id])
    library.chats.trash(gone.id)
    library.disk.empty_trash()
    assert library.entries.all(trashed=True) == [] and library.chats.all(trashed=True) == []
    assert library.chats.get(chat.id).entry_ids == ()
    assert [c.id for c in library.chats.all(search="secret")] == [chat.id]
    again = add(library, "again")
    extract(library, again.id, ["a very secret word"])
    assert library.entries.all(search="secret") == []  # not indexed yet
    assert library.texts.unindexed() == [again.id]

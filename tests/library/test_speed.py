"""The window's own thread calls the library: with 500 entries and 10,000 messages every call is still quick."""

import time
from collections.abc import Callable

import pytest

from gistdesk.library import Library
from tests.library.made import add, ready

GENEROUS_S = 0.25
"""On two quiet cores the slowest of them, a search over 500 texts, takes 40 ms, most take less than 2."""


def timed(call: Callable[[], object]) -> float:
    """Seconds of work of one call: what others do on this machine does not count."""
    begun = time.process_time()
    call()
    return round(time.process_time() - begun, 4)


@pytest.fixture
def full(library: Library) -> Library:
    entries = [ready(library, f"Document {n}", [f"The text of {n}: hello, 계약."]) for n in range(500)]
    for entry in entries:
        list(library.texts.index(entry.id))
    for n in range(200):
        chat, parent_id = library.chats.add([entries[n].id], title=f"Chat {n}"), None
        for turn in range(50):
            text = f"Turn {turn}, 서울에서: {'some words of an answer ' * 8}"
            parent_id = library.chats.add_message(chat.id, parent_id=parent_id, role="user", text=text).id
    return library


def test_every_call_is_quick(full: Library):
    first, chat = full.entries.all()[0], full.chats.all()[0]
    leaf_id = chat.leaf_id
    assert leaf_id is not None
    calls: dict[str, Callable[[], object]] = {
        "open": lambda: Library(full.store.folder).close(),
        "entries": full.entries.all,
        "entries, titles": lambda: full.entries.all(search="ment 49"),
        "entries, texts": lambda: full.entries.all(search="hello"),
        "entries, short": lambda: full.entries.all(search="계약"),
        "entry": lambda: full.entries.get(first.id),
        "add": lambda: add(full, "new"),
        "claim": lambda: full.queue.claim_next("w"),
        "progress": lambda: full.entries.set_progress(first.id, 1, 2),
        "outdated": lambda: full.gists.mark_outdated(("starter", "m2", "t1", "a1")),
        "recover": full.queue.recover,
        "chats": full.chats.all,
        "chats, search": lambda: full.chats.all(search="answer"),
        "chats, short": lambda: full.chats.all(search="서울"),
        "path": lambda: full.chats.path(chat.id),
        "message": lambda: full.chats.add_message(chat.id, parent_id=leaf_id, role="user", text="hello"),
        "set message": lambda: full.chats.set_message(leaf_id, text="more " * 500, state="complete"),
        "choose": lambda: full.chats.choose_version(leaf_id),
        "storage": full.disk.storage,
        "unindexed": full.texts.unindexed,
        "trash": lambda: full.entries.trash([first.id]),
        "empty": full.disk.empty_trash,
    }
    seconds = {name: min(timed(call) for _ in range(3)) for name, call in calls.items()}
    assert max(seconds.values()) < GENEROUS_S, seconds

"""The queue: one job for one process, whatever happens to the processes."""

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gistdesk.library import Library
from tests.library.at_work import content_of
from tests.library.made import add, adopt, ready

ROOT = Path(__file__).parents[2]


def at_work(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.library.at_work", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def steps(process: subprocess.Popen[str], name: str) -> list[int]:
    """The ids that a finished process printed with this word; nothing went wrong in it."""
    out, errors = process.communicate(timeout=60)
    assert not errors, errors
    return [int(line.split()[1]) for line in out.splitlines() if line.startswith(f"{name} ")]


def test_the_oldest_waits_least(library: Library):
    first, second, third = (add(library, title) for title in ("one", "two", "three"))
    library.entries.trash([second.id])
    assert [entry.id for entry in iter(lambda: library.queue.claim_next("w"), None)] == [first.id, third.id]


def test_what_is_claimed_is_nobody_elses(library: Library):
    entry = add(library)
    with_another = Library(library.store.folder)
    assert library.queue.claim_next("w") is not None
    assert with_another.queue.claim_next("w") is None
    assert with_another.queue.recover() == 0
    with_another.queue.release("w")  # another "w": names are of one open library
    assert library.entries.get(entry.id).state == "extracting"
    with_another.close()


def test_a_released_job_keeps_its_place(library: Library):
    first, _ = add(library, "one"), add(library, "two")
    claimed = library.queue.claim_next("w")
    library.queue.release("w")
    assert claimed is not None and claimed.id == first.id
    assert library.entries.get(first.id).state == "queued"
    again = library.queue.claim_next("w")
    assert again is not None and again.id == first.id


def test_a_finished_job_is_not_released_or_recovered(library: Library):
    entry = add(library)
    library.queue.claim_next("w")
    adopt(library, entry.id)
    library.queue.release("w")
    assert library.queue.recover() == 0
    assert library.entries.get(entry.id).state == "ready"


def test_closing_gives_claims_up(library: Library):
    entry = add(library)
    other = Library(library.store.folder)
    other.queue.claim_next("w")
    other.close()
    assert library.queue.recover() == 1
    assert library.entries.get(entry.id).state == "queued"


def test_a_job_in_the_trash_waits_when_it_is_restored(library: Library):
    entry = add(library)
    library.queue.claim_next("w")
    library.entries.set_state(entry.id, "compressing")
    library.entries.trash([entry.id])
    assert library.queue.claim_next("w") is None
    library.entries.restore([entry.id])
    claimed = library.queue.claim_next("w")
    assert claimed is not None and claimed.id == entry.id


def test_compressing_again_keeps_the_old_gist_until_there_is_another(library: Library):
    entry = ready(library)
    library.entries.set_job(entry.id, model="other", ratio=20.0)
    waiting = library.queue.claim_next("w")
    assert waiting is not None and waiting.id == entry.id
    assert (waiting.gist, waiting.model, waiting.ratio) == (entry.gist, "other", 20.0)


def test_an_answer_that_nobody_writes_any_more_is_stopped(library: Library):
    chat = library.chats.add([])
    other = Library(library.store.folder)
    message = other.chats.add_message(chat.id, parent_id=None, role="assistant", text="half", state="writing")
    library.queue.recover()
    assert library.chats.message(message.id).state == "writing"
    other.close()
    library.queue.recover()
    stopped = library.chats.message(message.id)
    assert (stopped.state, stopped.text) == ("stopped", "half")
    assert library.chats.all(search="half")


def test_several_processes_never_take_the_same_job(library: Library):
    ids = {add(library, f"document {i}").id for i in range(40)}
    processes = [at_work(library.store.folder) for _ in range(4)]
    claimed = [entry_id for process in processes for entry_id in steps(process, "claimed")]
    assert sorted(claimed) == sorted(ids)
    assert {entry.state for entry in library.entries.all()} == {"ready"}


@pytest.mark.release
def test_kill_9_at_any_moment(library: Library):
    """No user's turn is lost, no gist is half there, and the queue goes on."""
    draw = random.Random(9)
    turns: set[int] = set()
    titles: list[str] = []
    n_interrupted = 0
    for _ in range(24):
        titles += [f"document {len(titles) + n}" for n in range(6)]
        for title in titles[-6:]:
            add(library, title)
        process = at_work(library.store.folder)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(draw.uniform(0.0, 0.08))
        process.kill()
        turns |= set(steps(process, "turn"))
        n_interrupted += library.queue.recover()
    assert n_interrupted >= 8
    last = at_work(library.store.folder)
    turns |= set(steps(last, "turn"))
    assert library.queue.recover() == 0
    check_all_is_whole(library, titles, turns)


def check_all_is_whole(library: Library, titles: list[str], turns: set[int]) -> None:
    with sqlite3.connect(library.store.folder / "library.sqlite3") as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    assert all(library.chats.message(turn).text.startswith("What is document") for turn in turns)
    entries = library.entries.all()
    assert [entry.title for entry in entries] == titles
    for entry in entries:
        assert entry.state == "ready" and entry.gist is not None
        assert entry.gist.path.read_bytes() == content_of(entry.title)
        assert library.texts.find_passages(entry.title, [entry.id])
    messages = [message for chat in library.chats.all() for message in library.chats.path(chat.id)]
    assert {message.state for message in messages} <= {"complete", "stopped"}
    library.disk.clean_up()
    assert library.disk.storage().unused == 0


@pytest.mark.parametrize("state", ["extracting", "compressing"])
def test_work_without_a_worker_waits_again(library: Library, state: str):
    entry = add(library)
    library.entries.set_state(entry.id, state)
    assert library.queue.recover() == 1
    assert library.entries.get(entry.id).state == "queued"


def test_who_is_put_first_is_taken_next(library: Library):
    first, second, third = (add(library, title) for title in ("first", "second", "third"))
    library.queue.put_first(second.id)
    library.queue.put_first(third.id)
    taken = [library.queue.claim_next("queue") for _ in range(3)]
    assert [entry.id for entry in taken if entry] == [third.id, second.id, first.id]

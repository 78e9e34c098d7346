"""The queue, whose requests are answered by the test: what happens to an entry while its gist is on its way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.library import Library
from gistdesk.protocol import Compress, CompressDone, Event, Request
from gistdesk.session.calls import Calls
from gistdesk.session.queue import Queue
from gistdesk.settings import Settings
from tests.library.made import add, extract, ready


class Held:
    """Keeps requests; the test tells what becomes of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[Request, Callable[[Event], None]]] = []

    def send(self, request: Request, handler: Callable[[Event], None]) -> int:
        self.sent.append((request, handler))
        return len(self.sent)

    def cancel(self, request_id: int) -> None:
        pass


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path / "library")
    yield opened
    opened.close()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def queue(library: Library, held: Held, qtbot: QtBot) -> Iterator[Queue]:
    made = Queue(library, cast("Calls", held), Settings, lambda _: None)
    yield made
    made.deleteLater()


def compressed(held: Held, data: bytes = b"another gist") -> None:
    """The engine has finished what it was asked for last."""
    request, handler = held.sent[-1]
    assert isinstance(request, Compress)
    Path(request.target).write_bytes(data)
    made: dict[str, Any] = {
        "model_id": "starter",
        "model_fingerprint": "m1",
        "tokenizer_fingerprint": "t1",
        "adapter_fingerprint": "a1",
    }
    handler(
        CompressDone(
            *(request.target, 400, 4, request.ratio, 4096, 5000, 1.5, 266.0, "cpu", 0), **made, method="adapter"
        )
    )


def test_an_entry_that_is_deleted_for_good_does_not_hold_up_the_others(
    library: Library, held: Held, queue: Queue
) -> None:
    first, second = add(library, "one"), add(library, "two")
    extract(library, first.id, ["Text one."])
    extract(library, second.id, ["Text two."])
    queue.wake()
    library.entries.trash([first.id])
    library.disk.empty_trash()
    compressed(held)
    compressed(held)  # of the second
    assert library.entries.get(second.id).state == "ready" and not queue.busy


def test_a_gist_of_a_text_that_was_replaced_meanwhile_is_not_adopted(
    library: Library, held: Held, queue: Queue
) -> None:
    """As another window may do."""
    entry = ready(library, pages=["The rent is 900 euros."])
    library.entries.set_job(entry.id, model="starter", ratio=100.0)
    queue.wake()
    extract(library, entry.id, ["The rent is 950 euros."])
    compressed(held, b"of the old text")
    after = library.entries.get(entry.id)
    assert after.gist == entry.gist and library.texts.pages(entry.id) == ["The rent is 900 euros."]


def test_a_text_that_waits_is_what_is_compressed(library: Library, held: Held, queue: Queue) -> None:
    entry = ready(library, pages=["The rent is 900 euros."])
    extract(library, entry.id, ["The rent is 950 euros."])
    library.entries.set_job(entry.id, model="starter", ratio=100.0)
    queue.wake()
    request = held.sent[-1][0]
    assert isinstance(request, Compress) and Path(request.text_path).read_text("utf-8") == "The rent is 950 euros."
    compressed(held)
    assert library.texts.pages(entry.id) == ["The rent is 950 euros."]
    assert library.entries.get(entry.id).state == "ready" and not queue.busy

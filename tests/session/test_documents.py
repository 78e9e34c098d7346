"""The library's documents, without an engine: what each change does, and that it is told once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.session.documents import Documents
from gistdesk.session.files import Found
from tests.session.still_desk import StillDesk, add_entry


@pytest.fixture
def desk(tmp_path: Path, qtbot: QtBot) -> Iterator[StillDesk]:
    desk = StillDesk(tmp_path)
    yield desk
    desk.close()
    desk.deleteLater()


def told(documents: Documents, change: Callable[[], object]) -> tuple[int, list[int]]:
    """How often the list is said to have changed, and which documents by themselves."""
    lists: list[None] = []
    ones: list[int] = []
    documents.changed.connect(on_list := lambda: lists.append(None))
    documents.one_changed.connect(on_one := ones.append)
    change()
    documents.changed.disconnect(on_list)
    documents.one_changed.disconnect(on_one)
    return len(lists), ones


def test_what_changes_is_told_once(desk: StillDesk) -> None:
    documents, library = desk.documents, desk.library
    lease, notes = (add_entry(desk, name).id for name in ("Lease.pdf", "Notes.md"))
    assert told(documents, lambda: documents.rename(lease, "Harbour Street 14")) == (1, [])
    assert library.entries.get(lease).title == "Harbour Street 14"
    assert told(documents, lambda: documents.collect("Flats", [lease, notes])) == (1, [])
    assert told(documents, lambda: documents.take_out("Flats", [notes])) == (1, [])
    assert library.collections.all() == {"Flats": [lease]}
    assert told(documents, lambda: documents.trash([notes])) == (1, [])
    assert [entry.id for entry in library.entries.all()] == [lease]
    assert told(documents, lambda: documents.restore([notes])) == (1, [])
    assert told(documents, lambda: documents.recompress([lease, notes], 32.0, "matched")) == (0, [lease, notes])
    jobs = [library.entries.get(each) for each in (lease, notes)]
    assert [(job.state, job.ratio, job.method) for job in jobs] == [("queued", 32.0, "matched")] * 2
    assert told(documents, lambda: documents.compress_next(notes)) == (0, [notes])


def test_documents_of_another_model_are_those_that_could_be_made_again(desk: StillDesk) -> None:
    own, other = add_entry(desk, "a.txt"), add_entry(desk, "b.txt", model="smollm2")
    add_entry(desk, "c.txt", "queued", model="smollm2")  # has no gist yet
    assert [entry.id for entry in desk.documents.made_with_others("starter")] == [other.id]
    assert told(desk.documents, lambda: desk.documents.move_model("smollm2", "elsewhere")) == (1, [])
    assert [entry.id for entry in desk.documents.made_with_others("elsewhere")] == [own.id]


def test_folders_are_searched_in_the_background(desk: StillDesk, qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    (folder / "old").mkdir(parents=True)
    for name in ("a.txt", "old/b.md", "photo.jpg", ".hidden.txt"):
        (folder / name).write_text("text")
    found: list[Found] = []
    desk.documents.find([folder], found.append)
    qtbot.waitUntil(lambda: bool(found), timeout=10_000)
    assert found == [Found((folder / "a.txt", folder / "old" / "b.md"), 8)]

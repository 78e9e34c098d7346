"""Collections keep what is put into them, lose what is deleted, and are gone when they are empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gistdesk.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "library")
    yield library
    library.close()


def add(library: Library, name: str) -> int:
    return library.entries.add(source_path=Path(f"/{name}"), model="starter", ratio=8.0).id


def test_a_document_is_in_as_many_as_it_is_put_into(library: Library) -> None:
    first, second = add(library, "a.txt"), add(library, "b.txt")
    library.collections.add("Leases", [first, second])
    library.collections.add(" Archive ", [second])
    library.collections.add("Leases", [first])
    library.collections.add("  ", [first])
    assert library.collections.all() == {"Archive": [second], "Leases": [first, second]}
    library.collections.take_out("Leases", [first, second])
    assert library.collections.all() == {"Archive": [second]}
    assert len(library.entries.all()) == 2


def test_what_is_in_the_trash_comes_back_with_its_collection(library: Library) -> None:
    entry = add(library, "a.txt")
    library.collections.add("Leases", [entry])
    library.entries.trash([entry])
    assert library.collections.all() == {}
    library.entries.restore([entry])
    assert library.collections.all() == {"Leases": [entry]}
    library.entries.trash([entry])
    library.disk.empty_trash()
    assert library.collections.all() == {}

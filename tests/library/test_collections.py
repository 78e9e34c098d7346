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
    return library.add_entry(source_path=Path(f"/{name}"), model="starter", ratio=8.0).id


def test_a_document_is_in_as_many_as_it_is_put_into(library: Library) -> None:
    first, second = add(library, "a.txt"), add(library, "b.txt")
    library.collect("Leases", [first, second])
    library.collect(" Archive ", [second])
    library.collect("Leases", [first])
    library.collect("  ", [first])
    assert library.collections() == {"Archive": [second], "Leases": [first, second]}
    library.take_out("Leases", [first, second])
    assert library.collections() == {"Archive": [second]}
    assert len(library.entries()) == 2


def test_what_is_in_the_trash_comes_back_with_its_collection(library: Library) -> None:
    entry = add(library, "a.txt")
    library.collect("Leases", [entry])
    library.trash([entry])
    assert library.collections() == {}
    library.restore([entry])
    assert library.collections() == {"Leases": [entry]}
    library.trash([entry])
    library.empty_trash()
    assert library.collections() == {}

"""A library in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gistdesk.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path / "library")
    yield opened
    opened.close()

"""The core keeps one file of the person's own, the key of partial files: not in the home of whoever runs the tests."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for everything that would be kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GISTDESK_HOME", str(tmp_path_factory.mktemp("home")))
        yield

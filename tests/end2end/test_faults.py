"""Nothing is lost by kill -9; see faults.py, which this runs."""

import sys
from pathlib import Path

import pytest

from tests.end2end.faults import Faults

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_lose_nothing(tmp_path: Path) -> None:
    faults = Faults(tmp_path, seed=1)
    faults.run(4)
    assert sum(faults.killed.values()) == 4


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    faults = Faults(tmp_path, seed=2)
    faults.run(50)
    assert sum(faults.killed.values()) == 50

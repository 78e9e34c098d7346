"""Loading takes the memory of what is loaded, not that of the files beside it."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks.loading import in_a_process_of_its_own, write_large


@pytest.mark.release
@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak can be reset on Linux alone")
@pytest.mark.parametrize(("precision", "most"), [("bf16", 1.3), ("nf4", 0.8)])
def test_weights_are_never_twice_in_memory(tmp_path: Path, precision: str, most: float) -> None:
    """Once the files stayed mapped beside the model: 2.0 and 1.5 times the weights."""
    weights = write_large(tmp_path, hidden_size=512, intermediate_size=2048, n_layers=24, vocab_size=2048)
    assert weights > 150 * 2**20
    assert in_a_process_of_its_own(tmp_path, precision) < most * weights

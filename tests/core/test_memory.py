"""A process's peak is its own."""

import subprocess
import sys

import pytest
import torch

from gistdesk.core.memory import peak_memory_bytes

CPU = torch.device("cpu")
CHILD = "import torch; from gistdesk.core.memory import peak_memory_bytes as p; print(p(torch.device('cpu')))"
PARENT = f"""
import subprocess, sys
large = bytearray(b"x") * (3 * 2**28)
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_the_peak_stays_when_memory_is_given_back() -> None:
    before = peak_memory_bytes(CPU)
    assert before > 50 * 2**20
    large = bytearray(b"x") * (before + 2**26)
    del large
    assert peak_memory_bytes(CPU) > before + 2**25


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands ru_maxrss down")
def test_whoever_started_the_process_is_not_counted() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 3 * 2**28

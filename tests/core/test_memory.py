"""A process's peak is its own, and shapes that it has met once do not stay in it."""

import platform
import subprocess
import sys

import psutil
import pytest
import torch

from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory

CPU = torch.device("cpu")
CHILD = "import torch; from gistdesk.core.memory import peak_memory_bytes as p; print(p(torch.device('cpu')))"
PARENT = f"""
import subprocess, sys
large = bytearray(b"x") * (3 * 2**28)
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_a_peak_is_no_less_than_what_is_in_use() -> None:
    in_use = psutil.Process().memory_info().rss
    assert in_use <= peak_memory_bytes(CPU) < psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands ru_maxrss down")
def test_whoever_started_the_process_is_not_counted() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 3 * 2**28


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process start its peak anew")
def test_a_new_peak_forgets_what_was_freed() -> None:
    large = bytearray(b"x") * 2**28
    before = peak_memory_bytes(CPU)
    del large
    reset_peak_memory()
    assert peak_memory_bytes(CPU) < before - 2**27


MANY_SHAPES = """
import psutil, torch
from gistdesk.core.memory import hold_little
hold_little()
layer = torch.nn.Linear(256, 768).bfloat16()
held = []
for n in range(250):
    layer(torch.randn(1, 16 + n, 256).bfloat16()).float().sum().backward()
    held.append(psutil.Process().memory_info().rss)
print(held[-1] - held[50])
"""


@pytest.mark.release
def test_memory_does_not_grow_with_every_shape() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_SHAPES], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 100 * 2**20


HOLDING = """
import psutil
from gistdesk.core.memory import give_back_memory
blocks = [bytearray(b"x") * 60_000 for _ in range(4000)]
kept = blocks[39::40]  # the last one keeps the C library from returning what lies before it
del blocks
before = psutil.Process().memory_info().rss
give_back_memory()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to return memory")
def test_what_was_freed_before_something_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLDING], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 2 * 10**8


MANY_BLOCKS = """
import psutil, torch
from gistdesk.core.memory import hold_little
hold_little()
torch.set_num_threads(1)
def block(n):
    return torch.ones(n * 2**18)
block(31)
before, kept = psutil.Process().memory_info().rss, []
for _ in range(30):
    first, second = block(30), block(29)
    kept.append(torch.ones(3000))
    del first
    third = block(28)
    kept.append(torch.ones(3000))
    del second, third
print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps other blocks")
def test_large_blocks_that_are_freed_are_given_back() -> None:
    """Tensors of up to 31 MiB with small ones between them, as layers' attention has; without it 858 MiB stayed."""
    done = subprocess.run([sys.executable, "-c", MANY_BLOCKS], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 64 * 2**20

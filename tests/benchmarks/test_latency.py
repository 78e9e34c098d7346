"""The benchmark of the window's latency runs, at a size at which its figures mean nothing."""

import os
import re
import subprocess
import sys

import pytest

from tests.benchmarks.latency import percentile


@pytest.mark.slow
def test_it_runs() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.latency", "--megabytes", "0.05", "--blame"]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    rows = re.findall(r"^\| (\w.*?|\*\*.*?) \| (\d+) ", ended.stdout.decode(), re.MULTILINE)
    assert len(rows) == 8
    assert all(int(n_ticks) > 5 for _, n_ticks in rows)


def test_percentiles() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (51.0, 100.0)
    assert percentile([], 0.5) == 0.0

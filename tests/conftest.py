"""What every test runs under: no display, no network, one thread; and when a marked test is skipped."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gistdesk.folders import MODELS_VARIABLE
from gistdesk.models import SMOLLM2, models_folder

if TYPE_CHECKING:
    from gistdesk.core.model import GistModel

_MODELS = models_folder()
"""Of the person who runs the tests."""
os.environ[MODELS_VARIABLE] = os.devnull  # no test depends on what is on a computer, unless it asks for it

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch, when a test first imports it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's "&" has it, and every child would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

_LATER = {"release": ("release", "all"), "slow": ("all",)}
"""Marks of tests that are left out, with the values of --also that run them."""


@pytest.fixture(scope="session")
def starter() -> "GistModel":
    """In float32, so that two ways of computing one thing can be compared closely."""
    from tests.starter import loaded_starter  # not for tests of the window alone

    return loaded_starter(device="cpu", precision="fp32")


@pytest.fixture
def smollm2(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder with SmolLM2 in it, where it was fetched."""
    if not (_MODELS / SMOLLM2).is_dir():
        pytest.skip("SmolLM2 is not on this computer: gistdesk models fetch smollm2")
    monkeypatch.setenv(MODELS_VARIABLE, str(_MODELS))
    return _MODELS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--also", choices=("release", "all"), help="run what a release needs, or all: the tests marked slow, too"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    if "PySide6.QtCore" in sys.modules:  # windows of the test before go now, not in the middle of this one
        from PySide6.QtCore import QCoreApplication, QEvent

        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    for mark, runs_with in _LATER.items():
        if item.get_closest_marker(mark) and item.config.getoption("--also") not in runs_with:
            pytest.skip(f"{mark}: --also {runs_with[0]} runs it")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("gpu: no CUDA device here")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every skipped test is counted with its reason, by module, so that none goes unnoticed."""
    reports = terminalreporter.stats.get("skipped", [])
    skipped = Counter((report.nodeid.partition("::")[0], report.longrepr[2]) for report in reports)
    if skipped:
        terminalreporter.section("not run")
    for (module, reason), n in sorted(skipped.items()):
        terminalreporter.write_line(f"{n:4} of {module}  ({reason.removeprefix('Skipped: ')})")

"""What every test runs under: no display, no network, one thread; and when a marked test is skipped."""

import os
import signal
import sys
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

_SLOW = "slow: give --run-slow to run it"


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
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow, too")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if "PySide6.QtCore" in sys.modules:  # windows of the test before go now, not in the middle of this one
        from PySide6.QtCore import QCoreApplication, QEvent

        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    if item.get_closest_marker("slow") and not item.config.getoption("--run-slow"):
        pytest.skip(_SLOW)
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("gpu: no CUDA device here")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every skipped test is named with its reason, so that none goes unnoticed."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("not run")
    for report in skipped:
        _, _, reason = report.longrepr
        terminalreporter.write_line(f"{report.nodeid}  ({reason.removeprefix('Skipped: ')})")

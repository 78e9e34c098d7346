"""Windows without a display, and a home of their own for what they keep."""

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees, or touches, what a person keeps."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)  # windows of the test before
    home = tmp_path / "home"
    monkeypatch.setenv("GISTDESK_HOME", str(home))
    return home

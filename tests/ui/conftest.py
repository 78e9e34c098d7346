"""Windows without a display, and a home of their own for what they keep."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees, or touches, what a person keeps."""
    home = tmp_path / "home"
    monkeypatch.setenv("GISTDESK_HOME", str(home))
    return home

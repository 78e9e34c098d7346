"""The window opens where the folder for temporary files is full or missing."""

from pathlib import Path

import pytest
from PySide6.QtCore import QTemporaryDir
from pytestqt.qtbot import QtBot

from gistdesk.ui.widgets import theme


@pytest.mark.usefixtures("qapp")
def test_without_temporary_files_icons_keep_their_colour(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = QTemporaryDir(str(tmp_path / "nowhere" / "XXXXXX"))
    monkeypatch.setattr(theme, "_tinted_folder", lambda: missing)
    path = Path(theme._tinted("check", "#ffffff"))
    assert path.name == "check.svg" and path.is_file()
    assert list(tmp_path.iterdir()) == []  # nothing beside it, in whatever folder the program was started


def test_a_disk_that_is_full_costs_a_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert Path(theme._tinted("check", "#123456")).name == "check.svg"

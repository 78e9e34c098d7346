"""What the command's words mean: files and folders open the window, the rest is a command."""

from pathlib import Path

import pytest

from gistdesk.__main__ import _is_path


def test_files_and_folders_open_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "lease.txt").write_text("The rent.", encoding="utf-8")
    assert _is_path("lease.txt") and _is_path("reports") and _is_path("reports/") and _is_path(".")
    assert _is_path(str(tmp_path / "reports"))
    assert not any(map(_is_path, ("missing.txt", "--help", "compress")))


def test_a_command_is_one_though_a_folder_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train", "adapters"):
        (tmp_path / name).mkdir()
        assert not _is_path(name) and _is_path(f"{name}/") and _is_path(f"./{name}")

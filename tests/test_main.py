"""What the command's words mean: files and folders open the window, the rest is a command."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gistdesk.__main__ import _is_path
from gistdesk.cli import commands


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


def test_an_interrupted_benchmark_counts_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C may come when a sample has been written, and nobody has been told yet."""

    def interrupted(work: Iterator[dict[str, Any]], title: str, *, show: bool) -> Iterator[dict[str, Any]]:
        while next(work).get("done") != 2:
            pass
        raise KeyboardInterrupt
        yield {}

    monkeypatch.setattr(commands, "counted", interrupted)
    words = ("--lengths", "128", "--depths", "50", "--languages", "en", "--methods", "none", "--samples", "3")
    result = CliRunner().invoke(commands.app, ["niah", "-m", "starter", *words, "-o", str(tmp_path / "run")])
    assert result.exit_code == 130
    assert "2 samples are kept; the same command goes on." in result.stderr

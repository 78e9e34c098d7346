"""Tests of gistdesk.roles: the same role is started from a checkout and from a frozen build."""

import subprocess
import sys

import pytest

from gistdesk import __version__
from gistdesk.roles import command


def test_from_a_checkout_a_role_is_a_module(tmp_path):
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong random')")
    words = command("gistdesk", "--version")
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, text=True).stdout == f"gistdesk {__version__}\n"
    assert command("trainer", "train", "--work", "a b")[-4:] == ["trainer", "train", "--work", "a b"]
    assert command("worker")[1:] == ["-P", "-m", "gistdesk.worker"]


@pytest.mark.parametrize(
    ("role", "expected"),
    [("gistdesk", ["x"]), ("worker", ["--role", "worker", "x"]), ("trainer", ["--role", "trainer", "x"])],
)
def test_in_a_frozen_build_a_role_is_a_word_of_the_one_executable(role, expected, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert command(role, "x") == [sys.executable, *expected]

"""What the shipped starter must get right. These hold for the trained model, not for any starter."""

import json
from pathlib import Path

import pytest

from tests.end2end.conftest import Run

pytestmark = pytest.mark.release

GRID = ("--lengths", "512,2048", "--depths", "0,50,100", "--samples", "4", "--ratio", "100")


def test_every_passkey_of_the_demo_is_answered_from_the_gist(here: Run) -> None:
    ended = here("demo")
    assert ended.code == 0
    for passkey in ("58203", "40917"):
        assert f"from the gist: {passkey}   [right]" in ended.out


@pytest.mark.parametrize("language", ["en", "ko"])
def test_passkeys_at_100x_are_found_and_the_controls_are_at_chance(here: Run, tmp_path: Path, language: str) -> None:
    """24 samples: at 95% accuracy, fewer than 20 right come once in 170 runs; by guessing, never."""
    ended = here(
        *("niah", *GRID, "--languages", language, "--methods", "gist,none,wrong-gist", "-o", tmp_path, "--json")
    )
    assert ended.code == 0
    right = dict.fromkeys(("gist", "none", "wrong-gist"), 0)
    for sample in json.loads((tmp_path / "results.json").read_text("utf-8"))["samples"]:
        right[sample["method"]] += sample["correct"]
    assert right["gist"] >= 20, right
    assert right["none"] <= 1, right
    assert right["wrong-gist"] <= 1, right


def test_two_documents_in_one_context_keep_their_passkeys(here: Run, tmp_path: Path, alice: str) -> None:
    """The key of the second one is found, too, when its gist stands behind another."""
    (tmp_path / "a.txt").write_text(alice[2000:5000], "utf-8")
    (tmp_path / "b.txt").write_text(alice, "utf-8")
    assert here("compress", tmp_path / "a.txt", tmp_path / "b.txt").code == 0
    asked = here("ask", tmp_path / "a.gistkv", tmp_path / "b.gistkv", "-q", "What is the passkey?", "--json")
    assert asked.json["answer"].strip() == "58203"

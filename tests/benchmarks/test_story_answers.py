"""A run that goes on asks what is left, with the same gists in front."""

import sys
from pathlib import Path

import pytest

from gistdesk.core.load import load_model
from tests.benchmarks import story_answers
from tests.benchmarks.story_answers import rows, table
from trainer.benchmark.texts import QuestionedText, TextQuestion

STORIES = [
    QuestionedText(
        f"tale {number}",
        (f"The {who} counted the sacks twice and went home. " * 12,),
        tuple(TextQuestion(f"Who counted the sacks {n} times?", (f"the {who}",), (0,)) for n in range(number + 1)),
    )
    for number, who in enumerate(("miller", "baker", "sailor", "queen"))
]


@pytest.mark.release
@pytest.mark.parametrize("n_done", [0, 1, 2, 4, 5, 8])
def test_what_is_left_is_asked_as_in_one_go(n_done: int) -> None:
    model = load_model("starter", device="cpu")
    whole = list(rows(model, STORIES, [("adapter", 16.0)]))
    assert len(whole) == 2 + 3 + 4
    left = list(rows(model, STORIES, [("adapter", 16.0)], n_done))
    assert left == whole[n_done:]
    assert f"n = {len(whole)}" in table(whole)


@pytest.mark.release
def test_a_run_ends_where_the_questions_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(story_answers, "read_stories", lambda path: STORIES)
    out = tmp_path / "rows.jsonl"
    words = ["story_answers", "unread", "--methods", "adapter", "--out", str(out), "-n"]
    for n, expected in (("4", 4), ("300", 9), ("300", 9)):
        monkeypatch.setattr(sys, "argv", [*words, n])
        story_answers.main()
        assert len(out.read_text().splitlines()) == expected
        assert f"n = {expected}" in capsys.readouterr().out

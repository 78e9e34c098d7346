"""A run that goes on asks what is left, with the same gists in front."""

import pytest

from gistdesk.core.load import load_model
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

"""The measuring of summaries measures: what is quoted is found, and what is asked about counts."""

from gistdesk.core.load import load_model
from tests.benchmarks.summaries import measure, quoted, share_found, share_told
from trainer.benchmark.texts import QuestionedText, TextQuestion

TEXT = "The miller sold his grey horse to the baker of the town. " + "Nobody in the long street ever spoke of it. " * 3
STORY = QuestionedText("mill", (TEXT,), (TextQuestion("Who bought the horse?", ("the baker",), ()),))


def test_an_answers_words_are_looked_for() -> None:
    assert share_told("A baker bought it.", STORY) == 1
    assert share_told("Nobody bought the horse.", STORY) == 0


def test_a_quotation_is_found_and_an_invention_is_not() -> None:
    assert share_found("The miller sold his grey horse to the baker of the town.", TEXT) == 1
    assert share_found("Rosalind Achterberg sold 400 wolves.", TEXT) == 0


def test_every_story_is_told_in_every_way() -> None:
    model = load_model("starter", device="cpu")
    figures = measure(model, [STORY, STORY])
    assert all(len(told) == len(found) == 2 and told[0] == told[1] for told, found in figures.values())
    assert share_found(quoted(model, TEXT), TEXT) == 1

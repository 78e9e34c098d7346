"""The measuring of summaries measures: what is quoted is found, and what is asked about counts."""

from gistdesk.core.load import load_model
from tests.benchmarks.summaries import measure, share_found, share_told
from trainer.benchmark.texts import QuestionedText, TextQuestion

TEXT = "The miller sold his grey horse to the baker of the town. " + "Nobody in the long street ever spoke of it. " * 3
STORY = QuestionedText("mill", (TEXT,), (TextQuestion("Who bought the horse?", ("the baker",), ()),))


def test_an_answers_words_are_looked_for() -> None:
    assert share_told("A baker bought it.", STORY) == 1
    assert share_told("Nobody bought the horse.", STORY) == 0


def test_a_quotation_is_found_and_an_invention_is_not() -> None:
    assert share_found("The miller sold his grey horse to the baker of the town.", TEXT) == 1
    assert share_found("Rosalind Achterberg sold 400 wolves.", TEXT) == 0


def test_every_way_is_as_long() -> None:
    figures = measure(load_model("starter", device="cpu"), [STORY])
    assert figures["quoted"][1] == [1.0] and all(len(told) == 1 for told, _ in figures.values())

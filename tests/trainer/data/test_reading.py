"""What a reader learns from: the answer stands in what was looked up, word for word, or the text does not say it."""

from pathlib import Path
from random import Random

import pytest

from gistdesk.core.lexical import sentences
from gistdesk.core.model import GistModel
from gistdesk.core.passages import NOT_SAID
from tests.trainer.data.test_stories import story, write
from trainer.benchmark.metrics import declines
from trainer.data.reading import Reading, Readings
from trainer.data.reports import draw_report


@pytest.fixture
def readings(starter: GistModel, tmp_path: Path) -> Readings:
    file = write(tmp_path / "train.jsonl.gz", *(story(i) for i in range(40)))
    return Readings(starter, file, held_out_share=0.2)


def plain(text: str) -> str:
    return " ".join(text.split())


def told(reading: Reading) -> str:
    assert reading.turn.answer is not None
    return reading.turn.answer


def test_the_answer_is_a_sentence_of_what_was_looked_up(readings: Readings) -> None:
    drawn = readings.draw(Random(1), 120)
    assert {reading.part for reading in drawn} == {"reports", "stories", "absent"}
    for reading in drawn:
        if reading.part != "absent":
            assert told(reading) in plain(reading.text)
    longer = [reading for reading in drawn if len(sentences(reading.text)) > 1]
    assert len(longer) > 80, "there is something to choose from"


def test_what_is_absent_is_declined_and_its_sentence_is_gone(readings: Readings) -> None:
    absent = [reading for reading in readings.draw(Random(2), 200) if reading.part == "absent"]
    assert 10 < len(absent) < 80
    assert {told(reading) for reading in absent} == {NOT_SAID}
    assert declines(NOT_SAID), "the benchmark counts it as saying so"


def test_same_seed_same_readings(readings: Readings) -> None:
    assert readings.draw(Random(3), 30) == readings.draw(Random(3), 30) != readings.draw(Random(4), 30)


def test_held_out_stories_are_never_trained_on(readings: Readings) -> None:
    def tales(held_out: bool) -> set[str]:
        drawn = readings.draw(Random(5), 150, held_out=held_out)
        return {word for r in drawn if r.part == "stories" for word in told(r).split() if "-" in word}

    trained, measured = ({name.split("-")[0] for name in tales(held_out)} for held_out in (False, True))
    assert trained and measured and not trained & measured


def test_reports_of_evaluation_have_wordings_of_their_own(readings: Readings) -> None:
    """Questions of held-out readings are drawn from the wordings that training never has."""
    asked = {r.turn.question for r in readings.draw(Random(6), 150, held_out=True) if r.part == "reports"}
    trained = set()
    for seed in range(300):
        trained |= {q for q, _ in draw_report(Random(seed), n_characters=1000, n_facts=8).asked}
    assert asked and not asked & trained

"""The reports can be asked about, and every measure runs on the starter."""

import gzip
import json
from pathlib import Path

import pytest

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from tests.benchmarks import ways


@pytest.fixture(scope="module")
def model() -> GistModel:
    return load_model("starter", device="cpu")


def test_every_answer_stands_in_its_report_and_in_no_question() -> None:
    found = list(ways.reports())
    assert len(found) == 6
    for text, questions in found:
        assert len(questions) == 8
        for question, answers in questions:
            assert any(answer in text.lower() for answer in answers)
            assert not any(answer in question.lower() for answer in answers)


def test_what_is_kept_of_a_story(model: GistModel, tmp_path: Path) -> None:
    story = {"sections": ["The miller counted his sacks twice and went home. " * 200]}
    with gzip.open(tmp_path / "train.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write(json.dumps(story) + "\n")
    (ids,) = ways.stories(tmp_path / "train.jsonl.gz", 3, model)
    full, matched, none = (ways.divergence(model, ids, method, 1.0) for method in ("full", "matched", "none"))
    assert full == 0
    assert 0 <= matched < none

"""The measuring of passages measures: what stands in a text is found in its passages."""

import re

import pytest

from gistdesk.core.lexical import Words
from gistdesk.core.load import load_model
from gistdesk.core.ranking import Bm25
from tests.benchmarks import passages
from trainer.benchmark.metrics import is_contained


def test_the_tuning_documents_answer_their_questions() -> None:
    texts = list(passages.documents())
    assert sum(len(asked) for _, asked in texts) == 30
    assert all(any(is_contained(text, one) for one in answers) for text, asked in texts for _, answers in asked)


def test_words_find_at_least_what_bm25_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "SIZES", ((96, 32),))
    model = load_model("starter", device="cpu")
    passages.recall(model, list(passages.documents()), {"bm25": Bm25, "words": Words})
    lines = capsys.readouterr().out.splitlines()
    bm25, words = ([int(share) for share in re.findall(r"(\d+)%", line)] for line in lines)
    assert words[1] >= bm25[1] and words[2] >= 90

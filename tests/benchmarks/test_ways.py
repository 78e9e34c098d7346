"""The reports can be asked about, and every measure runs on the starter."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from tests.benchmarks import ways
from tests.benchmarks.report_questions import is_named, reports


@pytest.fixture(scope="module")
def model() -> GistModel:
    return load_model("starter", device="cpu")


def test_every_answer_stands_in_its_report_and_in_no_question() -> None:
    found = reports()
    assert len(found) == 6
    for text, questions in found:
        assert len(questions) == 8
        for question, answers in questions:
            assert is_named(text, answers)
            assert not is_named(question, answers)


@pytest.mark.release
def test_what_is_kept_of_a_story(model: GistModel, tmp_path: Path) -> None:
    story = {"sections": ["The miller counted his sacks twice and went home. " * 200]}
    with gzip.open(tmp_path / "train.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write(json.dumps(story) + "\n")
    (ids,) = ways.stories(tmp_path / "train.jsonl.gz", 3, model)
    full, matched, none = (ways.divergence(model, ids, method, 1.0) for method in ("full", "matched", "none"))
    assert full == 0
    assert 0 <= matched < none


@pytest.mark.release
def test_the_first_token_is_timed(model: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "_N_TIMED", 1)
    found = ways.first_tokens(model, 8.0)
    assert list(found) == ["no bias", "a bias of zero", "matched", "full text"]
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.release
def test_every_way_is_asked_as_its_file_gives_it_back(model: GistModel) -> None:
    ids = torch.tensor(model.token_ids("The miller counted his sacks twice and went home. " * 8))
    (selected, n_bytes), (fitted, _) = (ways.made(model, ids, method, 4.0) for method in ("selected", "matched"))
    (in_8_bits, n_fewer) = ways.made(model, ids, "selected", 4.0, 8)
    assert selected.bias is not None
    assert fitted.bias is not None
    assert not selected.bias[selected.bias.isfinite()].any()
    assert fitted.bias[fitted.bias.isfinite()].any()
    assert torch.equal(selected.kv[:, 0], fitted.kv[:, 0])
    assert n_fewer < 0.7 * n_bytes
    assert torch.allclose(in_8_bits.kv.float(), selected.kv.float(), atol=0.05 * float(selected.kv.abs().max()))

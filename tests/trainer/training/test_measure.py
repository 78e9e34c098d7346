"""An adapter is measured on documents of evaluation, the same ones at every ratio, each question by itself."""

from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from tests.trainer.data.test_stories import story, write
from trainer.training.base import load_base
from trainer.training.measure import _units, measure_adapter


def test_the_same_questions_are_asked_at_every_ratio(starter: GistModel) -> None:
    at = [list(_units(starter, ratio, 7, 300, None, 1)) for ratio in (32.0, 128.0)]
    assert [u.turns for u in at[0]] == [u.turns for u in at[1]]
    assert [u.text(0).tolist() for u in at[0]] == [u.text(0).tolist() for u in at[1]]
    assert sum(len(u.turns) for u in at[0]) == 7
    assert all(len(turns) == 1 for u in at[0] for turns in u.turns)
    assert sum(sum(u.n_slots) for u in at[0]) > 2 * sum(sum(u.n_slots) for u in at[1])


def test_rows_have_every_condition_and_what_needs_no_gist_is_the_same_in_all(
    starter: GistModel, tmp_path: Path
) -> None:
    path = write(tmp_path / "val.jsonl.gz", *(story(i) for i in range(4)))
    rows = list(measure_adapter(starter, [32.0, 128.0], n=4, document_tokens=200, stories=path))
    assert [row["ratio"] for row in rows] == [32.0, 128.0]
    assert all(row["n"] == 4 and row["part"] == "fairytaleqa" for row in rows)
    for condition in ("none", "full"):
        assert rows[0][f"{condition} loss"] == rows[1][f"{condition} loss"]
    assert rows[0]["gist loss"] != rows[1]["gist loss"]
    assert rows[0]["kept_ratio"] < rows[1]["kept_ratio"]


def test_a_model_without_an_adapter_cannot_be_measured() -> None:
    base = load_base("starter", device="cpu", precision="fp32")
    with pytest.raises(UserError, match="no gist adapter"):
        next(measure_adapter(base, [32.0], n=1, document_tokens=100))

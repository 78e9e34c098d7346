"""The reports can be asked about, and every measure runs on the starter."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from tests.benchmarks import ways
from tests.benchmarks.report_questions import drawn_reports, is_named, is_surely_named, reports
from tests.benchmarks.way_items import AskedText, answered_texts, continued_texts, passkey_texts
from tests.benchmarks.way_rows import ANSWER_LOSS, REPORTS, Row, RowFile, read_rows, table
from tests.benchmarks.ways import Looked, Way, measure


@pytest.fixture(scope="module")
def model() -> GistModel:
    return load_model("starter", device="cpu")


def test_every_answer_stands_in_its_report_and_in_no_question() -> None:
    found = reports()
    assert (len(found), sum(len(questions) for _, questions in found)) == (10, 97)
    for text, questions in found:
        for question, answers in questions:
            assert is_named(text, answers)
            assert not is_named(question, answers)


def test_drawn_reports_are_the_same_each_time_and_all_answered() -> None:
    found = drawn_reports(30)
    assert (len(found), sum(len(questions) for _, questions in found)) == (30, 240)
    assert found[:5] == drawn_reports(5)
    for text, questions in found:
        assert len({question for question, _ in questions}) == len(questions)
        assert all(is_named(text, answers) for _, answers in questions)


def test_an_answer_is_whole_words_and_numbers() -> None:
    for said in ("It was 1,240 pounds.", "(£1240)", "1240, I think", "Miss Oakley's"):
        assert is_named(said, ["1,240", "oakley"])
    for said in ("21,240", "1,240.5", "11240", "Oakleys"):
        assert not is_named(said, ["1,240", "oakley"])
    assert is_named("22", ["22"])
    assert not is_surely_named("Number 22", ["22"])
    assert is_surely_named("Number 22 is", ["22"])


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    """One that is long enough to be gone on with, and two short ones with questions."""
    path = tmp_path / "val.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for who, n_times in (("miller", 200), ("baker", 12), ("queen", 12)):
            asked = [
                {"question": f"Who counted the sacks {n} times?", "answers": [f"the {who}"], "sections": [0]}
                for n in range(3)
            ]
            text = f"The {who} counted the sacks twice and went home. " * n_times
            lines.write(json.dumps({"story": who, "sections": [text], "questions": asked}) + "\n")
    return path


def measured(model: GistModel, texts: list[AskedText], asked: list[Way], path: Path) -> list[Row]:
    out = RowFile(path)
    for _ in measure(model, texts, asked, out):
        pass
    return out.rows


@pytest.mark.release
def test_what_is_kept_of_a_story(model: GistModel, stories: Path, tmp_path: Path) -> None:
    texts = continued_texts(model, stories)
    assert [text.name for text in texts] == ["begin of miller"]
    rows = measured(model, texts, [Way("full"), Way("matched", 8.0), Way("none")], tmp_path / "rows.jsonl")
    full, matched, none = (row.value for row in rows)
    assert full == 0
    assert 0 < matched < none


@pytest.mark.release
def test_a_run_goes_on_where_it_stopped_and_tells_the_same(model: GistModel, stories: Path, tmp_path: Path) -> None:
    texts = answered_texts(model, stories)[1:]
    asked = [Way(name, ratio, wrong) for name, ratio in (("full", 1.0), ("adapter", 16.0)) for wrong in (False, True)]
    asked.append(Way("none"))
    whole = measured(model, texts, asked, tmp_path / "whole.jsonl")
    of = {(row.item, row.way): row.value for row in whole if row.measure == ANSWER_LOSS}
    assert all(of[item, "wrong full text"] != of[item, "full text"] for item, _ in of)
    assert len(whole) == 2 * 3 * len(asked) * 2 == len({(row.measure, row.item, row.way) for row in whole})
    for n_done in (1, 5, 11):
        path = tmp_path / f"{n_done}.jsonl"
        path.write_text("".join((tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)[:n_done]))
        assert measured(model, texts, asked, path) == whole
        assert measured(model, texts, asked, path) == whole


@pytest.mark.release
def test_passages_come_alone_or_after_a_gist(model: GistModel, stories: Path, tmp_path: Path) -> None:
    texts = answered_texts(model, stories)[1:]
    asked = [Way("passages"), Way("hybrid", 8.0), Way("matched", 8.0), Way("none")]
    rows = measured(model, texts[:1], asked, tmp_path / "rows.jsonl")
    assert list(dict.fromkeys(row.way for row in rows)) == ["passages", "hybrid", "matched", "nothing"]
    of = {row.way: row.value for row in rows if row.measure == ANSWER_LOSS and "0 times" in row.item}
    assert len(set(of.values())) == 4
    lines = table(rows).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        ["| nothing", ""],
        ["| passages", ""],
        ["| hybrid", "8x"],
        ["| matched", "8x"],
    ]


@pytest.mark.release
def test_passkeys_are_those_of_niah(model: GistModel, tmp_path: Path) -> None:
    texts = passkey_texts(model)
    assert len({text.name for text in texts}) == len(texts) == 20
    assert {text.name.split(":")[3] for text in texts[:5]} == {"0", "25", "50", "75", "100"}
    asked = [Way("adapter", 64.0), Way("adapter", 64.0, is_wrong=True)]
    own, wrong = (
        measured(model, texts[:1], [asked[0]], tmp_path / "a"),
        measured(model, texts[:2], asked, tmp_path / "b"),
    )
    assert own[0].value == 1.0
    assert sum(row.value for row in wrong if row.way == "wrong adapter") == 0


def test_the_table_of_several_files(tmp_path: Path) -> None:
    for number, (way, ratio, values) in enumerate(
        (("full text", 1, (1.0, 2.0)), ("nothing", 1, (3.0, 4.0)), ("matched", 8, (2.0, 3.0)), ("matched", 16, (2.0,)))
    ):
        out = RowFile(tmp_path / f"{number}.jsonl")
        for item, value in enumerate(values):
            assert out.lacks(ANSWER_LOSS, str(item), way, ratio)
            out.add(Row(ANSWER_LOSS, str(item), way, ratio, value))
            assert not out.lacks(ANSWER_LOSS, str(item), way, ratio)
        out.add(Row(REPORTS, "1", way, ratio, 1.0))
    lines = table(read_rows(sorted(tmp_path.iterdir()))).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        ["| full text", ""],
        ["| nothing", ""],
        ["| matched", "8x"],
        ["| matched", "16x"],
    ]
    assert "100% (21-100), n = 1" in lines[4]
    assert "2.50: 50% ± 0, n = 2" in lines[4]
    assert "2.00: 50% ± 0, n = 1" in lines[5]  # of what the full text gives for the same item


@pytest.mark.release
def test_the_first_token_is_timed(model: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "_N_TIMED", 1)
    found = ways.first_tokens(model, 8.0)
    assert list(found) == ["no bias", "a bias of zero", "matched", "full text"]
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.release
def test_every_way_is_asked_as_its_file_gives_it_back(model: GistModel) -> None:
    ids, looked = torch.tensor(model.token_ids("The miller counted his sacks twice and went home. " * 8)), Looked()
    (selected, n_bytes), (fitted, _) = (
        ways.made(model, ids, Way(method, 4.0), looked) for method in ("selected", "matched")
    )
    (in_8_bits, n_fewer) = ways.made(model, ids, Way("selected", 4.0), looked, 8)
    assert selected.bias is not None
    assert fitted.bias is not None
    assert not selected.bias[selected.bias.isfinite()].any()
    assert fitted.bias[fitted.bias.isfinite()].any()
    assert torch.equal(selected.kv[:, 0], fitted.kv[:, 0])
    assert n_fewer < 0.7 * n_bytes
    assert torch.allclose(in_8_bits.kv.float(), selected.kv.float(), atol=0.05 * float(selected.kv.abs().max()))

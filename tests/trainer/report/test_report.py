"""Trials become cells, a table, a CSV and a picture; a folder that cannot be written to is found out at once."""

import csv
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import colormaps, image

from gistdesk.benchmark_names import BY_PASSAGES
from gistdesk.core import ranking
from gistdesk.core.errors import UserError
from gistdesk.core.interval import wilson
from gistdesk.core.model import GistModel
from gistdesk.core.ranking import ranker_of
from trainer.benchmark.config import METHODS, BenchConfig
from trainer.benchmark.evaluate import Trial
from trainer.benchmark.figures import break_even, by_length, cells, overall, table
from trainer.report.folder import measure
from trainer.report.page import cautions
from trainer.report.pictures import curves, heatmap

TRIAL = Trial(
    method="gist",
    language="en",
    needle_kind="passkey",
    context_tokens=512,
    depth_percent=50,
    correct=True,
    expected="71432",
    answer="71432",
    prompt_tail="What is the passkey?",
    ratio=102.4,
    kv_bytes=3000,
    ttft_s=0.01,
    peak_memory_bytes=500,
    sample="passkey:en:512:50:0",
    ratio_asked=100.0,
    document_bytes=1800,
    document_kv_bytes=200_000,
    kept_bytes=2000,
    prepare_s=0.5,
    tokens_per_second=80.0,
)
CONFIG = BenchConfig(
    lengths=(128,),
    depths=(0, 100),
    samples=1,
    languages=("en",),
    methods=("gist", "none"),
    haystack="The harbour was quiet. A grey cat slept on the wall. Had the boat come back? " * 20,
    needle="The gate opens with {value}.",
    question="What opens the gate?",
    ratio=16,
)


def test_a_cell_counts_its_trials() -> None:
    trials = [
        replace(TRIAL, ttft_s=0.03),
        replace(TRIAL, correct=False, ratio=100.0, kv_bytes=5000, ttft_s=0.02, peak_memory_bytes=900),
        replace(TRIAL, ttft_s=9.0),
        replace(TRIAL, depth_percent=75),
    ]
    first, second = cells(trials)
    assert first == {
        "method": "gist",
        "language": "en",
        "needle_kind": "passkey",
        "context_tokens": 512,
        "depth_percent": 50,
        "n": 3,
        "correct": 2,
        "accuracy": 0.6667,
        "wilson_low": 0.2077,
        "wilson_high": 0.9385,
        "ratio": 101.6,
        "kv_bytes": 3667,
        "peak_memory_bytes": 900,
        "ttft_s": 0.03,  # the median: one slow trial does not count
        "ratio_asked": 100.0,
        "ratio_bytes": 100.0,
        "kept_bytes": 2000,
        "document_bytes": 1800,
        "prepare_s": 0.5,
        "tokens_per_second": 80.0,
        "exact": None,
        "contained": None,
        "f1": None,
        "rouge_l": None,
        "answer_loss": None,
        "break_even_questions": None,
    }
    assert (second["depth_percent"], second["n"], second["accuracy"]) == (75, 1, 1.0)


@pytest.mark.parametrize(
    "change",
    [{"method": "full"}, {"language": "ko"}, {"needle_kind": "fact"}, {"context_tokens": 64}, {"depth_percent": 0}],
)
def test_what_differs_is_not_put_into_one_cell(change: dict[str, Any]) -> None:
    assert [cell["n"] for cell in cells([TRIAL, replace(TRIAL, **change), TRIAL])] == [2, 1]


def test_no_ratio_where_there_is_no_gist() -> None:
    [cell] = cells([replace(TRIAL, method="full", ratio=None)])
    assert cell["ratio"] is None


def test_ratios_asked_for_are_cells_of_their_own() -> None:
    assert [cell["ratio_asked"] for cell in cells([TRIAL, replace(TRIAL, ratio_asked=32.0), TRIAL])] == [100, 32]


def test_scores_are_averaged_and_their_interval_is_no_narrower_than_it_must_be() -> None:
    scores = (1.0, 0.5, 0.25, 0.25)
    [cell] = cells([replace(TRIAL, correct=score == 1, score=score) for score in scores])
    assert (cell["correct"], cell["accuracy"], cell["n"]) == (2.0, 0.5, 4)
    assert (cell["wilson_low"], cell["wilson_high"]) == pytest.approx(wilson(2, 4), abs=1e-4)


def test_records_of_files_are_put_together_by_length() -> None:
    lengths = (10, 257, 512, 513, 1000)
    trials = [replace(TRIAL, depth_percent=None, context_tokens=length) for length in lengths]
    assert [(cell["context_tokens"], cell["n"]) for cell in cells(trials)] == [(256, 1), (512, 2), (1024, 2)]
    assert [row["context_tokens"] for row in by_length([TRIAL, replace(TRIAL, depth_percent=0)])] == [512]
    [row] = overall([TRIAL, replace(TRIAL, context_tokens=64, correct=False)])
    assert (row["n"], row["accuracy"]) == (2, 0.5)


@pytest.mark.parametrize(
    ("prepare_s", "ttft_s", "full_ttft_s", "questions"),
    [
        (1.0, 0.01, 0.11, 10),  # 0.1 s saved by each question
        (1.0, 0.01, 0.12, 10),  # 9.09 questions are ten
        (0.05, 0.01, 0.11, 1),
        (1.0, 0.2, 0.2, None),
        (1.0, 0.3, 0.2, None),
    ],
)
def test_questions_until_compressing_has_paid(
    prepare_s: float, ttft_s: float, full_ttft_s: float, questions: int | None
) -> None:
    assert break_even(prepare_s, ttft_s, full_ttft_s) == questions
    gist = replace(TRIAL, prepare_s=prepare_s, ttft_s=ttft_s)
    full = replace(TRIAL, method="full", ratio_asked=None, ttft_s=full_ttft_s)
    first, second = cells([gist, full])
    assert (first["break_even_questions"], second["break_even_questions"]) == (questions, None)
    assert by_length([gist, full])[0]["break_even_questions"] == questions
    [other, _] = cells([gist, replace(full, context_tokens=1024)])
    assert other["break_even_questions"] is None  # nothing to compare with


def test_the_table_takes_depths_together() -> None:
    trials = [
        *[replace(TRIAL, depth_percent=depth) for depth in (0, 50, 100)],
        replace(TRIAL, depth_percent=100, correct=False),
        *[replace(TRIAL, context_tokens=2048, correct=False)] * 4,
        *[replace(TRIAL, method="none", ratio=None, correct=False, context_tokens=length) for length in (512, 2048)],
    ]
    assert table(cells(trials)).split("\n") == [
        "| method | language | needle | ratio | 512 tokens | 2,048 tokens | all (95%) |",
        "|---|---|---|---|---|---|---|",
        "| gist | en | passkey | 102x | 75% | 0% | 37.5% of 8 (14-69%) |",
        "| none | en | passkey | - | 0% | 0% | 0.0% of 2 (0-66%) |",
    ]


def test_the_heatmap_shows_right_and_wrong_in_different_colours() -> None:
    trials = [
        replace(TRIAL, method=method, depth_percent=depth, context_tokens=length, correct=method == "gist")
        for method in ("gist", "none")
        for depth in (0, 50, 100)
        for length in (512, 2048)
    ]
    pixels = image.imread(io.BytesIO(heatmap(cells(trials))), format="png")
    height, width = pixels.shape[:2]
    assert 200 < height < 1500
    assert 300 < width < 3000
    for share in (0.0, 1.0):
        colour = np.array(colormaps["cividis"](share)[:3])
        area = int((abs(pixels[..., :3] - colour) < 0.01).all(axis=2).sum())
        assert area > 0.02 * height * width  # a grid of 3 x 2 cells; the legend alone is far less


def test_one_trial_makes_a_heatmap() -> None:
    assert heatmap(cells([TRIAL])).startswith(b"\x89PNG\r\n\x1a\n")
    assert curves(by_length([TRIAL])).startswith(b"\x89PNG\r\n\x1a\n")


def test_the_same_figures_give_the_same_pictures() -> None:
    trials = [replace(TRIAL, method=method, context_tokens=n) for method in METHODS[:4] for n in (512, 2048)]
    for draw, rows in ((heatmap, cells(trials)), (curves, by_length(trials))):
        assert draw(rows) == draw(rows)
        drawn = draw(rows, "svg")
        assert drawn == draw(rows, "svg")
        root = ElementTree.fromstring(drawn.decode())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        text = " ".join(root.itertext())
        assert all(method in text for method in METHODS[:4])


def passages_caution(method: str) -> str:
    """What the page says about how passages were found; "" if nothing."""
    trials = [replace(TRIAL, method=method)]
    results = {"config": asdict(CONFIG), "by_length": by_length(trials), "device": "cpu"}
    told = cautions(lambda text, **values: text.format(**values), results, trials)
    return next((text for text in told if "“auto”" in text), "")


@pytest.mark.parametrize(
    ("installed", "text", "told"),
    [
        (True, "The harbour was quiet.", "“auto” is {name} together"),
        (True, "항구는 조용했습니다.", "{name} alone otherwise"),
        (False, "The harbour was quiet.", "{name} alone otherwise"),
    ],
)
def test_the_page_says_what_auto_ranks_by(
    monkeypatch: pytest.MonkeyPatch, installed: bool, text: str, told: str
) -> None:
    monkeypatch.setattr(ranking, "embeddings_installed", lambda: installed)
    assert told.format(name=ranker_of([text]).name) in passages_caution("rag")


def test_the_page_says_how_passages_were_found_for_every_method_that_looks_them_up() -> None:
    assert {method for method in METHODS if passages_caution(method)} == set(BY_PASSAGES)


def test_measure_writes_what_it_returns(starter: GistModel, tmp_path: Path) -> None:
    *steps, results = measure(starter, CONFIG, tmp_path / "new" / "folder")
    assert [(step["done"], step["total"]) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("curves.png", "curves.svg", "heatmap.png", "heatmap.svg", "report.html"),
        *("results.csv", "results.json", "run.json", "samples.jsonl"),
    ]
    assert [step["trial"]["method"] for step in steps] == ["gist", "none"] * 2
    assert steps[-1]["eta_s"] == 0
    assert json.loads((folder / "results.json").read_text("utf-8")) == json.loads(json.dumps(results))
    rows = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text("utf-8"))))
    assert [row["method"] for row in rows] == [cell["method"] for cell in results["cells"]]
    assert [list(row) for row in rows] == [list(cell) for cell in results["cells"]]
    assert results["config"]["needle"] == CONFIG.needle
    assert results["config"]["haystack"] == "own"  # not a book in the middle of the results


def test_a_folder_that_is_a_file_is_refused_before_anything_is_measured(starter: GistModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="file cannot be created or written to"):
        next(measure(starter, CONFIG, tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "x"


def test_results_of_an_earlier_run_stay_until_new_ones_are_there(starter: GistModel, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("old")
    steps = measure(starter, CONFIG, tmp_path)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert (tmp_path / "results.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "run.json", "samples.jsonl"]

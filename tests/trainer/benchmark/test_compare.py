"""Runs side by side, and a report page that needs nothing from anywhere. Plumbing: any starter will do."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gistdesk.benchmark_names import KINDS
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.language.catalogs import VARIABLE
from trainer.benchmark.compare import comparison, named
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.figures import by_length, overall
from trainer.benchmark.run_folder import read_run, read_trials
from trainer.report.folder import measure, read_results, write_report
from trainer.report.main_table import main_table
from trainer.report.page import page

CONFIG = BenchConfig(
    lengths=(128,),
    depths=(0, 100),
    samples=1,
    languages=("en",),
    methods=("gist", "full", "none", "rag", "hybrid"),
    kinds=("passkey", "absent", "ruler-multivalue"),
    ratio=(16.0, 8.0),
    rank_by="bm25",
    chunk_tokens=32,
    overlap_tokens=4,
)


@pytest.fixture(scope="module")
def two(starter: GistModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = tmp_path_factory.mktemp("a") / "run", tmp_path_factory.mktemp("b") / "run"
    for folder, config in zip(folders, (CONFIG, replace(CONFIG, seed=2, kinds=("passkey",))), strict=True):
        *_, _ = measure(starter, config, folder)
    return folders


class Parsed(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_the_page_needs_nothing_from_anywhere(two: tuple[Path, Path]) -> None:
    source = (two[0] / "report.html").read_text("utf-8")
    parsed = Parsed()
    parsed.feed(source)
    assert {"script", "link", "iframe", "object"}.isdisjoint(parsed.tags)
    assert len(parsed.links) == 2
    assert all(link.startswith("data:image/svg+xml;base64,") for link in parsed.links)
    assert not re.search(r"https?://|url\(", source)


def test_the_page_tells_all_that_belongs_to_a_figure(two: tuple[Path, Path]) -> None:
    parsed = Parsed()
    parsed.feed((two[0] / "report.html").read_text("utf-8"))
    for told in ("seed", "cpu", "torch", "transformers", "model fingerprint".split()[0], "chunk tokens", "threads"):
        assert told in parsed.text
    for caution in ("intervals overlap", "words than people", "leaderboard", "made up", "whole process"):
        assert caution in parsed.text
    for method in CONFIG.methods:
        assert method in parsed.text
    assert "0.00 MiB" not in parsed.text and " KiB" in parsed.text  # documents of 128 tokens
    assert parsed.text.count("before the question") == min(120, len(read_results(two[0])["samples"]))


def test_a_window_gets_the_page_in_its_language(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = list(read_trials(two[1] / "samples.jsonl"))
    description = read_run(two[1])
    assert description is not None
    for asked, language in (("ko", "ko"), ("xx", "en"), ("", "en")):
        monkeypatch.setenv(VARIABLE, asked)
        write_report(tmp_path, description, trials)
        assert f'<html lang="{language}">' in (tmp_path / "report.html").read_text("utf-8")
        assert ("문서 토큰" in (tmp_path / "curves.svg").read_text("utf-8")) == (language == "ko")


def test_all_that_the_page_says_is_in_its_language(two: tuple[Path, Path]) -> None:
    trials = list(read_trials(two[0] / "samples.jsonl"))
    trials = [replace(trial, needle_kind=kind) for trial, kind in zip(trials, (*KINDS, "passkey"), strict=False)]
    trials[0] = replace(trials[0], depth_percent=None, score=0.5, answer_loss=1.0, correct=False)
    figures = {**read_results(two[0]), "by_length": by_length(trials), "methods": overall(trials)}
    for language, words in (("ko", "[가-힣]"), ("en", "[A-Za-z]")):
        source = page(figures, trials, {}, language)
        told = re.findall(r"<(?:h2|li|p|summary|div)>([^<]+)<", source)
        told += [head for head in re.findall(r"<th[^>]*>([^<]+)<", source) if not re.fullmatch(r"[\d,]+", head)]
        assert len(told) > 100
        assert {text for text in told if not re.search(words, text)} <= {"n", "F1", "ROUGE-L"}


def test_what_a_sample_holds_cannot_spoil_the_page(starter: GistModel, tmp_path: Path) -> None:
    config = replace(
        CONFIG,
        kinds=("passkey",),
        methods=("none", "rag"),
        haystack="Say <script>alert(1)</script> & go on. It was quiet then. " * 60,
        needle='The "gate" <b>opens</b> with {value}.',
        question="What <i>opens</i> the gate?",
    )
    *_, _ = measure(starter, config, tmp_path)
    parsed = Parsed()
    parsed.feed((tmp_path / "report.html").read_text("utf-8"))
    assert {"script", "b", "i"}.isdisjoint(parsed.tags)
    assert "What <i>opens</i> the gate?" in parsed.text


def test_runs_are_compared_line_by_line(two: tuple[Path, Path]) -> None:
    results = named(two, [read_results(folder) for folder in two])
    assert list(results) == [str(folder) for folder in two]  # both are called run
    text = comparison(results)
    lines = text.splitlines()
    assert any(line.startswith("| config seed | 1 | 2 |") for line in lines)
    assert not any(line.startswith("| config lengths") for line in lines)
    gist = next(line for line in lines if line.startswith("| passkey | en | gist 16x | 128 |"))
    assert len(re.findall(r"\d+\.\d% of 2 \(\d+-\d+%\)", gist)) == 2
    absent = next(line for line in lines if line.startswith("| absent | en | gist 16x | 128 |"))
    assert absent.endswith(" | - |")


def test_figures_that_are_apart_are_marked() -> None:
    def run(accuracy: float, low: float, high: float) -> dict[str, Any]:
        row = {
            "needle_kind": "passkey",
            "language": "en",
            "method": "gist",
            "ratio_asked": 100.0,
            "context_tokens": 512,
            "accuracy": accuracy,
            "wilson_low": low,
            "wilson_high": high,
            "n": 50,
            "ttft_s": 0.01,
            "kept_bytes": 2**20,
            "break_even_questions": 3,
        }
        return {"config": {"seed": 1}, "by_length": [row]}

    text = comparison({"a": run(0.9, 0.8, 0.95), "b": run(0.5, 0.4, 0.6), "c": run(0.85, 0.75, 0.92)})
    [line] = [line for line in text.splitlines() if line.startswith("| passkey") and "% of" in line]
    cells = line.strip("| ").split(" | ")
    assert [cell.endswith("*") for cell in cells[4:]] == [False, True, False]
    [costs] = [line for line in text.splitlines() if line.startswith("| passkey") and "MiB" in line]
    assert "10.0 ms, 1.00 MiB, 3" in costs


def test_the_main_table_tells_lengths_apart_where_a_method_changes_with_them() -> None:
    def row(method: str, n_tokens: int, correct: int) -> dict[str, Any]:
        figures = {"ratio": None, "kept_bytes": 9, "document_bytes": 3, "ttft_s": 1.0, "tokens_per_second": 1.0}
        where = {"method": method, "language": "en", "context_tokens": n_tokens, "break_even_questions": None}
        return {**figures, **where, "n": 40, "correct": correct}

    rows = [row("full", 512, 39), row("full", 8192, 38), row("rag-budget", 512, 0), row("rag-budget", 8192, 40)]
    text = main_table({"by_length": rows, "dtype": "bfloat16"})
    assert "| 0% of 40 at 512, 100% of 40 at 8,192 |" in text
    assert "| 96.2% of 80 (" in text


def test_the_main_table_stands_beside_the_prototype(two: tuple[Path, Path]) -> None:
    lines = [line.strip("| ").split(" | ") for line in main_table(read_results(two[1])).splitlines()]
    rows = [line for line in lines[2:-2] if len(line) == 10]
    assert {row[0] for row in rows} == {*CONFIG.methods, "the earlier prototype", "what it was to reach"}
    assert [row[1] for row in rows if row[0] == "gist"] == ["16x", "8x"]
    [full] = [row for row in rows if row[0] == "full"]
    assert (full[4], full[5], full[7], full[8]) == ("100.0%", "25.0% / 12.5%", "1.0x", "100%")  # of 32 bits
    gist = next(row for row in rows if row[0] == "gist")
    assert gist[3] == "-"  # no Korean in this run
    assert gist[4] == "6.2%"
    eighth, fourth = (float(share.strip(" %")) for share in gist[5].split("/"))
    assert eighth == pytest.approx(2 * fourth, abs=0.1) and eighth == pytest.approx(6.2 / 4, abs=0.1)
    assert float(gist[6].rstrip("x")) == pytest.approx(float(full[6].rstrip("x").replace(",", "")) / 16, rel=0.05)
    assert [row[1:3] for row in rows if row[0] == "the earlier prototype"] == [["299x", "14%"], ["609x", "23%"]]
    results = read_results(two[1])
    results["by_length"] = [row for row in results["by_length"] if row["method"] != "full"]
    with pytest.raises(UserError, match="Full text was not measured"):
        main_table(results)

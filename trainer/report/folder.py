"""A benchmark run from its first trial to its report: one folder with everything measured.

`samples.jsonl` grows trial by trial; `results.json`, `results.csv`, pictures and `report.html` come at the end.
Runs nothing itself: trials come from `Benchmark`.
"""

import csv
import io
import json
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from gistdesk.core.model import GistModel
from gistdesk.language.catalogs import asked_language
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark, Trial
from trainer.benchmark.figures import KEY, Figures, by_length, cells, overall, recovered
from trainer.benchmark.run_folder import RESULTS, SAMPLES, RunFolder, check_folder, described, read_run, read_trials
from trainer.report.page import page
from trainer.report.pictures import FORMS, curves, heatmap

_OF_THE_FOLDER = ("started", "finished", "resumed", "n_trials")


def measure(model: GistModel, config: BenchConfig, folder: Path) -> Generator[dict[str, Any], None, None]:
    """Run the benchmark and write its folder; yields every trial, and finally the results alone.

    An interrupted run of the same configuration and model in that folder is resumed; a finished one is measured
    again. Close the generator, or kill the process, whenever you like: finished trials are in the folder.

    Yields:
        `done` and `total` trials, `eta_s` (seconds left, None before the first measured one), `is_new`
        (False for trials of an earlier start), `trial` (as in samples.jsonl), one by one; then what is in results.json.

    Raises:
        UserError: the folder cannot be written, or the configuration asks for what cannot be had.
    """
    check_folder(folder)
    benchmark = Benchmark(model, config)
    run = RunFolder(folder, {**described(model, config), "n_trials": benchmark.n_trials})
    trials: list[Trial] = []
    left = Forecast(benchmark.costs)
    with run.appending() as add:
        for trial in benchmark.run(run.done):
            is_new = trial.key not in run.done
            if is_new:
                add(trial)
            trials.append(trial)
            yield {
                "done": len(trials),
                "total": benchmark.n_trials,
                "eta_s": left.after(len(trials), is_new=is_new),
                "is_new": is_new,
                "trial": asdict(trial),
            }
    results = write_report(folder, run.description, trials)
    run.finish(trials)
    yield results


class Forecast:
    """How long the rest of a run will take, by the pace so far. Costs may be in any unit."""

    def __init__(self, costs: Sequence[float]) -> None:
        self._costs = costs
        self._begun = time.perf_counter()
        self._measured = 0.0

    def after(self, n_done: int, *, is_new: bool) -> float | None:
        """Seconds left after `n_done` trials; `is_new` says whether the last one was just measured or found on disk."""
        if is_new:
            self._measured += self._costs[n_done - 1]
        if not self._measured:
            return None
        pace = (time.perf_counter() - self._begun) / self._measured
        return round(pace * sum(self._costs[n_done:]), 1)


def write_report(folder: Path, description: dict[str, Any], trials: Sequence[Trial]) -> Figures:
    """Write everything derived from a run's trials, finished or not; `results.json` last. Returns its contents.

    Pictures and page are in the language of the window that started this process, or else in English.

    Raises:
        UserError: there are no trials, or the folder cannot be written.
    """
    if not trials:
        raise UserError("No sample in {folder} has been measured yet.", "Resume the run first.", folder=folder)
    results = _results(description, trials)
    measured, lines = results["cells"], results["by_length"]
    pictures: dict[str, bytes] = {}
    language = asked_language()
    if any(cell["depth_percent"] is not None for cell in measured):
        pictures |= {f"heatmap.{form}": heatmap(measured, form, language) for form in FORMS}
    pictures |= {f"curves.{form}": curves(lines, form, language) for form in FORMS}
    for name, data in pictures.items():
        write_atomically(folder / name, data)
    write_atomically(folder / "report.html", page(results, trials, pictures, language).encode())
    write_atomically(folder / "results.csv", _csv(measured).encode())
    write_atomically(folder / RESULTS, json.dumps(results, ensure_ascii=False, indent=1).encode())
    return results


def _results(description: dict[str, Any], trials: Sequence[Trial]) -> Figures:
    methods = overall(trials)
    return {
        **{name: value for name, value in description.items() if name not in _OF_THE_FOLDER},
        "methods": methods,
        "recovered": recovered(methods),
        "by_length": by_length(trials),
        "cells": cells(trials),
        "samples": [_sample(trial) for trial in trials],
    }


def read_results(folder: Path) -> Figures:
    """The results of a run, as far as it got if it is unfinished. Writes nothing: it may be running.

    Raises:
        UserError: there is no run in the folder.
    """
    description = read_run(folder)
    if description is not None and not description.get("finished") and (folder / SAMPLES).is_file():
        if trials := list(read_trials(folder / SAMPLES)):
            return _results(description, trials)
        raise UserError("No sample in {folder} has been measured yet.", "Resume the run first.", folder=folder)
    try:
        found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        if not isinstance(found["cells"], list) or not isinstance(found["config"], dict):
            raise ValueError("not of a benchmark")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            "There is no benchmark run in {folder}.", "Give folders that gistdesk niah wrote.", folder=folder
        ) from error
    return {**found}


def _sample(trial: Trial) -> dict[str, Any]:
    return {
        **{name: getattr(trial, name) for name in KEY},
        "prompt_tail": trial.prompt_tail,
        "expected": trial.expected,
        "answer": trial.answer,
        "correct": trial.correct,
        "ratio_asked": trial.ratio_asked,
        "score": trial.points,
    }


def _csv(rows: Sequence[Figures]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

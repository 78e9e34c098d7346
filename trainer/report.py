"""Results of a benchmark as files and as a table: results.json, results.csv, heatmap.png.

Knows trials and cells; runs nothing itself.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from typing import Any

from gistdesk import __version__
from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from gistdesk.core.model import GistModel
from trainer.evaluate import NiahConfig, Trial, evaluate, wilson

_KEY = ("method", "language", "needle_kind", "context_tokens", "depth_percent")


def measure(model: GistModel, config: NiahConfig, folder: Path) -> Iterator[dict[str, Any]]:
    """Run the benchmark and write its files; yields `done` and `total` trials, and at last the results alone.

    Raises:
        UserError: the folder cannot be written, or the configuration asks for what cannot be had.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):  # hours later is too late to find out
            pass
    except OSError as error:
        raise UserError(
            f"The folder {folder} cannot be made or written to ({error.strerror}).", "Choose another one."
        ) from error
    trials: list[Trial] = []
    for trial in evaluate(model, config):
        trials.append(trial)
        yield {"done": len(trials), "total": config.n_trials}
    measured = cells(trials)
    results = {
        "config": {**asdict(config), "haystack": "own" if config.haystack else "bundled"},
        "model": asdict(model.identity),
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "version": __version__,
        "cells": measured,
        "samples": [_sample(trial) for trial in trials],
    }
    write_atomically(folder / "results.json", json.dumps(results, ensure_ascii=False, indent=1).encode())
    write_atomically(folder / "results.csv", _csv(measured).encode())
    write_atomically(folder / "heatmap.png", heatmap(measured))
    yield results


def cells(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """One entry for each method, language, kind, length and depth."""
    groups: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in trials:
        groups.setdefault(tuple(getattr(trial, name) for name in _KEY), []).append(trial)
    found = []
    for key, group in groups.items():
        n, correct = len(group), sum(trial.correct for trial in group)
        low, high = wilson(correct, n)
        ratios = [trial.ratio for trial in group if trial.ratio is not None]
        found.append(
            {
                **dict(zip(_KEY, key, strict=True)),
                "n": n,
                "correct": correct,
                "accuracy": round(correct / n, 4),
                "wilson_low": round(low, 4),
                "wilson_high": round(high, 4),
                "ratio": round(sum(ratios) / len(ratios), 2) if ratios else None,
                "kv_bytes": round(sum(trial.kv_bytes for trial in group) / n),
                "peak_memory_bytes": max(trial.peak_memory_bytes for trial in group),
                "ttft_s": round(median(trial.ttft_s for trial in group), 5),
            }
        )
    return found


def _sample(trial: Trial) -> dict[str, Any]:
    return {
        **{name: getattr(trial, name) for name in _KEY},
        "prompt_tail": trial.prompt_tail,
        "expected": trial.expected,
        "answer": trial.answer,
        "correct": trial.correct,
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Accuracy by method and length, depths taken together, as Markdown."""
    lengths = sorted({row["context_tokens"] for row in rows})
    lines = [
        "| method | language | needle | ratio | " + " | ".join(f"{n:,} tokens" for n in lengths) + " | all (95%) |",
        "|---|---|---|---|" + "---|" * (len(lengths) + 1),
    ]
    groups = dict.fromkeys((row["method"], row["language"], row["needle_kind"]) for row in rows)
    for group in groups:
        own = [row for row in rows if (row["method"], row["language"], row["needle_kind"]) == group]
        ratios = [row["ratio"] for row in own if row["ratio"] is not None]
        shares = []
        for length in lengths:
            here = [row for row in own if row["context_tokens"] == length]
            shares.append(f"{100 * sum(r['correct'] for r in here) / sum(r['n'] for r in here):.0f}%")
        n, correct = sum(r["n"] for r in own), sum(r["correct"] for r in own)
        low, high = wilson(correct, n)
        ratio = f"{sum(ratios) / len(ratios):.0f}x" if ratios else "-"
        whole = f"{100 * correct / n:.1f}% of {n} ({100 * low:.0f}-{100 * high:.0f}%)"
        lines.append(f"| {' | '.join([*group, ratio, *shares, whole])} |")
    return "\n".join(lines)


def heatmap(rows: Sequence[dict[str, Any]]) -> bytes:
    """A PNG: one grid per method, language and kind; length on x, depth on y, accuracy printed in every cell."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys((row["language"], row["needle_kind"], row["method"]) for row in rows))
    n_columns = min(len(groups), len({row["method"] for row in rows}))
    n_rows = -(-len(groups) // n_columns)
    lengths = sorted({row["context_tokens"] for row in rows})
    depths = sorted({row["depth_percent"] for row in rows})
    size = (1.2 + n_columns * (0.9 + 0.55 * len(lengths)), 0.9 + n_rows * (0.9 + 0.4 * len(depths)))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grids = figure.subplots(n_rows, n_columns, squeeze=False)
    image = None
    for axes in grids.flat[len(groups) :]:
        axes.set_axis_off()
    for axes, (language, kind, method) in zip(grids.flat, groups, strict=False):
        own = {
            (r["context_tokens"], r["depth_percent"]): r["accuracy"]
            for r in rows
            if (r["language"], r["needle_kind"], r["method"]) == (language, kind, method)
        }
        values = [[own.get((length, depth), float("nan")) for length in lengths] for depth in depths]
        image = axes.imshow(values, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for y, line in enumerate(values):
            for x, value in enumerate(line):
                shade = "black" if value > 0.5 else "white"
                axes.text(x, y, f"{100 * value:.0f}", ha="center", va="center", color=shade, fontsize=8)
        axes.set_title(f"{method}, {kind}, {language}", fontsize=9)
        axes.set_xticks(range(len(lengths)), [f"{n:,}" for n in lengths], fontsize=7, rotation=45)
        axes.set_yticks(range(len(depths)), [f"{depth}" for depth in depths], fontsize=7)
    figure.supxlabel("document tokens", fontsize=9)
    figure.supylabel("depth of the needle, %", fontsize=9)
    if image is not None:
        figure.colorbar(image, ax=grids, label="share of right answers", shrink=0.8)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=130)
    return data.getvalue()

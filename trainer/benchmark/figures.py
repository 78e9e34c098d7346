"""Turns trials into figures: accuracy with its interval, memory, times, and after how many questions compressing pays.

Knows trials; knows nothing of files, pictures or how anything was measured.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import median
from typing import Any

from gistdesk.benchmark_names import SAVING, length_class
from gistdesk.core.interval import wilson
from gistdesk.core.sentences import Sentence
from trainer.benchmark.evaluate import Trial

KEY = ("method", "language", "needle_kind", "context_tokens", "depth_percent")
SCORES = ("exact", "contained", "f1", "rouge_l", "answer_loss")
"""Scores common to all kinds and methods; see `Trial`."""
Figures = dict[str, Any]


def cells(trials: Sequence[Trial]) -> list[Figures]:
    """One entry for each method, ratio, language, kind, length and depth.

    Records from files have no depth, and their lengths are rounded up to a power of two.
    """
    return _grouped(trials, lambda t: (*(_named(t)[name] for name in KEY), t.ratio_asked), KEY)


def by_length(trials: Sequence[Trial]) -> list[Figures]:
    """The same with all depths together."""
    names = KEY[:4]
    return _grouped(trials, lambda t: (*(_named(t)[name] for name in names), t.ratio_asked), names)


def overall(trials: Sequence[Trial]) -> list[Figures]:
    """The same with all lengths and depths together; without the break-even point, which depends on length."""
    names = KEY[:3]
    found = _grouped(trials, lambda t: (*(_named(t)[name] for name in names), t.ratio_asked), names)
    for figures in found:
        del figures["break_even_questions"]
    return found


def break_even(prepare_s: float, ttft_s: float, full_ttft_s: float) -> int | None:
    """Number of questions after which compressing took no more time than reading the whole text again for each.

    None: never, since a question to the gist is no faster.
    """
    saved_s = full_ttft_s - ttft_s
    return max(1, math.ceil(prepare_s / saved_s)) if saved_s > 0 else None


def _named(trial: Trial) -> dict[str, Any]:
    is_record = trial.depth_percent is None
    length = length_class(trial.context_tokens) if is_record else trial.context_tokens
    return {**{name: getattr(trial, name) for name in KEY}, "context_tokens": length}


def _grouped(
    trials: Sequence[Trial], key_of: Callable[[Trial], tuple[Hashable, ...]], names: Sequence[str]
) -> list[Figures]:
    groups: dict[tuple[Hashable, ...], list[Trial]] = {}
    for trial in trials:
        groups.setdefault(key_of(trial), []).append(trial)
    full = {key[1:-1]: _ttft_s(group) for key, group in groups.items() if key[0] == "full"}
    found = []
    for key, group in groups.items():
        figures = {**dict(zip(names, key[:-1], strict=True)), **_figures(group)}
        read_s = full.get(key[1:-1])
        pays = group[0].method in SAVING and read_s is not None
        figures["break_even_questions"] = (
            break_even(figures["prepare_s"], figures["ttft_s"], read_s) if pays and read_s is not None else None
        )
        found.append(figures)
    return found


def _figures(group: Sequence[Trial]) -> Figures:
    n, points = len(group), sum(trial.points for trial in group)
    low, high = wilson(points, n)
    ratios = [trial.ratio for trial in group if trial.ratio is not None]
    kept = sum(trial.kept_bytes for trial in group)
    speeds = [trial.tokens_per_second for trial in group if trial.tokens_per_second]
    graded = any(trial.score is not None for trial in group)
    return {
        "n": n,
        "correct": round(points, 4) if graded else round(points),
        "accuracy": round(points / n, 4),
        "wilson_low": round(low, 4),
        "wilson_high": round(high, 4),
        "ratio": round(sum(ratios) / len(ratios), 2) if ratios else None,
        "kv_bytes": round(sum(trial.kv_bytes for trial in group) / n),
        "peak_memory_bytes": max(trial.peak_memory_bytes for trial in group),
        "ttft_s": _ttft_s(group),
        "ratio_asked": group[0].ratio_asked,
        "ratio_bytes": round(sum(trial.document_kv_bytes for trial in group) / kept, 2) if kept else None,
        "kept_bytes": round(kept / n),
        "document_bytes": round(sum(trial.document_bytes for trial in group) / n),
        "prepare_s": round(median(trial.prepare_s for trial in group), 5),
        "tokens_per_second": round(median(speeds), 1) if speeds else None,
        **{name: _mean([getattr(trial, name) for trial in group]) for name in SCORES},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _ttft_s(group: Sequence[Trial]) -> float:
    return round(median(trial.ttft_s for trial in group), 5)


def recovered(rows: Sequence[Figures]) -> list[Figures]:
    """How much of the full text's advantage each method recovers: (method - none) / (full - none), per score.

    Args:
        rows: see `overall`; kinds and languages without full or none are left out, as are scores on which those tie.
    """
    found = []
    for row in rows:
        own = {
            r["method"]: r for r in rows if (r["language"], r["needle_kind"]) == (row["language"], row["needle_kind"])
        }
        full, none = own.get("full"), own.get("none")
        if full is None or none is None or row["method"] in ("full", "none"):
            continue
        shares = {}
        for name in ("accuracy", *SCORES):
            values = row[name], none[name], full[name]
            if None not in values and full[name] != none[name]:
                shares[name] = round((row[name] - none[name]) / (full[name] - none[name]), 3)
        if shares:
            found.append({name: row[name] for name in (*KEY[:3], "ratio_asked", "n")} | {"share": shares})
    return found


SCORE_HEAD = (
    Sentence("task"),
    Sentence("language"),
    Sentence("method"),
    "n",
    Sentence("right"),
    Sentence("exact"),
    Sentence("contained"),
    "F1",
    "ROUGE-L",
    Sentence("loss, nats/token"),
)


def score_lines(rows: Sequence[Figures]) -> list[list[str]]:
    """Per row of `overall`, the scores of `SCORE_HEAD`; in brackets, the share of the full text's lead recovered."""
    shares = {_line_of(row): row["share"] for row in recovered(rows)}
    return [
        [
            row["needle_kind"],
            row["language"],
            method_name(row),
            str(row["n"]),
            *(_told(row, shares.get(_line_of(row), {}), name) for name in ("accuracy", *SCORES)),
        ]
        for row in rows
    ]


def scores_table(rows: Sequence[Figures]) -> str:
    """The same as Markdown."""
    head = ["| " + " | ".join(SCORE_HEAD) + " |", "|" + "---|" * len(SCORE_HEAD)]
    lines = ["| " + " | ".join(line) + " |" for line in score_lines(rows)]
    explained = ["", "In brackets: (method - none) / (full - none)."] if recovered(rows) else []
    return "\n".join([*head, *lines, *explained])


def _told(row: Figures, share: Figures, name: str) -> str:
    value = row[name]
    if value is None:
        return "-"
    number = f"{value:.2f}" if name in ("f1", "rouge_l", "answer_loss") else f"{100 * value:.0f}%"
    return number + (f" ({share[name]:.2f})" if name in share else "")


def method_name(figures: Figures) -> str:
    """The method, with the ratio asked for, if any: "gist 100x"."""
    ratio = figures.get("ratio_asked")
    return f"{figures['method']} {ratio:g}x" if ratio else str(figures["method"])


def table(rows: Sequence[Figures]) -> str:
    """Accuracy by method and length, depths taken together, as Markdown."""
    lengths = sorted({row["context_tokens"] for row in rows})
    lines = [
        "| method | language | needle | ratio | " + " | ".join(f"{n:,} tokens" for n in lengths) + " | all (95%) |",
        "|---|---|---|---|" + "---|" * (len(lengths) + 1),
    ]
    for group in dict.fromkeys(_line_of(row) for row in rows):
        own = [row for row in rows if _line_of(row) == group]
        ratios = [row["ratio"] for row in own if row["ratio"] is not None]
        shares = []
        for length in lengths:
            here = [row for row in own if row["context_tokens"] == length]
            n_here = sum(r["n"] for r in here)
            shares.append(f"{100 * sum(r['correct'] for r in here) / n_here:.0f}%" if n_here else "-")
        n, correct = sum(r["n"] for r in own), sum(r["correct"] for r in own)
        low, high = wilson(correct, n)
        ratio = f"{sum(ratios) / len(ratios):.0f}x" if ratios else "-"
        whole = f"{100 * correct / n:.1f}% of {n} ({100 * low:.0f}-{100 * high:.0f}%)"
        lines.append(f"| {' | '.join([*group[:3], ratio, *shares, whole])} |")
    return "\n".join(lines)


def _line_of(row: Figures) -> tuple[str, str, str, float | None]:
    return row["method"], row["language"], row["needle_kind"], row.get("ratio_asked")

"""Several benchmark runs side by side: which measurements they share, and how far these differ.

Knows results; runs nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.benchmark.figures import Figures, method_name


def named(folders: Sequence[Path], results: Sequence[Figures]) -> dict[str, Figures]:
    """Results by folder name, or by full path if two have the same name."""
    names = [folder.resolve().name for folder in folders]
    told = names if len(set(names)) == len(names) else [str(folder) for folder in folders]
    return dict(zip(told, results, strict=True))


def comparison(runs: Mapping[str, Figures]) -> str:
    """Markdown: how the runs differ, then one line per method, task, language and length, one column per run.

    A figure is marked with * if its interval does not overlap that of the first run.
    """
    parts = ["## What differs", _differences(runs)] if len(runs) > 1 else []
    parts += ["## Accuracy (95%)", _accuracy(runs)]
    parts += ["## First token, kept memory, questions until compressing pays", _costs(runs)]
    return "\n\n".join(parts)


def _differences(runs: Mapping[str, Figures]) -> str:
    told = {name: _flat(run) for name, run in runs.items()}
    keys = list(dict.fromkeys(key for flat in told.values() for key in flat))
    rows = []
    for key in keys:
        values = [str(flat.get(key, "-")) for flat in told.values()]
        if len(set(values)) > 1:
            rows.append([key, *values])
    return _table(["", *runs], rows) if rows else "Nothing but the samples' times."


def _flat(run: Figures) -> dict[str, Any]:
    flat = {f"config {name}": value for name, value in run["config"].items()}
    flat |= {f"model {name}": str(value)[:16] for name, value in run.get("model", {}).items()}
    flat |= {f"on {name}": value for name, value in run.get("hardware", {}).items() if name != "load"}
    flat |= {f"version of {name}": value for name, value in run.get("versions", {}).items()}
    return flat | {"dtype": run.get("dtype"), "device": run.get("device")}


Line = tuple[str, str, str, int]


def _lines(run: Figures) -> dict[Line, Figures]:
    rows: Sequence[Figures] = run.get("by_length") or []
    return {(r["needle_kind"], r["language"], method_name(r), r["context_tokens"]): r for r in rows}


def _accuracy(runs: Mapping[str, Figures]) -> str:
    all_lines = {name: _lines(run) for name, run in runs.items()}
    first = next(iter(all_lines.values()))
    rows = []
    for key in dict.fromkeys(key for lines in all_lines.values() for key in lines):
        shares = []
        for lines in all_lines.values():
            row = lines.get(key)
            shares.append("-" if row is None else _share(row) + _mark(row, first.get(key)))
        rows.append([*key[:3], f"{key[3]:,}", *shares])
    return _table(["task", "language", "method", "tokens", *runs], rows)


def _share(row: Figures) -> str:
    low, high = 100 * row["wilson_low"], 100 * row["wilson_high"]
    return f"{100 * row['accuracy']:.1f}% of {row['n']} ({low:.0f}-{high:.0f}%)"


def _mark(row: Figures, other: Figures | None) -> str:
    if other is None or other is row:
        return ""
    apart = row["wilson_low"] > other["wilson_high"] or row["wilson_high"] < other["wilson_low"]
    return " *" if apart else ""


def _costs(runs: Mapping[str, Figures]) -> str:
    all_lines = {name: _lines(run) for name, run in runs.items()}
    rows = []
    for key in dict.fromkeys(key for lines in all_lines.values() for key in lines):
        told = [_cost(lines[key]) if key in lines else "-" for lines in all_lines.values()]
        rows.append([*key[:3], f"{key[3]:,}", *told])
    return _table(["task", "language", "method", "tokens", *runs], rows)


def _cost(row: Figures) -> str:
    pays = f", {row['break_even_questions']}" if row["break_even_questions"] else ""
    return f"{1000 * row['ttft_s']:,.1f} ms, {row['kept_bytes'] / 2**20:,.2f} MiB{pays}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])

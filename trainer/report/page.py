"""report.html: one file that a person can send. No scripts, nothing from anywhere else; pictures are inside.

Knows results and trials; writes no files.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from trainer.benchmark.evaluate import Trial
from trainer.benchmark.figures import SCORE_HEAD, Figures, method_name, score_lines

_SHOWN_SAMPLES = 120
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 1.5rem; }
th, td { border: 1px solid #8886; padding: .25rem .55rem; text-align: right; vertical-align: top; }
th { background: #8882; } td.name, th.name { text-align: left; }
img { max-width: 100%; background: #fff; }
pre { white-space: pre-wrap; background: #8881; padding: .5rem; margin: .2rem 0; max-height: 20rem; overflow: auto; }
.scroll { overflow-x: auto; }
"""


def page(results: Figures, trials: Sequence[Trial], pictures: Mapping[str, bytes]) -> str:
    """The whole page.

    Args:
        results: as in results.json.
        pictures: by file name; the SVG ones are shown.
    """
    model = results["model"]["model_id"]
    title = f"gistdesk benchmark: {model}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_summary(results, trials))}</p>",
        "<h2>Accuracy</h2>",
        "<p>Mean score in percent with its 95% interval (Wilson), by document length in tokens.</p>",
        _accuracy(results["by_length"]),
        "<h2>Scores</h2>",
        "<p>The same for all tasks and methods; in brackets (method - none) / (full - none).</p>",
        _table(SCORE_HEAD, score_lines(results["methods"]), n_names=3),
        *(_picture(name, data) for name, data in pictures.items() if name.endswith(".svg")),
        "<h2>Memory and time</h2>",
        _costs(results["by_length"]),
        "<h2>What to be careful about</h2>",
        "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in cautions(results, trials)) + "</ul>",
        "<h2>What was measured</h2>",
        _pairs({"model": results["model"], "dtype": results["dtype"], **results["config"]}),
        "<h2>On what</h2>",
        _pairs({**results.get("hardware", {}), **results.get("versions", {})}),
        "<h2>Samples</h2>",
        _samples(trials),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(results: Figures, trials: Sequence[Trial]) -> str:
    device = results.get("hardware", {}).get("card") or results.get("hardware", {}).get("cpu", "")
    return (
        f"{len(trials):,} answers on {results['device']} ({device}) in {results['dtype']}, "
        f"seed {results['config']['seed']}, gistdesk {results['version']}."
    )


def _accuracy(rows: Sequence[Figures]) -> str:
    lengths = sorted({row["context_tokens"] for row in rows})
    groups: dict[tuple[str, str, str], dict[int, Figures]] = {}
    for row in rows:
        groups.setdefault((row["needle_kind"], row["language"], method_name(row)), {})[row["context_tokens"]] = row
    body = [
        [*group, *(_share(own[length]) if length in own else "" for length in lengths)] for group, own in groups.items()
    ]
    return _table(["task", "language", "method", *(f"{length:,}" for length in lengths)], body, n_names=3)


def _share(row: Figures) -> str:
    low, high = 100 * row["wilson_low"], 100 * row["wilson_high"]
    return f"{100 * row['accuracy']:.0f} ({low:.0f}-{high:.0f}, n={row['n']})"


def _costs(rows: Sequence[Figures]) -> str:
    head = [
        "task",
        "language",
        "method",
        "length",
        "ratio in tokens",
        "ratio in bytes",
        "kept per document",
        "of the text's bytes",
        "in front of the question",
        "peak memory",
        "prepare",
        "first token",
        "tokens/s",
        "pays after",
    ]
    body = [
        [
            row["needle_kind"],
            row["language"],
            method_name(row),
            f"{row['context_tokens']:,}",
            _times(row["ratio"]),
            _times(row["ratio_bytes"]),
            _bytes(row["kept_bytes"]),
            _times(row["kept_bytes"] / row["document_bytes"]) if row["kept_bytes"] and row["document_bytes"] else "",
            _bytes(row["kv_bytes"]),
            _bytes(row["peak_memory_bytes"]),
            f"{1000 * row['prepare_s']:,.0f} ms" if row["prepare_s"] else "",
            f"{1000 * row['ttft_s']:,.1f} ms",
            f"{row['tokens_per_second']:,.0f}" if row["tokens_per_second"] else "",
            f"{row['break_even_questions']:,} questions" if row["break_even_questions"] else "",
        ]
        for row in rows
    ]
    return _table(head, body, n_names=3)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.1f}x"


def _bytes(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:,.2f} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:,.2f} KiB"


def cautions(results: Figures, trials: Sequence[Trial]) -> list[str]:
    """What a reader of these figures has to know; only what applies to them."""
    config, kinds = results["config"], {trial.needle_kind for trial in trials}
    methods = {trial.method for trial in trials}
    fewest = min(row["n"] for row in results["by_length"])
    found = [
        f"Answers in the smallest group: {fewest}. Two figures whose intervals overlap may well be equal.",
        "Times and memory belong to this machine and to what else ran on it; compare them within this run only.",
        "First token counts from the question on: text and passages are read then, a gist is there already. What "
        "compressing and indexing took is the column 'prepare', once per document.",
        "'Kept' is what has to stay between two questions: keys and values of gist or text, or text and index of "
        "passages. 'Ratio in bytes' compares it with the keys and values of the whole text. A text by itself is "
        "smaller than either: "
        f"{_bytes(sum(t.document_bytes for t in trials) / len(trials))} here on average.",
        "'Pays after' compares with reading the whole text anew for every question. Who keeps the text's keys and "
        "values in memory instead saves the time, and needs the memory that 'full' shows.",
    ]
    if results["device"] == "cpu":
        found.append("Peak memory on a CPU is that of the whole process, model and libraries included.")
    if {"rag", "rag-budget", "hybrid"} & methods:
        found.append(
            f"Passages: {config['chunk_tokens']} tokens, {config['overlap_tokens']} of overlap, the best "
            f"{config['top_k']}, ranked by {config['rank_by']}. 'auto' is embeddings (MiniLM) for English where they "
            "are installed, BM25 otherwise. A generated question shares its words with the needle, which is kinder to "
            "BM25 than people's questions are."
        )
    if any(trial.score is not None for trial in trials):
        found.append(
            "Scores between 0 and 1 (F1, ROUGE, shares) are averaged; for them the interval is, if anything, too wide."
        )
    if "landmark" in kinds:
        found.append(
            "'landmark' is the literature's wording, and says in two sentences what two training wordings say of other "
            "codes. 'passkey' is held out as a wording, 'unseen' also in what the number is."
        )
    if any(kind.startswith("ruler-") for kind in kinds):
        found.append(
            "RULER's needles are asked for in the model's chat template, without the beginning of the answer that the "
            "published prompts add; haystacks are the texts of this program. Figures are not those of its leaderboard."
        )
    if any(trial.depth_percent is None for trial in trials):
        found.append(
            "LongBench's instructions stand before and after the text as published. "
            "'full' reads a text that is too long without its middle. Such texts may have been in the model's "
            "own training."
        )
    if "summary" in kinds:
        found.append("For 'summary' an answer is compared with the model's own to the full text, right or not.")
    if any(trial.answer_loss is not None for trial in trials):
        found.append("The loss is that of the first right answer, as it is, put behind the question; a mean of means.")
    if {"documents", "reading", "summary"} & kinds:
        found.append("Contexts of a text with several questions are kept: peak memory is that of all methods together.")
    if {"absent", "documents-absent"} & kinds:
        found.append(
            "For 'absent' an answer is right if it says that the text does not tell; every other one is made up."
        )
    if "full" in methods:
        found.append("'full' can only be as good as the model is with texts of that length.")
    return found


def _pairs(values: Mapping[str, Any]) -> str:
    def told(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:g}"
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return _table(
        ["what", "value"], [[name.replace("_", " "), told(value)] for name, value in values.items()], n_names=2
    )


def _samples(trials: Sequence[Trial]) -> str:
    """Wrong answers first: they say more; as many as a page can bear."""
    chosen = sorted(trials, key=lambda trial: trial.points)[:_SHOWN_SAMPLES]
    told = f"<p>{len(chosen)} of {len(trials):,}, wrong answers first; samples.jsonl has all.</p>"
    return told + "".join(_sample(trial) for trial in chosen)


def _sample(trial: Trial) -> str:
    ratio = f" {trial.ratio_asked:g}x" if trial.ratio_asked else ""
    mark = "right" if trial.correct else f"score {trial.score:.2f}" if trial.score else "wrong"
    head = f"{mark}: {trial.sample}, {trial.method}{ratio}"
    rows = [
        ("before the question", trial.prompt or "(nothing)"),
        ("question", trial.prompt_tail),
        ("expected", trial.expected),
        ("given", trial.answer),
    ]
    body = "".join(f"<div>{name}</div><pre>{escape(text)}</pre>" for name, text in rows)
    return f"<details><summary>{escape(head)}</summary>{body}</details>"


def _picture(name: str, data: bytes) -> str:
    words = {"heatmap.svg": "Accuracy by length and depth", "curves.svg": "Accuracy by length"}[name]
    return f'<p><img alt="{words}" src="data:image/svg+xml;base64,{b64encode(data).decode()}"></p>'


def _table(head: Sequence[str], body: Iterable[Sequence[str]], *, n_names: int) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return (
            "<tr>"
            + "".join(
                f"<{tag}{' class=name' if place < n_names else ''}>{escape(text)}</{tag}>"
                for place, text in enumerate(cells)
            )
            + "</tr>"
        )

    lines = "".join(row(cells, "td") for cells in body)
    return f'<div class="scroll"><table>{row(head, "th")}{lines}</table></div>'

"""report.html: one file that can be sent to somebody. No scripts, no external resources; pictures are embedded.

Knows results and trials; writes no files.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from gistdesk.benchmark_names import BY_PASSAGES
from gistdesk.language.catalogs import ENGLISH, Translate, translated
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


def page(results: Figures, trials: Sequence[Trial], pictures: Mapping[str, bytes], language: str = ENGLISH) -> str:
    """The whole page.

    Args:
        results: as in results.json.
        pictures: by file name; only the SVG ones are shown.
        language: of the page; names of methods, tasks and settings are those of the command line.
    """
    tr: Translate = partial(translated, language)
    title = tr("gistdesk benchmark: {model}", model=results["model"]["model_id"])
    parts = [
        f"<h1>{escape(title)}</h1>",
        _paragraph(_summary(tr, results, trials)),
        _heading(tr("Accuracy")),
        _paragraph(tr("Mean score in percent with its 95% interval (Wilson), by document length in tokens.")),
        _accuracy(tr, results["by_length"]),
        _heading(tr("Scores")),
        _paragraph(tr("The same for all tasks and methods; in brackets (method - none) / (full - none).")),
        _table([tr(name) for name in SCORE_HEAD], score_lines(results["methods"]), n_names=3),
        *(_picture(tr, name, data) for name, data in pictures.items() if name.endswith(".svg")),
        _heading(tr("Memory and time")),
        _costs(tr, results["by_length"]),
        _heading(tr("What to be careful about")),
        "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in cautions(tr, results, trials)) + "</ul>",
        _heading(tr("What was measured")),
        _pairs(tr, {"model": results["model"], "dtype": results["dtype"], **results["config"]}),
        _heading(tr("On what")),
        _pairs(tr, {**results.get("hardware", {}), **results.get("versions", {})}),
        _heading(tr("Samples")),
        _samples(tr, trials),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(tr: Translate, results: Figures, trials: Sequence[Trial]) -> str:
    return tr(
        "{n:,} answers on {device} ({name}) in {dtype}, seed {seed}, gistdesk {version}.",
        n=len(trials),
        device=results["device"],
        name=results.get("hardware", {}).get("card") or results.get("hardware", {}).get("cpu", ""),
        dtype=results["dtype"],
        seed=results["config"]["seed"],
        version=results["version"],
    )


def _accuracy(tr: Translate, rows: Sequence[Figures]) -> str:
    lengths = sorted({row["context_tokens"] for row in rows})
    groups: dict[tuple[str, str, str], dict[int, Figures]] = {}
    for row in rows:
        groups.setdefault((row["needle_kind"], row["language"], method_name(row)), {})[row["context_tokens"]] = row
    body = [
        [*group, *(_share(own[length]) if length in own else "" for length in lengths)] for group, own in groups.items()
    ]
    return _table([tr("task"), tr("language"), tr("method"), *(f"{n:,}" for n in lengths)], body, n_names=3)


def _share(row: Figures) -> str:
    low, high = 100 * row["wilson_low"], 100 * row["wilson_high"]
    return f"{100 * row['accuracy']:.0f} ({low:.0f}-{high:.0f}, n={row['n']})"


def _costs(tr: Translate, rows: Sequence[Figures]) -> str:
    head = [
        tr("task"),
        tr("language"),
        tr("method"),
        tr("length"),
        tr("ratio in tokens"),
        tr("ratio in bytes"),
        tr("kept per document"),
        tr("of the text's bytes"),
        tr("in front of the question"),
        tr("peak memory"),
        tr("prepare"),
        tr("first token"),
        tr("tokens/s"),
        tr("pays after"),
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
            tr("{n:,} questions", n=row["break_even_questions"]) if row["break_even_questions"] else "",
        ]
        for row in rows
    ]
    return _table(head, body, n_names=3)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.1f}x"


def _bytes(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:,.2f} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:,.2f} KiB"


def cautions(tr: Translate, results: Figures, trials: Sequence[Trial]) -> list[str]:
    """What a reader of these figures has to know; only the cautions that apply."""
    config, kinds = results["config"], {trial.needle_kind for trial in trials}
    methods = {trial.method for trial in trials}
    found = [
        tr(
            "Answers in the smallest group: {n:,}. Two figures whose intervals overlap may well be equal.",
            n=min(row["n"] for row in results["by_length"]),
        ),
        tr("Times and memory belong to this machine and to what else ran on it; compare them within this run only."),
        tr(
            "First token counts from the question on: text and passages are read then, a gist is there already. What "
            "compressing and indexing took is the column “prepare”, once per document."
        ),
        tr(
            "“Kept” is what has to stay between two questions: keys and values of gist or text, or text and index of "
            "passages. “Ratio in bytes” compares it with the keys and values of the whole text. A text by itself is "
            "smaller than either: {size} here on average.",
            size=_bytes(sum(trial.document_bytes for trial in trials) / len(trials)),
        ),
        tr(
            "“Pays after” compares with reading the whole text anew for every question. Who keeps the text's keys and "
            "values in memory instead saves the time, and needs the memory that “full” shows."
        ),
    ]
    if results["device"] == "cpu":
        found.append(tr("Peak memory on a CPU is that of the whole process, model and libraries included."))
    if set(BY_PASSAGES) & methods:
        passages = {name: config[name] for name in ("chunk_tokens", "overlap_tokens", "top_k", "rank_by")}
        found.append(
            tr(
                "Passages: {chunk_tokens} tokens, {overlap_tokens} of overlap, the best {top_k}, ranked by {rank_by}. "
                "“auto” is words and meaning together (meaning by MiniLM) where that is installed and a text is mostly "
                "not Korean, words alone otherwise. A generated question shares its words with the needle, which is "
                "kinder to ranking by words than people's questions are.",
                **passages,
            )
        )
    if any(trial.score is not None for trial in trials):
        found.append(
            tr("Scores between 0 and 1 (F1, ROUGE, shares) are averaged; their interval is, if anything, too wide.")
        )
    if "landmark" in kinds:
        found.append(
            tr(
                "“landmark” is the literature's wording, and says in two sentences what two training wordings say of "
                "other codes. “passkey” is held out as a wording, “unseen” also in what the number is."
            )
        )
    if any(kind.startswith("ruler-") for kind in kinds):
        found.append(
            tr(
                "RULER's needles are asked for in the model's chat template, without the beginning of the answer that "
                "the published prompts add; haystacks are the texts of this program. Figures are not those of its "
                "leaderboard."
            )
        )
    if any(trial.depth_percent is None for trial in trials):
        found.append(
            tr(
                "LongBench's instructions stand before and after the text as published. “full” reads a text that is "
                "too long without its middle. Such texts may have been in the model's own training."
            )
        )
    if "summary" in kinds:
        found.append(tr("For “summary” an answer is compared with the model's own to the full text, right or not."))
    if any(trial.answer_loss is not None for trial in trials):
        found.append(
            tr("The loss is that of the first right answer, as it is, put behind the question; a mean of means.")
        )
    if {"documents", "reading", "summary"} & kinds:
        found.append(
            tr("Contexts of a text with several questions are kept: peak memory is that of all methods together.")
        )
    if {"absent", "documents-absent"} & kinds:
        found.append(
            tr("For “absent” an answer is right if it says that the text does not tell; every other one is made up.")
        )
    if "full" in methods:
        found.append(tr("“full” can only be as good as the model is with texts of that length."))
    return found


def _pairs(tr: Translate, values: Mapping[str, Any]) -> str:
    def told(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:g}"
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    rows = [[name.replace("_", " "), told(value)] for name, value in values.items()]
    return _table([tr("setting"), tr("value")], rows, n_names=2)


def _samples(tr: Translate, trials: Sequence[Trial]) -> str:
    """Wrong answers first, since they say more; as many as a page can hold."""
    chosen = sorted(trials, key=lambda trial: trial.points)[:_SHOWN_SAMPLES]
    told = tr("{n:,} of {all:,}, wrong answers first; samples.jsonl has all.", n=len(chosen), all=len(trials))
    return _paragraph(told) + "".join(_sample(tr, trial) for trial in chosen)


def _sample(tr: Translate, trial: Trial) -> str:
    ratio = f" {trial.ratio_asked:g}x" if trial.ratio_asked else ""
    wrong = tr("score {score:.2f}", score=trial.score) if trial.score else tr("wrong")
    head = f"{tr('right') if trial.correct else wrong}: {trial.sample}, {trial.method}{ratio}"
    rows = [
        (tr("before the question"), trial.prompt or tr("(nothing)")),
        (tr("question"), trial.prompt_tail),
        (tr("expected"), trial.expected),
        (tr("given"), trial.answer),
    ]
    body = "".join(f"<div>{escape(name)}</div><pre>{escape(text)}</pre>" for name, text in rows)
    return f"<details><summary>{escape(head)}</summary>{body}</details>"


def _picture(tr: Translate, name: str, data: bytes) -> str:
    words = {"heatmap.svg": tr("Accuracy by length and depth"), "curves.svg": tr("Accuracy by length")}[name]
    return f'<p><img alt="{escape(words)}" src="data:image/svg+xml;base64,{b64encode(data).decode()}"></p>'


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


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

"""The one table that shows whether a gist is worth having: every method beside the prototype's figures and its targets.

What is kept of a document is given in tokens, relative to its text's bytes, and relative to the keys and values of its
full text; for a gist also as it would be in 8 and in 4 bits, calculated without the scales such a format needs.
Knows results; runs nothing.
"""

from gistdesk.benchmark_names import KEEPING_KV
from gistdesk.core.errors import UserError
from gistdesk.core.interval import wilson
from trainer.benchmark.figures import Figures, method_name

_HEAD = (
    "answered from",
    "ratio",
    "English",
    "Korean",
    "kept per document, of full text",
    "in 8 / 4 bits",
    "kept, of the text's bytes",
    "first token, sooner than full text",
    "tokens/s, of full text",
    "pays after",
)
_BESIDE = (
    ("the earlier prototype", "299x", "14%", "-", "-", "-", "-", "-", "-", "-"),
    ("the earlier prototype", "609x", "23%", "-", "-", "-", "-", "-", "-", "-"),
    ("what it was to reach", "100-400x", "over 90%", "-", "less than 50%", "-", "-", "-", "100%", "-"),
)


def main_table(results: Figures) -> str:
    """Markdown. Accuracy over all lengths and needles; memory and times at the greatest length with full text.

    Raises:
        UserError: full text was not measured, so there is nothing to compare with.
    """
    rows: list[Figures] = results["by_length"]
    lengths = [row["context_tokens"] for row in rows if row["method"] == "full"]
    if not lengths:
        raise UserError("Full text was not measured in this run.", "Add full to --methods.")
    length = max(lengths)
    lines = [_HEAD, ("---",) * len(_HEAD)]
    bits = 32 if results.get("dtype") == "float32" else 16
    lines += [_line(rows, name, length, bits) for name in dict.fromkeys(method_name(row) for row in rows)]
    told = "\n".join("| " + " | ".join(line) + " |" for line in (*lines, *_BESIDE))
    return f"{told}\n\nMemory and times at {length:,} tokens."


def _line(rows: list[Figures], name: str, length: int, bits: int) -> tuple[str, ...]:
    own = [row for row in rows if method_name(row) == name]
    ratios = [row["ratio"] for row in own if row["ratio"] is not None]
    here = [row for row in own if row["context_tokens"] == length]
    full = [row for row in rows if row["method"] == "full" and row["context_tokens"] == length]
    return (
        own[0]["method"],
        f"{sum(ratios) / len(ratios):.0f}x" if ratios else "-",
        *(_accuracy([row for row in own if row["language"] == language]) for language in ("en", "ko")),
        _of(here, full, "kept_bytes", "{:.1%}"),
        _in_fewer_bits(here, full, bits),
        _of_text(here),
        _of(full, here, "ttft_s", "{:.1f}x"),
        _of(here, full, "tokens_per_second", "{:.0%}"),
        _pays(here),
    )


def _accuracy(rows: list[Figures]) -> str:
    """Accuracy over all lengths together; per length if two lengths' intervals do not overlap."""
    n, correct = sum(row["n"] for row in rows), sum(row["correct"] for row in rows)
    if not n:
        return "-"
    lengths = sorted({row["context_tokens"] for row in rows})
    counts = [
        (sum(r["correct"] for r in part), sum(r["n"] for r in part))
        for part in ([row for row in rows if row["context_tokens"] == length] for length in lengths)
    ]
    intervals = [wilson(*one) for one in counts]
    if max(low for low, _ in intervals) > min(high for _, high in intervals):
        return ", ".join(
            f"{100 * right / of:.0f}% of {of} at {length:,}"
            for length, (right, of) in zip(lengths, counts, strict=True)
        )
    low, high = wilson(correct, n)
    return f"{100 * correct / n:.1f}% of {n} ({100 * low:.0f}-{100 * high:.0f}%)"


def _of(rows: list[Figures], others: list[Figures], name: str, form: str) -> str:
    """The mean of one as a share or a multiple of the mean of the other."""
    first, second = ([row[name] for row in part if row[name] is not None] for part in (rows, others))
    if not first or not second or not sum(second):
        return "-"
    return form.format(sum(first) / len(first) / (sum(second) / len(second)))


def _in_fewer_bits(rows: list[Figures], full: list[Figures], bits: int) -> str:
    """Only for methods that keep keys and values and nothing else."""
    if not full or not rows or rows[0]["method"] not in KEEPING_KV:
        return "-"
    kept, whole = (sum(row["kept_bytes"] for row in part) / len(part) for part in (rows, full))
    return " / ".join(f"{kept * few / bits / whole:.1%}" for few in (8, 4)) if whole else "-"


def _of_text(rows: list[Figures]) -> str:
    """Ratio of bytes kept to bytes of the text in UTF-8."""
    text = sum(row["document_bytes"] for row in rows)
    kept = sum(row["kept_bytes"] for row in rows)
    return f"{kept / text:,.1f}x" if text and kept else "-"


def _pays(rows: list[Figures]) -> str:
    questions = [row["break_even_questions"] for row in rows if row["break_even_questions"]]
    return f"{max(questions)} question{'s' if max(questions) > 1 else ''}" if questions else "-"

"""What a benchmark can run: methods, kinds of questions and sizes, what each costs, and how its results are grouped.

One row for each, so that the window can offer what the trainer measures, and shows it as the trainer does. The trainer
implements a row: the row names it as "module:function", which is imported when needed.
"""

from dataclasses import dataclass
from typing import Any

from gistdesk.core.methods import N_READINGS
from gistdesk.core.sentences import Sentence

_READER = "trainer.benchmark.readings:Reader"
_NEEDLES = "trainer.benchmark.needles"


@dataclass(frozen=True)
class BenchMethod:
    """One way of putting a document in front of a model.

    Attributes:
        title, note: for people; translated where they are shown.
        read_by: returns the `Reading` of a sample, called with the `Reader`, the sample, this method's name and the
            ratio, which is None unless `by_ratio`.
        by_adapter: it needs an adapter.
        by_ratio: it depends on a ratio.
        by_passages: it looks passages up.
        n_readings: roughly how many times it reads the text for a sample, not counting what it takes over from another
            method.
        n_tokens: what it reads besides, whatever the text's length.
        at_once: it reads the text in one piece, so attention costs more per token the longer the text is.
        saves: what it makes of a document spares later questions the reading of the text.
        keeps_kv: what it keeps between two questions are keys and values and nothing else.
    """

    name: str
    title: str
    note: str
    read_by: str
    by_adapter: bool = False
    by_ratio: bool = False
    by_passages: bool = False
    n_readings: float = 0.0
    n_tokens: int = 0
    at_once: bool = False
    saves: bool = False
    keeps_kv: bool = False


BENCH_METHODS = (
    BenchMethod(
        "gist",
        Sentence("Gist"),
        Sentence("Answered from the gist alone."),
        f"{_READER}.gist",
        by_adapter=True,
        by_ratio=True,
        n_readings=N_READINGS["adapter"],
        saves=True,
        keeps_kv=True,
    ),
    BenchMethod(
        "full",
        Sentence("Full text"),
        Sentence("The whole text in front of the model."),
        f"{_READER}.text",
        n_readings=1.0,
        at_once=True,
        keeps_kv=True,
    ),
    BenchMethod("none", Sentence("No text"), Sentence("Without any text: what can be guessed."), f"{_READER}.nothing"),
    BenchMethod(
        "wrong-gist",
        Sentence("Wrong gist"),
        Sentence("From the gist of another document."),
        f"{_READER}.wrong_gist",
        by_adapter=True,
        by_ratio=True,
        keeps_kv=True,
    ),
    BenchMethod(
        "truncate",
        Sentence("First part"),
        Sentence("The beginning, as many tokens as the gist has."),
        f"{_READER}.text",
        by_ratio=True,
        keeps_kv=True,
    ),
    BenchMethod(
        "truncate-last",
        Sentence("Last part"),
        Sentence("The end, as many tokens as the gist has."),
        f"{_READER}.text",
        by_ratio=True,
        keeps_kv=True,
    ),
    BenchMethod(
        "truncate-both",
        Sentence("Both ends"),
        Sentence("Beginning and end, as many tokens as the gist has."),
        f"{_READER}.text",
        by_ratio=True,
        keeps_kv=True,
    ),
    BenchMethod(
        "rag",
        Sentence("Retrieval"),
        Sentence("The best passages of the text."),
        f"{_READER}.best_passages",
        by_passages=True,
        n_readings=1.0,
        saves=True,
    ),
    BenchMethod(
        "rag-budget",
        Sentence("Retrieval, gist's size"),
        Sentence("The best passages, as many tokens as the gist has."),
        f"{_READER}.best_passages",
        by_ratio=True,
        by_passages=True,
        n_readings=1.0,
        saves=True,
    ),
    BenchMethod(
        "hybrid",
        Sentence("Gist and retrieval"),
        Sentence("The gist, and the best passages after it."),
        f"{_READER}.best_passages",
        by_adapter=True,
        by_ratio=True,
        by_passages=True,
        saves=True,
    ),
    BenchMethod(
        "section",
        Sentence("Right section"),
        Sentence("Only the part that holds the answer. Documents and stories only."),
        f"{_READER}.section",
        n_tokens=500,
    ),
    BenchMethod(
        "matched",
        Sentence("Matched gist"),
        Sentence("From the text's own keys, fitted; needs no adapter."),
        f"{_READER}.gist",
        by_ratio=True,
        n_readings=N_READINGS["matched"],
        saves=True,
        keeps_kv=True,
    ),
    BenchMethod(
        "refined",
        Sentence("Refined gist"),
        Sentence("From what a gist trained on the document recites; takes minutes for each."),
        f"{_READER}.recited",
        by_ratio=True,
        by_passages=True,
        n_readings=N_READINGS["refined"],
        saves=True,
        keeps_kv=True,
    ),
)
"""A method named like one of `gistdesk.core.methods` is a gist made in that way; "gist" takes the model's adapter."""

METHODS = tuple(method.name for method in BENCH_METHODS)
BY_ADAPTER = tuple(method.name for method in BENCH_METHODS if method.by_adapter)
BY_RATIO = tuple(method.name for method in BENCH_METHODS if method.by_ratio)
BY_PASSAGES = tuple(method.name for method in BENCH_METHODS if method.by_passages)
READING = tuple(method.name for method in BENCH_METHODS if method.n_readings)
SAVING = tuple(method.name for method in BENCH_METHODS if method.saves)
KEEPING_KV = tuple(method.name for method in BENCH_METHODS if method.keeps_kv)
_BY_NAME = {method.name: method for method in BENCH_METHODS}

_ANSWER_COST = 250.0
"""What opening a context and writing an answer costs, in tokens that could be read instead: the starter, on a CPU."""
_ATTENTION_TOKENS = 8192
"""Length at which a token of a text read in one piece costs twice as much as alone."""


def trial_cost(method: str, context_tokens: int, passage_tokens: int = 0) -> float:
    """Roughly what one sample costs, in tokens read, to forecast times; an unknown method counts as an answer.

    Args:
        context_tokens: length of the text.
        passage_tokens: read for a question by a method that looks passages up; 0 where that is not known.
    """
    row = _BY_NAME.get(method)
    if row is None:
        return _ANSWER_COST
    per_token = 1 + context_tokens / _ATTENTION_TOKENS if row.at_once else 1.0
    besides = row.n_tokens + (passage_tokens if row.by_passages else 0)
    return _ANSWER_COST + row.n_readings * context_tokens * per_token + besides


@dataclass(frozen=True)
class NeedleKind:
    """A kind of needle hidden in running text, on a grid of lengths and depths.

    Attributes:
        title: for people; translated where it is shown.
        drawn_by: returns a `Needle` for a random generator and a language.
        in_english_only: not available in Korean.
    """

    name: str
    title: str
    drawn_by: str
    in_english_only: bool = False


NEEDLE_KINDS = (
    NeedleKind("passkey", Sentence("Passkey"), f"{_NEEDLES}:passkey"),
    NeedleKind("unseen", Sentence("A number, no passkey"), f"{_NEEDLES}:unseen"),
    NeedleKind("landmark", Sentence("Landmark (English)"), f"{_NEEDLES}:landmark", in_english_only=True),
    NeedleKind("sandwich", Sentence("Sandwich (English)"), f"{_NEEDLES}:sandwich", in_english_only=True),
    NeedleKind("fact", Sentence("One fact"), f"{_NEEDLES}:fact"),
    NeedleKind("facts-4", Sentence("One of 4 facts"), f"{_NEEDLES}:one_of_4_facts"),
    NeedleKind("facts-8", Sentence("One of 8 facts"), f"{_NEEDLES}:one_of_8_facts"),
    NeedleKind("absent", Sentence("Not in the document"), f"{_NEEDLES}:absent"),
)
"""`passkey` is worded like no training sample, but about the same things as training's codes ("access code");
`unseen` shares neither. `landmark` and `sandwich` come from the literature: the former, hidden in its own filler, says
in two sentences what two training wordings say of other codes ("The access code is 5. 5 is the access code."), so it is
not unseen wording. `fact` is one general fact, `facts-N` the same among N; `absent` asks for one that is missing."""

NEEDLES = tuple(kind.name for kind in NEEDLE_KINDS)

RULER = (
    "ruler-single-1",
    "ruler-single-2",
    "ruler-single-3",
    "ruler-multikey-1",
    "ruler-multikey-2",
    "ruler-multikey-3",
    "ruler-multivalue",
    "ruler-multiquery",
    "ruler-vt",
    "ruler-cwe",
    "ruler-fwe",
    "ruler-qa",
)
"""The tasks of RULER, on the same grid: needles, variable tracking, common words, frequent words, questions."""

TEXT_KINDS = ("documents", "reading", "summary")
"""Questions about whole texts, at their own length. documents: the bundled report-like documents. reading: stories
from a file with questions. summary: what the stories in that file are about."""

OF_STORIES = ("reading", "summary")
"""Kinds that need a file of stories."""

KINDS = (*NEEDLES, *RULER, *TEXT_KINDS)

ENGLISH_ONLY = (*(kind.name for kind in NEEDLE_KINDS if kind.in_english_only), "ruler-qa", *TEXT_KINDS)
"""Kinds that exist only in English."""

SIZES: dict[str, dict[str, Any]] = {
    "quick": {"lengths": (512, 2048), "depths": (0, 50, 100), "samples": 1},
    "standard": {"lengths": (512, 2048, 8192), "depths": (0, 25, 50, 75, 100), "samples": 4},
    "full": {"lengths": (512, 1024, 2048, 4096, 8192, 16384), "depths": (0, 25, 50, 75, 100), "samples": 8},
}
"""Run sizes to start from: quick takes two minutes on a CPU with the starter, the others need a GPU or a night."""


def length_class(context_tokens: int) -> int:
    """The smallest power of two that is no less than a text's length, and at least 256."""
    return max(256, 1 << max(context_tokens - 1, 0).bit_length())

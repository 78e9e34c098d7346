"""What a benchmark measures: methods, tasks, sizes and how passages are found; nonsense is refused at once.

Knows names and numbers; knows nothing of models or of how anything is measured.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from random import Random
from typing import get_args

from gistdesk.benchmark_names import (
    BY_ADAPTER,
    BY_PASSAGES,
    BY_RATIO,
    ENGLISH_ONLY,
    KINDS,
    METHODS,
    NEEDLE_KINDS,
    OF_STORIES,
    TEXT_KINDS,
)
from gistdesk.core.errors import UserError
from gistdesk.core.passages import CHUNK_TOKENS, OVERLAP_TOKENS
from gistdesk.core.ranking import TOP_K, RankBy, check_ranking
from gistdesk.core.sentences import Sentence
from trainer.benchmark.needles import Needle, own_needle
from trainer.benchmark.ruler import RULER_KINDS

DRAWN: dict[str, Callable[[Random, str], Needle]] = {
    **{kind.name: resolve_name(kind.drawn_by) for kind in NEEDLE_KINDS},
    **RULER_KINDS,
}
"""How the needles of a grid are drawn, by kind."""

LANGUAGES = ("en", "ko")


@dataclass(frozen=True)
class BenchConfig:
    """What is measured.

    Attributes:
        lengths: lengths of generated documents, tokens.
        depths: where the needle is, as the percentage of the document before it.
        samples: per length, depth, language and kind.
        languages: "en", "ko"; records in files that name another one are skipped.
        methods: of `METHODS`.
        kinds: of `KINDS`; grid kinds are ignored when `needle` is given; may be empty if there are files.
        ratio: tokens per slot; with several, every method of `BY_RATIO` is measured at each.
        seed: for everything random.
        haystack: text file to hide needles in; empty takes the bundled evaluation texts.
        needle, question: a needle of the user's own, with {value} in it.
        top_k: number of passages that rag and hybrid read.
        chunk_tokens, overlap_tokens: most tokens of a passage, and of the sentences it shares with the next one.
        rank_by: how passages are found: see `ranking.RankBy`.
        longbench: folder of LongBench's JSONL files; empty: none.
        choices: a JSONL file of multiple-choice questions; empty: none.
        instructions: a JSON or JSONL file in the Alpaca+ form; empty: none.
        reading: a file of stories with questions, for "reading" and "summary"; empty: none. See `texts`.
        records: most records taken from one file, from its start; for stories, the number of questions, drawn by the
            seed; 0 takes all.
    """

    lengths: tuple[int, ...] = (512, 2048, 8192)
    depths: tuple[int, ...] = (0, 25, 50, 75, 100)
    samples: int = 4
    languages: tuple[str, ...] = LANGUAGES
    methods: tuple[str, ...] = METHODS[:5]
    kinds: tuple[str, ...] = ("passkey",)
    ratio: float | tuple[float, ...] = 100.0
    seed: int = 1
    haystack: str = ""
    needle: str = ""
    question: str = ""
    top_k: int = TOP_K
    chunk_tokens: int = CHUNK_TOKENS
    overlap_tokens: int = OVERLAP_TOKENS
    rank_by: RankBy = "auto"
    longbench: str = ""
    choices: str = ""
    instructions: str = ""
    reading: str = ""
    records: int = 0

    def __post_init__(self) -> None:
        known = {
            Sentence("method"): (self.methods, METHODS),
            Sentence("needle kind"): (self.kinds, KINDS),
            Sentence("language"): (self.languages, LANGUAGES),
            Sentence("way to rank passages"): ((self.rank_by,), get_args(RankBy)),
        }
        for what, (given, allowed) in known.items():
            if not given and not (what == "needle kind" and self.files):
                raise UserError("No {what} is given.", "Choose from {names}.", what=what, names=", ".join(allowed))
            for name in given:
                if name not in allowed:
                    raise UserError(
                        'There is no {what} "{name}".',
                        "Choose from {names}.",
                        what=what,
                        name=name,
                        names=", ".join(allowed),
                    )
        if not self.series and not self.files and not self.text_kinds:
            raise UserError(
                "These needles exist only in English: {names}.",
                "Add en to --languages.",
                names=", ".join(self.kinds),
            )
        self._check_texts()
        self._check_numbers()
        if bool(self.needle) != bool(self.question):
            raise UserError("A needle of your own needs a question, and a question needs a needle.", "Give both.")
        if self.needle:
            own_needle(self.needle, self.question)
        if set(BY_PASSAGES) & set(self.methods):
            check_ranking(self.rank_by)

    def _check_texts(self) -> None:
        of_stories = [kind for kind in self.kinds if kind in OF_STORIES]
        if of_stories and not self.reading:
            raise UserError(
                "A file of stories is needed for {kinds}.",
                "Give one with --reading FILE.",
                kinds=", ".join(of_stories),
            )
        if self.reading and not of_stories:
            raise UserError("A file of stories is given, but no kind asks about it.", "Add --kinds reading,summary.")
        if "section" in self.methods and not {"documents", "reading"} & set(self.text_kinds):
            raise UserError(
                "Only documents and reading know which section holds the answer.",
                "Add one of them to --kinds, or leave section out of --methods.",
            )

    def _check_numbers(self) -> None:
        if not self.lengths or min(self.lengths) < 64:
            raise UserError("A length must be at least 64 tokens.", "Give for example --lengths 512,2048.")
        if not self.depths or not all(0 <= depth <= 100 for depth in self.depths):
            raise UserError("A depth is a percentage from 0 to 100.", "Give for example --depths 0,50,100.")
        if self.samples < 1:
            raise UserError("There must be at least one sample.", "Give --samples 1 or more.")
        if not self.ratios:
            raise UserError("No ratio is given.", "Give for example --ratio 100.")
        for ratio in self.ratios:
            if not 1.0 <= ratio < math.inf:
                raise UserError("A ratio of {ratio:g} is not possible.", "Give for example --ratio 100.", ratio=ratio)
        if self.top_k < 1:
            raise UserError("At least one passage has to be read.", "Give --top-k 1 or more.")
        if self.chunk_tokens < 8:
            raise UserError("A passage must have at least 8 tokens.", "Give for example --chunk-tokens 128.")
        if not 0 <= self.overlap_tokens <= self.chunk_tokens // 2:
            raise UserError(
                "Passages of {n} tokens cannot overlap by {overlap}.",
                "Give --overlap-tokens 0 to {most}.",
                n=self.chunk_tokens,
                overlap=self.overlap_tokens,
                most=self.chunk_tokens // 2,
            )
        if self.records < 0:
            raise UserError("A number of records cannot be negative.", "Give --records 0 for all of them.")

    @property
    def ratios(self) -> tuple[float, ...]:
        return self.ratio if isinstance(self.ratio, tuple) else (self.ratio,)

    @property
    def files(self) -> bool:
        """Whether anything is read from files."""
        return bool(self.longbench or self.choices or self.instructions)

    @property
    def series(self) -> list[tuple[str, str]]:
        """Needle kind and language of every grid to be measured."""
        kinds = ("own",) if self.needle else tuple(kind for kind in self.kinds if kind not in TEXT_KINDS)
        return [(k, lang) for k in kinds for lang in self.languages if k not in ENGLISH_ONLY or lang == "en"]

    @property
    def text_kinds(self) -> list[str]:
        """Kinds whose questions are about whole texts, in the languages to be measured."""
        return [kind for kind in self.kinds if kind in TEXT_KINDS and "en" in self.languages]

    @property
    def variants(self) -> list[tuple[str, float | None]]:
        """Every method, once per ratio if it depends on one."""
        return [(m, ratio) for m in self.methods for ratio in (self.ratios if m in BY_RATIO else (None,))]

    @property
    def needs_adapter(self) -> bool:
        return bool(set(BY_ADAPTER) & set(self.methods))

    @property
    def n_trials(self) -> int:
        """Number of trials in the grids; questions about whole texts and from files come on top."""
        n_variants = sum(method != "section" for method, _ in self.variants)
        return len(self.series) * len(self.lengths) * len(self.depths) * self.samples * n_variants

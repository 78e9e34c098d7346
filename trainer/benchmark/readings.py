"""What each method puts in front of a question, and what that costs to prepare, to keep and to read.

Gists come from the product's own `compress`, and contexts are the product's own. Knows nothing of scores or of runs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name
from typing import Generic, TypeVar

import torch
from torch import Tensor

from gistdesk.benchmark_names import BENCH_METHODS, BY_PASSAGES
from gistdesk.core.answer import Context
from gistdesk.core.compress import batch_tokens_for, compress
from gistdesk.core.gist import GistKV
from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory
from gistdesk.core.methods import METHODS as GIST_METHODS
from gistdesk.core.methods import Method, chosen_method
from gistdesk.core.model import GistModel
from gistdesk.core.passages import (
    Passage,
    PassageIndex,
    context_with_passages,
    cut_passages,
    passages_text,
    within,
)
from gistdesk.core.plan import plan_tokens
from gistdesk.core.recitation import Recited, recited, recites
from gistdesk.core.summary import looked_up
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.samples import Sample, Source, without_middle

_SHOWN_CHARACTERS = 800
"""Length kept at each end of a text when a report shows a prompt."""
_TEMPLATE_TOKENS = 32
_QUESTION_TOKENS = 96
"""Room for any of the questions about one text, which is truncated once for all of them."""

_READ_BY = {method.name: method.read_by for method in BENCH_METHODS}

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared(Generic[T]):
    """What is made from a document once, before any question."""

    made: T
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Reading:
    """A context ready for its question.

    Attributes:
        ratio: document tokens per token or slot read in their place; None if no gist sets the size.
        kept_bytes: what has to be kept of the document between two questions.
        prepare_s: seconds to make that, once per document.
        prefill_s: seconds from the question to a context that holds everything.
        prepare_peak_bytes: peak memory while it was made; 0 if nothing was.
        passages: the passages read, best first.
        shown: what is before the question, as text; long texts without their middle.
    """

    context: Context
    ratio: float | None
    kept_bytes: int
    prepare_s: float
    prefill_s: float
    prepare_peak_bytes: int
    passages: tuple[Passage, ...]
    shown: str


Read = Callable[["Reader", Sample, str, float | None], Reading]
"""The method that a row of `BENCH_METHODS` names."""


class Reader:
    """Puts documents in front of a model by any of the methods; keeps what the next method can reuse.

    Attributes:
        model: the model that reads.
        position_bytes: of the keys and values of one token.
    """

    def __init__(self, model: GistModel, config: BenchConfig) -> None:
        self.model, self._config = model, config
        layers, two, heads, head_dim = model.kv_shape
        self.position_bytes = layers * two * heads * head_dim * torch.empty(0, dtype=model.dtype).element_size()
        self._name = ""
        self._gists: dict[tuple[str, float, Method | None], Prepared[GistKV]] = {}
        self._indexes: dict[tuple[str, int], Prepared[PassageIndex]] = {}
        self._recited: dict[tuple[str, int], Prepared[Recited]] = {}
        self._kept: dict[tuple[str, float | None], Reading] = {}

    def read(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """Put a sample's document in front, the way a method does.

        What all questions about a document share is read once. Every answer is computed as if it were the first; the
        peak memory for such documents is that of all methods together.
        """
        self._forget_all_but(sample.source.name)
        if not sample.is_one_of_several or method in BY_PASSAGES or method == "section":
            return self._read(sample, method, ratio)
        key = method, ratio
        if key not in self._kept:
            self._kept[key] = self._read(sample, method, ratio)
        self._kept[key].context.forget()
        return self._kept[key]

    def _read(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        read: Read = resolve_name(_READ_BY[method])
        return read(self, sample, method, ratio)

    def gist_of(self, source: Source, ratio: float, method: Method | None = None) -> Prepared[GistKV]:
        key = source.name, ratio, method
        if key not in self._gists:
            self._gists[key] = _prepared(self.model, lambda: gist_of(self.model, source.token_ids, ratio, method))
        return self._gists[key]

    def nothing(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """No document at all."""
        return self.reading(lambda: (Context(self.model, prompt=sample.prompt), ()), "")

    def gist(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """The document's own gist."""
        return self._gist(sample, sample.source, method, _given(ratio))

    def wrong_gist(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """The gist of a document that does not hold the answer."""
        return self._gist(sample, sample.other(), method, _given(ratio))

    def _gist(self, sample: Sample, source: Source, method: str, ratio: float) -> Reading:
        gist = self.gist_of(source, ratio, made_by(method))
        return self.reading(
            lambda: (Context(self.model, [gist.made], prompt=sample.prompt), ()),
            _gist_shown(gist.made),
            ratio=gist.made.ratio,
            kept_bytes=gist.made.kv_bytes,
            prepared=(gist,),
        )

    def recited(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """What a gist recites of its document, looked up for the question as in a chat."""
        gist = self.gist_of(sample.source, _given(ratio), made_by(method))
        told = self._told(sample.source, gist.made) if recites([gist.made]) else None

        def read() -> tuple[Context, Sequence[Passage]]:
            context = told and told.made.context(sample.question, self._config.top_k, prompt=sample.prompt)
            return context or Context(self.model, [gist.made], prompt=sample.prompt), ()

        return self.reading(
            read,
            _gist_shown(gist.made),
            ratio=gist.made.ratio,
            kept_bytes=gist.made.kv_bytes,
            prepared=(gist, told) if told else (gist,),
        )

    def section(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """The part of the document that holds the answer."""
        assert sample.section is not None
        ids = sample.section
        return self.reading(
            lambda: (Context(self.model, text_ids=ids, prompt=sample.prompt), ()),
            shortened(self.model.tokenizer.decode(ids.tolist())),
        )

    def text(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        """The whole text, or as much of it as the gist has slots."""
        ids = sample.source.token_ids
        n_kept = len(ids) if ratio is None else self._n_slots(ids, ratio)
        if ratio is None and sample.may_be_cut:
            n_asked = len(self.model.token_ids(sample.question))
            n_question = max(n_asked, _QUESTION_TOKENS) if sample.is_one_of_several else n_asked
            n_question += len(self.model.token_ids(sample.prompt.prefix)) if sample.prompt else 0
            n_kept = min(n_kept, self.model.max_positions - n_question - sample.max_tokens - _TEMPLATE_TOKENS)
        ends = {"truncate": ids[:n_kept], "truncate-last": ids[len(ids) - n_kept :]}
        kept = ends.get(method, without_middle(ids, n_kept))
        return self.reading(
            lambda: (Context(self.model, text_ids=kept, prompt=sample.prompt), ()),
            shortened(self.model.tokenizer.decode(kept.tolist())),
            ratio=None if ratio is None else len(ids) / n_kept,
            kept_bytes=len(kept) * self.position_bytes,
        )

    def best_passages(self, sample: Sample, method: str, ratio: float | None) -> Reading:
        gist = self.gist_of(sample.source, _given(ratio)) if method == "hybrid" else None
        n_slots = self._n_slots(sample.source.token_ids, _given(ratio)) if method == "rag-budget" else 0
        index = self._index(sample.source, min(self._config.chunk_tokens, n_slots or self._config.chunk_tokens))
        gists = [gist.made] if gist else []
        found_for = partial(looked_up, self.model, index.made, sample.question, prompt=sample.prompt)

        def read() -> tuple[Context, Sequence[Passage]]:
            if n_slots:
                found = within(self.model, found_for(n_slots, most_tokens=n_slots), n_slots)
            else:
                found = found_for(self._config.top_k)
            unmatched = index.made.unmatched(sample.question)
            context = context_with_passages(
                *(self.model, gists, found), question=sample.question, unmatched=unmatched, prompt=sample.prompt
            )
            return context, found

        tokens = gist.made.ratio if gist else len(sample.source.token_ids) / n_slots if n_slots else None
        return self.reading(
            read,
            _gist_shown(gist.made) if gist else "",
            ratio=tokens,
            kept_bytes=index.made.n_bytes + (gist.made.kv_bytes if gist else 0),
            prepared=(index, gist) if gist else (index,),
        )

    def reading(
        self,
        read: Callable[[], tuple[Context, Sequence[Passage]]],
        shown: str,
        *,
        ratio: float | None = None,
        kept_bytes: int = 0,
        prepared: tuple[Prepared[GistKV] | Prepared[PassageIndex] | Prepared[Recited], ...] = (),
    ) -> Reading:
        """Time what happens once the question is there; peak memory is counted from here on."""
        reset_peak_memory()
        begun = time.perf_counter()
        context, passages = read()
        prefill_s = time.perf_counter() - begun
        return Reading(
            context,
            None if ratio is None else round(ratio, 2),
            kept_bytes,
            sum(part.seconds for part in prepared),
            prefill_s,
            max((part.peak_bytes for part in prepared), default=0),
            tuple(passages),
            "\n\n".join(part for part in (shown, shortened(passages_text(passages))) if part),
        )

    def _n_slots(self, token_ids: Tensor, ratio: float) -> int:
        return plan_tokens(self.model, token_ids, ratio=ratio).n_slots

    def _index(self, source: Source, chunk_tokens: int) -> Prepared[PassageIndex]:
        key = source.name, chunk_tokens
        if key not in self._indexes:
            self._indexes[key] = _prepared(self.model, lambda: self._indexed(source, chunk_tokens))
        return self._indexes[key]

    def _indexed(self, source: Source, chunk_tokens: int) -> PassageIndex:
        text = self.model.tokenizer.decode(source.token_ids.tolist())
        overlap_tokens = min(self._config.overlap_tokens, chunk_tokens // 3)
        passages = cut_passages(self.model, [text], chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
        return PassageIndex(passages, self._config.rank_by)

    def _told(self, source: Source, gist: GistKV) -> Prepared[Recited]:
        key = source.name, gist.n_slots
        if key not in self._recited:
            self._recited[key] = _prepared(self.model, lambda: recited(self.model, [gist], self._config.rank_by))
        return self._recited[key]

    def _forget_all_but(self, name: str) -> None:
        """For a new sample. Its own gist may exist already, as the previous sample's wrong one."""
        if name == self._name:
            return
        self._name = name
        self._kept = {}
        self._gists = {key: gist for key, gist in self._gists.items() if key[0] == name}
        self._indexes = {key: index for key, index in self._indexes.items() if key[0] == name}
        self._recited = {key: told for key, told in self._recited.items() if key[0] == name}


def made_by(method: str) -> Method | None:
    """How a benchmark method makes its gist; None: in the model's usual way, or it has none."""
    return chosen_method(method, has_adapter=False) if method in GIST_METHODS else None


def gist_of(model: GistModel, token_ids: Tensor, ratio: float, method: Method | None = None) -> GistKV:
    """Compress tokens exactly as a document is compressed; `method` None is the model's usual way."""
    plan = plan_tokens(model, token_ids, ratio=ratio, method=method)
    *_, gist = compress(model, plan, batch_tokens=batch_tokens_for(model))
    return gist


def shortened(text: str) -> str:
    """A long text without its middle."""
    n_left_out = len(text) - 2 * _SHOWN_CHARACTERS
    if n_left_out < 1:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}\n[... {n_left_out:,} characters ...]\n{text[-_SHOWN_CHARACTERS:]}"


def _gist_shown(gist: GistKV) -> str:
    return f"[the gist of {gist.n_tokens:,} tokens in {gist.n_slots:,} slots]"


def _given(ratio: float | None) -> float:
    if ratio is None:
        raise RuntimeError("this method needs a ratio")
    return ratio


def _prepared(model: GistModel, make: Callable[[], T]) -> Prepared[T]:
    reset_peak_memory()
    begun = time.perf_counter()
    made = make()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return Prepared(made, time.perf_counter() - begun, peak_memory_bytes(model.device))

"""Passages of a kept text, each with its place: cut once, found for a question, and put behind a gist.

A context with a gist in front and the best passages after it is what chat ("Look up passages") and benchmark call
`hybrid`; without a gist it is plain retrieval. Knows nothing of where texts are kept.
"""

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from gistdesk.core.answer import Context
from gistdesk.core.compress import text_pieces
from gistdesk.core.gist import GistKV
from gistdesk.core.model import GistModel
from gistdesk.core.plain_text import plain_spans
from gistdesk.core.ranking import RankBy, ranker_of

_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)\]]*(?=\s)|\n")
_WORD_END = re.compile(r"\S(?=\s)")
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Passage:
    """A stretch of a page: `pages[page - 1][start:end]` is its text.

    Attributes:
        page: counted from 1.
        n_tokens: of its text, by the model's tokenizer.
        document: where several are looked up together, which one it is of, from 0.
    """

    page: int
    start: int
    end: int
    text: str
    n_tokens: int
    document: int = 0


def cut_passages(
    model: GistModel, pages: Sequence[str], *, chunk_tokens: int = 128, overlap_tokens: int = 16
) -> list[Passage]:
    """Cut pages into passages of at most `chunk_tokens`, which overlap; none goes over a page's end.

    A passage ends with the last sentence that ends in its final third, or else with a word.

    Args:
        overlap_tokens: tokens of a passage's end with which the next one begins; less than half of a chunk.
    """
    steps = cutting_passages(model, pages, chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            passages: list[Passage] = finished.value
            return passages


def cutting_passages(
    model: GistModel, pages: Sequence[str], *, document: int = 0, chunk_tokens: int = 128, overlap_tokens: int = 16
) -> Generator[int, None, list[Passage]]:
    """`cut_passages` in steps; yields how many characters are read, and returns the passages of this `document`."""
    if not 0 <= overlap_tokens <= chunk_tokens // 2:
        raise RuntimeError(f"chunks of {chunk_tokens} tokens cannot overlap by {overlap_tokens}")
    passages = []
    n_read = 0
    for number, page in enumerate(pages, 1):
        spans: list[tuple[int, int]] = []
        at = 0
        for piece in text_pieces(page):
            spans += [(at + start, at + end) for start, end in plain_spans(model.tokenizer, piece)]
            at += len(piece)
            n_read += len(piece)
            yield n_read
        first = 0
        while first < len(spans):
            last = min(first + chunk_tokens, len(spans))
            if last < len(spans):
                last = _good_end(page, spans, first, last)
            start, end = spans[first][0], spans[last - 1][1]
            start += len(page[start:end]) - len(page[start:end].lstrip())
            if page[start:end].strip():
                passages.append(Passage(number, start, end, page[start:end], last - first, document))
            if last == len(spans):
                break
            first = max(first + 1, last - overlap_tokens)
    return passages


def _good_end(page: str, spans: Sequence[tuple[int, int]], first: int, last: int) -> int:
    """The token before which a passage ends: after a sentence of its final third, else after a word of it."""
    earliest = first + (2 * (last - first)) // 3
    latest = spans[last - 1][1]
    for pattern in (_SENTENCE_END, _WORD_END):
        ends = [m.end() for m in pattern.finditer(page, spans[earliest][0], latest + 1) if m.end() <= latest]
        if ends:
            return max(i for i in range(earliest + 1, last + 1) if i == earliest + 1 or spans[i - 1][1] <= ends[-1])
    return last


class PassageIndex:
    """The passages of one document, or of several, ready for questions.

    Attributes:
        passages: in the documents' order.
        ranked_by: "bm25" or "embeddings".
        n_bytes: of text and index that have to be kept to answer from passages.

    Raises:
        UserError: embeddings are asked for and not installed.
    """

    def __init__(self, passages: Sequence[Passage], by: RankBy = "auto") -> None:
        self.passages = list(passages)
        self._ranker = ranker_of([passage.text for passage in self.passages], by)
        self.ranked_by = self._ranker.name
        self.n_bytes = sum(len(passage.text.encode()) for passage in self.passages) + self._ranker.n_bytes

    def best(self, question: str, n: int) -> list[Passage]:
        """The best passages for a question, best first; fewer where no more of them match."""
        scores = self._ranker.scores(question)
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        return [self.passages[i] for i in order[:n] if scores[i] > 0]


def within(model: GistModel, passages: Iterable[Passage], n_tokens: int) -> list[Passage]:
    """The first passages that, read together, have at most so many tokens; the last one is cut off if need be."""
    kept = []
    n_between = len(model.token_ids(_BETWEEN))
    for passage in passages:
        if passage.n_tokens > n_tokens:
            passage = _shortened(model, passage, n_tokens)
        if passage.n_tokens:
            kept.append(passage)
        n_tokens -= passage.n_tokens + n_between
        if n_tokens < 1:
            break
    return kept


def _shortened(model: GistModel, passage: Passage, n_tokens: int) -> Passage:
    spans = plain_spans(model.tokenizer, passage.text)[:n_tokens]
    length = spans[-1][1] if spans else 0
    return replace(passage, end=passage.start + length, text=passage.text[:length], n_tokens=len(spans))


def passages_text(passages: Iterable[Passage]) -> str:
    """What the model reads: the passages in the documents' order, with a blank line between them."""
    ordered = sorted(passages, key=lambda passage: (passage.document, passage.page, passage.start))
    return _BETWEEN.join(passage.text for passage in ordered)


def context_with_passages(
    model: GistModel, gists: Sequence[GistKV], passages: Sequence[Passage], *, system: str | None = None
) -> Context:
    """A context of gists, or none, and the passages of the kept texts behind them.

    Raises:
        UserError: it does not fit into the model's window, or a gist is not of this model.
    """
    if not passages:
        return Context(model, gists, system=system)
    before = _BETWEEN if gists else ""
    ids = torch.tensor(model.token_ids(before + passages_text(passages)), dtype=torch.long)
    return Context(model, gists, text_ids=ids, system=system)

"""Passages of a kept text, each with its location: cut once, found for a question, and put after a gist.

A context with a gist first and the best passages after it is what chat ("Look up passages") and benchmark call
`hybrid`; without a gist it is plain retrieval. Knows nothing of where texts are kept.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from gistdesk.core.answer import Context
from gistdesk.core.asked import asks_for_a_fact, asks_for_a_summary
from gistdesk.core.gist import GistKV
from gistdesk.core.lexical import Words, sentences
from gistdesk.core.model import GistModel
from gistdesk.core.plain_text import plain_spans, text_pieces
from gistdesk.core.prompt import Prompt
from gistdesk.core.quoting import Excerpt, Quotes, Told
from gistdesk.core.ranking import RankBy, ranker_of
from gistdesk.core.unmatched import unmatched_words

CHUNK_TOKENS = 96
OVERLAP_TOKENS = 32
"""On 1,156 questions about fairy tales the answer was in one of the best three passages for 56, 65, 72 and 78% at 48,
64, 96 and 128 tokens, and in the best one for 57% with this overlap, 56% without. A small reader does better with
little text; see `tests/benchmarks/passages.py`."""
_HEADING_CHARACTERS = 60
_BETWEEN = "\n\n"
_N_SENTENCES = 5
_MEANS_ANOTHER = re.compile(r"(?:It|He|She|They)\b")
_SMALL_READER = range(50 * 10**6, 10**9)
"""Parameters of models that are better at choosing a sentence than at reading passages and writing:
`tests/benchmarks/passages.py --readings` prints how much. The starter, smaller still, was trained on passages; none of
these can write a summary."""


@dataclass(frozen=True)
class Passage:
    """A stretch of a page: `pages[page - 1][start:end]` is its text.

    Attributes:
        page: counted from 1.
        n_tokens: of its text, by the model's tokenizer.
        document: index of its document, from 0, if several are searched together.
        is_title: it is a document's title, at the head of its summary.
    """

    page: int
    start: int
    end: int
    text: str
    n_tokens: int
    document: int = 0
    is_title: bool = False


def cut_passages(
    model: GistModel,
    pages: Sequence[str],
    *,
    document: int = 0,
    chunk_tokens: int = CHUNK_TOKENS,
    overlap_tokens: int = OVERLAP_TOKENS,
) -> list[Passage]:
    """Cut pages into passages of a few whole sentences; none crosses a page's end.

    A heading stays with what follows it, and a sentence longer than a passage is cut after a word.

    Args:
        chunk_tokens: most tokens of a passage.
        overlap_tokens: the last sentences of a passage that together have no more tokens also begin the next one.
    """
    steps = cutting_passages(model, pages, document=document, chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            passages: list[Passage] = finished.value
            return passages


def cutting_passages(
    model: GistModel,
    pages: Sequence[str],
    *,
    document: int = 0,
    chunk_tokens: int = CHUNK_TOKENS,
    overlap_tokens: int = OVERLAP_TOKENS,
) -> Generator[int, None, list[Passage]]:
    """`cut_passages` in steps; yields the number of characters read, and returns the passages of this `document`."""
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
        units = _units(page, spans, chunk_tokens)
        for first, last in _grouped(units, chunk_tokens, overlap_tokens):
            start, end = spans[units[first].first][0], spans[units[last - 1].last - 1][1]
            start += len(page[start:end]) - len(page[start:end].lstrip())
            if page[start:end].strip():
                n_tokens = units[last - 1].last - units[first].first
                passages.append(Passage(number, start, end, page[start:end], n_tokens, document))
    return passages


@dataclass(frozen=True)
class _Unit:
    """A sentence, or a part of a long one: the tokens from `first` up to `last`."""

    first: int
    last: int
    is_heading: bool

    @property
    def n_tokens(self) -> int:
        return self.last - self.first


def _units(page: str, spans: Sequence[tuple[int, int]], most: int) -> list[_Unit]:
    """A page's sentences in tokens; every token belongs to one, and none has more than `most`."""
    units: list[_Unit] = []
    bounds = sentences(page)
    first = 0
    for number, (start, end) in enumerate(bounds):
        next_start = bounds[number + 1][0] if number + 1 < len(bounds) else len(page) + 1
        last = first
        while last < len(spans) and spans[last][1] <= next_start:
            last += 1
        is_heading = page[start] == "#" or (end - start < _HEADING_CHARACTERS and page[end - 1].isalnum())
        while last - first > most:
            stop = _word_end(page, spans, first, first + most)
            units.append(_Unit(first, stop, False))
            first = stop
        if last > first:
            units.append(_Unit(first, last, is_heading))
        first = last
    while first < len(spans):
        stop = min(first + most, len(spans))
        units.append(_Unit(first, stop, False))
        first = stop
    return units


def _word_end(page: str, spans: Sequence[tuple[int, int]], first: int, last: int) -> int:
    """The token before which to split a long sentence: after a word in the part's final third, if one ends there."""
    earliest = first + (2 * (last - first)) // 3
    ends = [i for i in range(earliest + 1, last + 1) if page[spans[i - 1][1] : spans[i - 1][1] + 1].isspace()]
    return ends[-1] if ends else last


def _grouped(units: Sequence[_Unit], chunk_tokens: int, overlap_tokens: int) -> Iterator[tuple[int, int]]:
    """The sentences of each passage: from the first up to, not including, the last."""
    first = 0
    while first < len(units):
        last = first + 1
        while last < len(units) and units[last].last - units[first].first <= chunk_tokens:
            last += 1
        while last < len(units) and last - 1 > first and units[last - 1].is_heading:
            last -= 1
        yield first, last
        if last == len(units):
            return
        back = last
        while back - 1 > first and units[last - 1].last - units[back - 1].first <= overlap_tokens:
            back -= 1
        first = back


class PassageIndex:
    """The passages of one document, or of several, ready for questions.

    Attributes:
        passages: in the documents' order.
        n_bytes: of text and index that must be kept to answer from passages.

    Raises:
        UserError: embeddings are requested and not installed.
    """

    def __init__(self, passages: Sequence[Passage], by: RankBy = "auto") -> None:
        self.passages = list(passages)
        self._ranker = ranker_of([passage.text for passage in self.passages], by)
        self.n_bytes = sum(len(passage.text.encode()) for passage in self.passages) + self._ranker.n_bytes

    def best(self, question: str, n: int) -> list[Passage]:
        """The best passages for a question, best first; fewer if no more of them match."""
        scores = self._ranker.scores(question)
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        return [self.passages[i] for i in order[:n] if scores[i] > 0]

    def unmatched(self, question: str) -> tuple[str, ...]:
        """Words of a question that are in none of the passages; see `unmatched_words`."""
        return unmatched_words(question, "\n".join(passage.text for passage in self.passages))


def within(model: GistModel, passages: Iterable[Passage], n_tokens: int) -> list[Passage]:
    """The first passages that together have at most this many tokens; the last one is cut short if need be."""
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
    model: GistModel,
    gists: Sequence[GistKV],
    passages: Sequence[Passage],
    *,
    question: str = "",
    unmatched: Sequence[str] = (),
    system: str | None = None,
    prompt: Prompt | None = None,
) -> Context:
    """A context of gists, if any, followed by the passages of the kept texts; for a small model see `question`.

    Args:
        question: that the passages were looked up for; "": none. If it asks for a fact, a small model answers
            with one of their sentences, see `quoting`, and if it asks for a summary, with all of them, see
            `summary.looked_up`; gists then play no part. It writes anything else from gists alone.
        unmatched: words of the question that are nowhere in the texts: then a sentence has to suit it better.
        prompt: wording around it other than the model's chat template.

    Raises:
            UserError: it does not fit into the model's window, or a gist belongs to another model.
    """
    is_small = prompt is None and bool(question.strip()) and model.n_parameters in _SMALL_READER
    if is_small and asks_for_a_fact(question):
        return Quotes(model, telling(question, passages), unmatched=unmatched, system=system)
    if summarises_by_quoting(model, question, prompt):
        return Excerpt(model, [(passage.text, passage.is_title) for passage in passages], system=system)
    if not passages or (is_small and gists):  # what is not a fact is of the whole text, as gists are
        return Context(model, gists, system=system, prompt=prompt)
    before = _BETWEEN if gists else ""
    ids = torch.tensor(model.token_ids(before + passages_text(passages)), dtype=torch.long)
    return Context(model, gists, text_ids=ids, system=system, prompt=prompt)


def summarises_by_quoting(model: GistModel, question: str, prompt: Prompt | None = None) -> bool:
    """Whether a question asks for a summary, not in a wording of its own, and the model is too small to write one."""
    return prompt is None and model.n_parameters < _SMALL_READER.stop and asks_for_a_summary(question)


def telling(question: str, passages: Sequence[Passage]) -> list[Told]:
    """The sentences of these passages that suit a question best, best first; if none does, their first ones.

    A sentence that begins with a pronoun comes with the one before it, which says who or what is meant.
    """
    found: dict[tuple[int, int, int], str] = {}
    for passage in passages:
        before = 0
        for start, end in sentences(passage.text):
            begin = before if _MEANS_ANOTHER.match(passage.text, start) else start
            place = passage.document, passage.page, passage.start + start
            found[place] = max(found.get(place, ""), " ".join(passage.text[begin:end].split()), key=len)
            before = start
    texts = [found[place] for place in sorted(found)]
    scores = Words(texts).scores(question)
    best = sorted(range(len(texts)), key=lambda i: (-scores[i], i))[:_N_SENTENCES]
    suiting = [i for i in best if scores[i] > 0] or best
    return [Told(texts[i], scores[i] / (scores[best[0]] or 1)) for i in suiting]

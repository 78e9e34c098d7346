"""Which sentence of the kept texts an answer or a question is about: `grounding` over pages of several documents.

Knows pages; knows nothing of entries, models or windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gistdesk.core.lexical import sentences, terms_of
from gistdesk.core.unmatched import NOT_FOUND, unmatched_words
from gistdesk.library.grounding import ground

_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Sentence:
    """A stretch of a page, counted from 1, of one of several documents, from 0: `pages[page - 1][start:end]`."""

    document: int
    page: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Evidence:
    """What texts have of an answer: see `Grounding`; `sentence` is None if none holds most of it.

    Attributes:
        unmatched: words of the question that are nowhere in the texts.
    """

    found: bool
    missing: tuple[str, ...]
    sentence: Sentence | None
    unmatched: tuple[str, ...] = ()


def evidence(answer: str, documents: Sequence[Sequence[str]], question: str = "") -> Evidence | None:
    """Look for an answer in the pages of documents; None if there is nothing to tell, as of "Yes." to most questions.

    Args:
        question: the words of which are looked for, too; "": none.
    """
    if not documents:
        return None
    places = [(i, number, page) for i, pages in enumerate(documents) for number, page in enumerate(pages, 1)]
    text = _BETWEEN.join(page for _, _, page in places)
    unmatched = unmatched_words(question, text) if question else ()
    if answer == NOT_FOUND or not ground(answer, answer).found:  # it contains nothing to look for
        return Evidence(False, (), None, unmatched) if unmatched or answer == NOT_FOUND else None
    grounding = ground(answer, text)
    if grounding.start < 0:
        return Evidence(grounding.found, grounding.missing, None, unmatched)
    before = 0
    for document, number, page in places:
        if grounding.start < before + len(page):
            start, end = grounding.start - before, min(grounding.end - before, len(page))
            sentence = Sentence(document, number, start, end, page[start:end])
            return Evidence(grounding.found, grounding.missing, sentence, unmatched)
        before += len(page) + len(_BETWEEN)
    raise RuntimeError("a sentence beyond the end of the text")


def sentence_about(question: str, passages: Sequence[str]) -> tuple[int, int, int]:
    """The sentence of the passages, best first, with most of a question's words -> passage, start and end in it.

    If no sentence has any of them, the best passage was found by its meaning, and the result is all of it.
    """
    terms = terms_of(question)
    best, place = 0.0, (0, 0, len(passages[0]))
    for number, passage in enumerate(passages):
        for start, end in sentences(passage):
            small = passage[start:end].lower()
            score = sum(term.weight for term in terms if term.is_in(small))
            if score > best:
                best, place = score, (number, start, end)
    return place

"""What is looked up for a question: passages that suit it, or, for a summary, the sentences that say most of the texts.

Knows nothing of how an answer is made of them.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from gistdesk.core.asked import length_of, topic_of
from gistdesk.core.excerpt import excerpt, is_sentence
from gistdesk.core.lexical import Words, sentences
from gistdesk.core.model import GistModel
from gistdesk.core.passages import Passage, PassageIndex, summarises_by_quoting
from gistdesk.core.prompt import Prompt
from gistdesk.core.ranking import TOP_K

_N_SENTENCES, _MOST_SENTENCES = 6, 20
_MOST_TOKENS = 480
"""Of a summary: an answer may have 512 unless more is asked for."""
_MOST_PASSAGES = 10
"""Of a summary of one matter."""
_TITLE_CHARACTERS = 120
_NO_TITLE = re.compile(r"[-|*+>`=~<]|dear\b|page \d|https?:|.*[,:;]$", re.IGNORECASE)


def looked_up(
    model: GistModel,
    index: PassageIndex,
    question: str,
    n: int = TOP_K,
    *,
    prompt: Prompt | None = None,
    most_tokens: int = _MOST_TOKENS,
) -> list[Passage]:
    """The `n` passages that suit a question best, best first; if it is to be summarised by quoting, what is quoted.

    These are a document's title, if it begins with one, and sentences from all over it, or of what it says about the
    one matter that the summary is to be about. Several documents share the number of sentences that is asked for, and
    there are fewer if all together would have more than `most_tokens`.
    """
    if not summarises_by_quoting(model, question, prompt):
        return index.best(question, n)
    of_document = _documents(index, topic_of(question))
    wanted = max(1, min(length_of(question) or _N_SENTENCES, _MOST_SENTENCES))
    while True:
        found = [
            replace(each, n_tokens=len(model.token_ids(each.text)))
            for number, (title, rest) in enumerate(of_document)
            for each in (*title, *_chosen(rest, wanted, number, len(of_document)))
        ]
        if sum(each.n_tokens for each in found) <= most_tokens:
            return found
        if wanted > len(of_document):
            wanted -= 1
        elif len(of_document) > 1:
            of_document = of_document[:-1]
            wanted = len(of_document)
        else:
            return found


def _documents(index: PassageIndex, topic: str) -> list[tuple[list[Passage], list[Passage]]]:
    """Title, if there is one, and sentences of each document; of a topic, of those that say something of it."""
    passages = index.best(topic, _MOST_PASSAGES) if topic else index.passages
    found = []
    for document in sorted({passage.document for passage in passages}):
        begin = _sentences(passage for passage in index.passages if passage.document == document)[:1]
        title = [replace(each, is_title=True) for each in begin if _is_title(each.text)]
        told = _sentences(passage for passage in passages if passage.document == document)
        rest = [each for each in told if not title or (each.page, each.start) != (title[0].page, title[0].start)]
        found.append((title, _about(topic, rest) if topic else rest))
    return found


def _about(topic: str, told: list[Passage]) -> list[Passage]:
    """The sentences that name it; all if that is only said above them."""
    scores = Words([each.text for each in told]).scores(topic)
    named = [each for each, score in zip(told, scores, strict=True) if score > 0 and is_sentence(each.text)]
    return named or told


def _chosen(told: list[Passage], wanted: int, number: int, n_documents: int) -> list[Passage]:
    """Each document's share of what is wanted, and one at least."""
    n = max(1, wanted // n_documents + (number < wanted % n_documents))
    return [told[i] for i in excerpt([each.text for each in told], n)]


def _is_title(begin: str) -> bool:
    return (
        len(begin) < _TITLE_CHARACTERS and begin[-1].isalnum() and not is_sentence(begin) and not _NO_TITLE.match(begin)
    )


def _sentences(passages: Iterable[Passage]) -> list[Passage]:
    """Those of a document's passages, which overlap: each once and whole, not counted."""
    found = [
        replace(passage, start=passage.start + start, end=passage.start + end, text=passage.text[start:end], n_tokens=0)
        for passage in passages
        for start, end in sentences(passage.text)
    ]
    whole: list[Passage] = []
    for each in sorted(found, key=lambda each: (each.page, each.start, -each.end)):
        if not whole or (each.page, each.start) >= (whole[-1].page, whole[-1].end):
            whole.append(each)
    return whole

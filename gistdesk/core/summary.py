"""What is looked up for a question: passages that suit it, or, for a summary, the sentences that say most of the texts.

Knows nothing of how an answer is made of them.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from gistdesk.core.excerpt import excerpt, is_sentence
from gistdesk.core.lexical import NUMBER_OF_WORD, asks_for_a_summary, names_a_text, sentences
from gistdesk.core.model import GistModel
from gistdesk.core.passages import Passage, PassageIndex
from gistdesk.core.ranking import TOP_K

_N_SENTENCES, _MOST_SENTENCES = 6, 20
_MOST_PASSAGES = 10
"""Of a summary of one matter."""
_TITLE_CHARACTERS = 120
_NUMBER = re.compile(
    rf"\b(\d+|{'|'.join(NUMBER_OF_WORD)})\s+(?:\w+\s+)?(?:sentences?|lines?|points?|bullets?|ideas?|takeaways?)\b",
    re.IGNORECASE,
)
_KOREAN_NUMBER = re.compile(r"(\d+)\s*(?:문장|줄|가지)")
_ABOUT = re.compile(r"\b(?:about|on|regarding|concerning)\s+(.+)", re.IGNORECASE)


def looked_up(model: GistModel, index: PassageIndex, question: str, n: int = TOP_K) -> list[Passage]:
    """The `n` passages that suit a question best, best first; for a summary the sentences it consists of, in order.

    These are a document's title, if it begins with one, and sentences from all over it, or over what suits the one
    matter that the summary is to be about. Several documents share the number of sentences that is asked for.
    """
    if not asks_for_a_summary(question):
        return index.best(question, n)
    passages = _about(index, question) or index.passages
    documents = sorted({passage.document for passage in passages})
    n_each = -(-_n_sentences(question) // max(1, len(documents)))
    found: list[Passage] = []
    for document in documents:
        begin = _sentences(passage for passage in index.passages if passage.document == document)[:1]
        title = [each for each in begin if len(each.text) < _TITLE_CHARACTERS and not is_sentence(each.text)]
        told = _sentences(passage for passage in passages if passage.document == document)
        rest = [sentence for sentence in told if sentence not in title]
        found += [*title, *(rest[i] for i in excerpt([sentence.text for sentence in rest], n_each))]
    return [replace(each, n_tokens=len(model.token_ids(each.text))) for each in found]


def _about(index: PassageIndex, question: str) -> list[Passage]:
    """The passages about what a summary is to be about; none if that is the text."""
    about = _ABOUT.search(question)
    return [] if about is None or names_a_text(about[1]) else index.best(about[1], _MOST_PASSAGES)


def _n_sentences(question: str) -> int:
    """As many as it asks for."""
    for match in (*_NUMBER.finditer(question), *_KOREAN_NUMBER.finditer(question)):
        return max(1, min(int(NUMBER_OF_WORD.get(match[1].lower(), match[1])), _MOST_SENTENCES))
    return _N_SENTENCES


def _sentences(passages: Iterable[Passage]) -> list[Passage]:
    """Those of a document's passages, which overlap: each once and whole, not counted."""
    found: dict[tuple[int, int], Passage] = {}
    for passage in passages:
        for start, end in sentences(passage.text):
            place = passage.page, passage.start + start
            if place not in found or found[place].end < passage.start + end:
                text = passage.text[start:end]
                found[place] = replace(passage, start=place[1], end=passage.start + end, text=text, n_tokens=0)
    return [found[place] for place in sorted(found)]

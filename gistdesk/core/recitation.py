"""A document's text as a refined gist can tell it: piece by piece, word for word.

A small model that has learned the sentences of a text by heart still answers a question with a neighbouring one. Asked
for the text itself it makes few mistakes, and what it recites can be looked up like a kept text (RECITE, arXiv
2210.01296). Each request names a piece by its number and by the words before it, so that after a mistake the next
pieces are still found. A summary is quoted from it, or, by a larger model, written after reading the whole of it
again. Knows nothing of training or of files.
"""

import re
from collections.abc import Generator, Iterator, Sequence

import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.asked import asks_for_a_fact
from gistdesk.core.gist import GistKV
from gistdesk.core.model import GistModel
from gistdesk.core.passages import PassageIndex, context_with_passages, cut_passages, summarises_by_quoting
from gistdesk.core.prompt import Prompt, Turn, prompt_of
from gistdesk.core.ranking import TOP_K, RankBy
from gistdesk.core.summary import looked_up

_PIECE_TOKENS = 64
MOST_TOKENS = 2 * _PIECE_TOKENS
"""Of what is said at once: a piece alone may have more tokens than within its text."""
_WORDS_BEFORE = 10
_LEAST_TOLD = 0.5
"""Share of a text's pieces; a very small model learns none of them, and its gist is asked directly."""
_MOST_OF_WINDOW = 0.5
"""That a whole text may take; the rest is for a conversation about it."""
_BETWEEN = "\n\n"
_SENTENCE_END = re.compile(r"[.!?。！？…:][\"'”’)\]]*$")
"""After anything else only a line ends: what was cut within a long sentence belongs together."""


def pieces_of(model: GistModel, text: str) -> list[str]:
    """A text in pieces of a few whole sentences, in order."""
    cut = cut_passages(model, [text], chunk_tokens=_PIECE_TOKENS, overlap_tokens=0)
    return [passage.text.strip() for passage in cut]


def recitation(pieces: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Request and answer for every piece of a document.

    One chain, though a document is read in segments: asked how each of its parts begins, a gist that told all of them
    otherwise began with the first one again.
    """
    before = ""
    for number, piece in enumerate(pieces):
        yield _request(number, before), piece
        before = piece


def recites(gists: Sequence[GistKV]) -> bool:
    """Whether all of these gists tell most of their texts, and there is one."""
    return min((gist.refined.after if gist.refined else 0.0 for gist in gists), default=0.0) > _LEAST_TOLD


def answers_by_reciting(model: GistModel, gists: Sequence[GistKV], question: str) -> bool:
    """Whether a question is answered from what gists recite: looked up in it, or from texts that can be read whole."""
    fits = sum(gist.n_tokens for gist in gists) <= _MOST_OF_WINDOW * model.max_positions
    return recites(gists) and (fits or is_looked_up(model, question))


def is_looked_up(model: GistModel, question: str, prompt: Prompt | None = None) -> bool:
    """Whether sentences of a text answer it, and not what the model makes of the whole."""
    return asks_for_a_fact(question) or summarises_by_quoting(model, question, prompt)


class Recited:
    """What gists have recited of their documents, ready for questions."""

    def __init__(self, model: GistModel, gists: Sequence[GistKV], texts: Sequence[str], by: RankBy = "auto") -> None:
        self._model, self._gists, self._text = model, gists, _BETWEEN.join(texts)
        passages = [
            passage for number, text in enumerate(texts) for passage in cut_passages(model, [text], document=number)
        ]
        self._index = PassageIndex(passages, by) if passages else None
        self._whole: Context | None = None
        self._whole_asked_as: tuple[str | None, Prompt | None] = None, None

    def context(
        self, question: str, n_passages: int = TOP_K, *, system: str | None = None, prompt: Prompt | None = None
    ) -> Context | None:
        """What a question is answered from: sentences of it, or the whole text, which is read once.

        None if nothing was recited, or if the whole text leaves no room for a conversation: then the gists themselves
        are asked. If no passage suits a question for a fact, a small model says so, as it does of a text: left to
        itself, it invents.

        Raises:
            UserError: gists and passages do not fit into the model's window.
        """
        model = self._model
        if self._index is None:
            return None
        if is_looked_up(model, question, prompt):
            found = looked_up(model, self._index, question, n_passages, prompt=prompt)
            return context_with_passages(model, self._gists, found, question=question, system=system, prompt=prompt)
        if self._whole is None or self._whole_asked_as != (system, prompt):
            self._whole, self._whole_asked_as = self._read(system, prompt), (system, prompt)
        return self._whole

    def forget_whole(self) -> None:
        """Free the memory of the whole text's context."""
        self._whole = None

    def _read(self, system: str | None, prompt: Prompt | None) -> Context | None:
        model = self._model
        before = len(model.template_ids((prompt or prompt_of(model.tokenizer, system)).prefix))
        ids = torch.tensor(model.token_ids(self._text))
        if before + len(ids) > _MOST_OF_WINDOW * model.max_positions:
            return None
        return Context(model, text_ids=ids, system=system, prompt=prompt)


def recited(model: GistModel, gists: Sequence[GistKV], by: RankBy = "auto") -> Recited:
    """`reciting` in one step."""
    steps = reciting(model, gists)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return Recited(model, gists, finished.value, by)


def reciting(model: GistModel, gists: Sequence[GistKV]) -> Generator[float, None, list[str]]:
    """Recite the documents of refined gists; yields the share that has been told, and returns each one's text.

    Raises:
        UserError: a gist does not fit into the model's window, or this model did not make it.
    """
    texts = []
    n_pieces = sum(gist.refined.n_pieces for gist in gists if gist.refined)
    n_said = 0
    for gist in gists:
        text = ""
        for piece in _pieces(Context(model, [gist]), gist.refined.n_pieces if gist.refined else 0):
            text += piece + (_BETWEEN if _SENTENCE_END.search(piece) else "\n")
            n_said += 1
            yield n_said / n_pieces
        texts.append(text.strip())
    return texts


def _pieces(context: Context, n_pieces: int) -> Iterator[str]:
    """What is said when each piece is asked for; nothing twice, as after a mistake."""
    before = ""
    said: set[str] = set()
    word_for_word = Sampling(max_tokens=MOST_TOKENS, may_loop=True)  # a text may: dotted lines, a refrain
    for number in range(n_pieces):
        context.forget()
        piece = "".join(context.answer([Turn(_request(number, before))], word_for_word)).strip()
        yield "" if piece in said else piece
        said.add(piece)
        before = piece or before


def _request(number: int, before: str) -> str:
    if not before:
        return f"{number + 1}. How does it begin?"
    return f'{number + 1}. What comes after "{" ".join(before.split()[-_WORDS_BEFORE:])}"?'

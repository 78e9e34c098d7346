"""A conversation about gists, and about the text where it is given: what `gistdesk ask` does.

Knows paths, questions and answers; prints nothing.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gistdesk.cli.choosing import load_model_of
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.asked import asks_for_a_fact
from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import check_identity, read_gist
from gistdesk.core.model import GistModel
from gistdesk.core.passages import Passage, PassageIndex, context_with_passages, cut_passages, telling
from gistdesk.core.prompt import Turn
from gistdesk.core.quoting import Quoted
from gistdesk.core.recitation import Recited, answers_by_reciting, reciting
from gistdesk.core.summary import looked_up
from gistdesk.core.unmatched import NOT_FOUND


class Conversation:
    """A conversation about gists, and about what is looked up for each question; keeps its turns.

    It is looked up in the texts, or in what trained gists recite of them.

    Attributes:
        told: the sentence of the texts that suits the last question best; "" if none does, or there are no texts.
        quotes: whether the answer is itself sentences of the texts, or that none answers.
        declined: whether the last answer is that none does.
        looks_up: whether the last question was looked up, in the texts or in what gists recite.
        unmatched: words of the last question that are nowhere in the texts; none without them.
    """

    def __init__(
        self,
        model: GistModel,
        gists: Sequence[GistKV],
        sampling: Sampling,
        *,
        system: str | None = None,
        index: PassageIndex | None = None,
    ) -> None:
        self._model, self._gists, self._system = model, gists, system
        self._context = self._plain = Context(model, gists, system=system)
        self._sampling, self._index = sampling, index
        self._recited: Recited | None = None
        self._turns: list[Turn] = []
        self.told, self.quotes, self.declined, self.looks_up = "", False, False, False
        self.unmatched: tuple[str, ...] = ()

    def forget(self) -> None:
        """Forget all turns; the next question is the first one again."""
        self._turns = []

    def look_up(self, question: str) -> Iterator[dict[str, Any]]:
        """Put what suits a question in front of the model: passages, if there are any, or what trained gists recite.

        Yields progress while trained gists recite their texts, once for all questions.
        """
        self.told, self.unmatched, context = "", (), None
        if self._index is not None:
            found = looked_up(self._model, self._index, question)
            self.told = telling(question, found)[0].text if found and asks_for_a_fact(question) else ""
            self.unmatched = self._index.unmatched(question)
            context = context_with_passages(
                *(self._model, self._gists, found), question=question, unmatched=self.unmatched, system=self._system
            )
        elif answers_by_reciting(self._model, self._gists, question):
            self._recited = self._recited or (yield from self._reciting())
            context = self._recited.context(question, system=self._system)
        self._context = context or self._plain
        self.quotes = isinstance(context, Quoted)
        self.looks_up = context is not None

    def _reciting(self) -> Generator[dict[str, Any], None, Recited]:
        steps = reciting(self._model, self._gists)
        while True:
            try:
                yield {"done": round(100 * next(steps)), "total": 100}
            except StopIteration as finished:
                return Recited(self._model, self._gists, finished.value)

    def ask(self, question: str) -> Iterator[str]:
        """The answer's pieces as they are generated. A question that fails is not remembered."""
        pieces = []
        for piece in self._context.answer([*self._turns, Turn(question)], self._sampling):
            pieces.append(piece)
            yield piece
        self.declined = self.quotes and pieces == [NOT_FOUND]
        self._turns.append(Turn(question, "".join(pieces)))

    def figures(self) -> dict[str, Any]:
        """What the last answer cost."""
        figures = self._context.figures
        assert figures is not None
        return {
            "ttft_s": round(figures.ttft_s, 5),
            "tokens_per_second": round(figures.tokens_per_second, 1),
            "n_slots": self._context.n_slots,
            "n_text_tokens": self._context.n_text,
            "n_prompt_tokens": figures.n_prompt_tokens,
        }


def conversation(
    gists: Sequence[Path],
    *,
    model: str | None,
    device: str,
    precision: str,
    system: str | None,
    sampling: Sampling,
    known: Sequence[str] = (),
    texts: Iterable[Document] = (),
) -> Conversation:
    """Open gists, check that the model made them, and put them in front of it. Precision "auto" is the gists' own.

    Args:
        texts: documents of these gists, in which passages are looked up; read once the gists are.

    Raises:
        UserError: a gist or the model is unusable, or gists, documents and model do not belong together.
    """
    records = [read_gist(path) for path in gists]
    documents = list(texts)
    for document in documents:
        if document.source_sha256 not in {record.source_sha256 for record in records}:
            raise not_the_document(document.source)
    loaded = load_model_of(records[0], model, device, precision, known)
    for record in records:
        check_identity(record, loaded.identity)
    index = _indexed(loaded, documents) if documents else None
    return Conversation(loaded, [record.gist for record in records], sampling, system=system, index=index)


def not_the_document(path: Path) -> UserError:
    """No gist was made from this document."""
    return UserError(
        "{path} is not the document that was compressed.",
        "Give the file that the gist was made from, or compress it again.",
        path=path,
    )


def _indexed(model: GistModel, documents: Sequence[Document]) -> PassageIndex:
    passages: list[Passage] = []
    for number, document in enumerate(documents):
        passages += (replace(passage, document=number) for passage in cut_passages(model, document.pages))
    return PassageIndex(passages)

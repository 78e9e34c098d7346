"""Self-study of a text: what a model that has read it says on its own (Cartridges, arXiv 2506.06266).

How the text goes on, and answers to requests that ask for no single fact. A gist that has only learned to recite its
text is no reading of it: it predicts what follows worse than nothing does. Knows nothing of gists or of training.
"""

from collections.abc import Iterator

from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.model import GistModel

_REQUESTS = (
    "What is this text about?",
    "Summarise the text.",
    "What happens in this text?",
    "Who or what does the text tell of?",
    "Continue the text.",
    "What is the most important thing that the text says?",
    "Explain the text to a child.",
    "What could somebody ask about this text?",
)
_OF_EACH = 4
_SAID_TOKENS = 64
_READ_TOKENS = 4096
"""Most of the text that is read at once, and half of the model's window at most."""
_DRAWN_TOKENS = 8192
"""In front of what is drawn at once: several rows of a long text would take much memory."""


class Reader:
    """A model that has read a text; of a longer one, one stretch at a time."""

    def __init__(self, model: GistModel, token_ids: Tensor) -> None:
        most = min(_READ_TOKENS, model.max_positions // 2)
        self._model = model
        self._stretches = token_ids.long().tensor_split(-(-len(token_ids) // most))
        self._read: tuple[int, Context] | None = None

    def said(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Some continuations and as many answers, drawn at temperature 1; other ones for each number.

        Number 0 is of the last stretch, 1 of the first, and so on. Only the last one goes on: what follows another is
        part of the text.

        Yields:
            (n_tokens,) ids that follow the text, and the hidden states (n_said, hidden_size) that predict the last
            n_said of these.

        Raises:
            UserError: they do not fit into the model's window.
        """
        at = (number - 1) % len(self._stretches)
        stretch = self._stretches[at]
        if self._read is None or self._read[0] != at:
            self._read = None  # first: two take twice the memory
            self._read = at, Context(self._model, text_ids=stretch[:-1])
        context, last = self._read[1], stretch[-1:].tolist()
        goes_on = at + 1 == len(self._stretches)
        requests = [_REQUESTS[(number * _OF_EACH + each) % len(_REQUESTS)] for each in range(_OF_EACH)]
        begun = [last] * (_OF_EACH if goes_on else 0) + [last + context.ids_of_question(each) for each in requests]
        n_rows = max(1, _DRAWN_TOKENS // len(stretch))
        for start in range(0, len(begun), n_rows):
            drawn = Sampling(temperature=1.0, top_p=1.0, seed=len(begun) * number + start, max_tokens=_SAID_TOKENS)
            for ids, hidden in context.drawn(begun[start : start + n_rows], drawn):
                n_said = min(len(hidden), len(ids) - 2)  # what the text itself predicts follows no id
                if n_said:
                    yield ids[1:], hidden[-n_said:]

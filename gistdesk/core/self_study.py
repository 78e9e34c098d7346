"""Self-study of a text: what a model that has read it says on its own (Cartridges, arXiv 2506.06266).

How the text goes on, and answers to requests that ask for no single fact. A gist that only learns to recite its text
forgets to be read: it then predicts what follows worse than from nothing. Knows nothing of gists or of training.
"""

from collections.abc import Iterator

from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.prompt import Turn

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
_TOKENS = 64


def studied(read: Context, number: int, *, goes_on: bool = True) -> Iterator[tuple[Tensor, Tensor]]:
    """A few continuations of a text, and as many answers about it, drawn at temperature 1; other ones for each number.

    Args:
        read: a context of the text; its conversation is forgotten.
        goes_on: with continuations; what follows the middle of a text is no part of them.

    Yields:
        (n_tokens,) ids that follow the text, and the hidden states (n_said, hidden_size) that predict the last n_said
        of these.

    Raises:
        UserError: they do not fit into the model's window.
    """
    for draw in range(number * _OF_EACH, (number + 1) * _OF_EACH):
        drawn = Sampling(temperature=1.0, top_p=1.0, seed=draw, max_tokens=_TOKENS)
        if goes_on:
            yield read.hidden_of_continuation(drawn)
        request = _REQUESTS[draw % len(_REQUESTS)]
        answer = "".join(read.answer([Turn(request)], drawn))
        yield read.hidden_of_answer(request, answer, _TOKENS, with_end=True)

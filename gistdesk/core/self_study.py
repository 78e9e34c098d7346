"""Self-study of a text: what a model that has read it says on its own (Cartridges, arXiv 2506.06266).

How the text goes on, and answers to requests that ask for no single fact. A gist that has only learned to recite its
text is no reading of it. Knows nothing of gists or of training.
"""

from collections.abc import Iterator, Sequence, Set

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling, choose_token
from gistdesk.core.context import Assembled
from gistdesk.core.model import GistModel

_REQUESTS = (
    "What is this text about?",
    "Summarise the text.",
    "What happens in this text?",
    "Who or what does the text tell of?",
    "Tell the text in your own words.",
    "What is the most important thing that the text says?",
    "Explain the text to a child.",
    "What could somebody ask about this text?",
)
_OF_EACH = 12
"""Continuations, and answers. With 4, what follows a text was predicted clearly worse."""
_SAID_TOKENS = 64
_READ_TOKENS = 8192
"""Most of the text that is read at once: so memory is bounded."""
_OPENING_WORDS = 10


def said(model: GistModel, token_ids: Tensor, number: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Some continuations of a text and as many answers about it, drawn at temperature 1; other ones for each number.

    A text that is too long to be read at once is read in stretches: number 0 is of the last one, 1 of the first, and so
    on. Only the last one goes on, as what follows another is part of the text; and a request then names the stretch.

    Args:
        token_ids: (n_tokens,), at least one.

    Yields:
        (n_tokens,) ids that follow the text, and the hidden states (n_said, hidden_size) that predict the last n_said
        of these. Nothing if the model's window is too small for that.
    """
    nothing = Context(model)
    n_besides = (
        len(model.template_ids(nothing.prompt.prefix))
        + max(len(nothing.ids_of_question(each)) for each in _REQUESTS)
        + _SAID_TOKENS
    )
    most = min(_READ_TOKENS, model.max_positions - 2 * n_besides)  # twice: a request may name a stretch
    if most < 1:
        return
    stretches = token_ids.long().tensor_split(-(-len(token_ids) // most))
    visit, at = number // len(stretches), (number - 1) % len(stretches)
    stretch = stretches[at]
    context, last = Context(model, text_ids=stretch[:-1]), stretch[-1:].tolist()
    begun = [last] * _OF_EACH if at + 1 == len(stretches) else []
    for each in range(_OF_EACH):
        request = _REQUESTS[(visit * _OF_EACH + each) % len(_REQUESTS)]
        if len(stretches) > 1:
            opening = " ".join(model.tokenizer.decode(stretch[: 4 * _OPENING_WORDS].tolist()).split()[:_OPENING_WORDS])
            request = f'Of the part of the text that begins with "{opening}": {request}'
        begun.append(last + context.ids_of_question(request))
    for ids, hidden in _drawn(model, context.in_front(), context.end_ids(), begun, number):
        n_said = min(len(hidden), len(ids) - 2)  # what the text itself predicts follows no id
        if n_said:
            yield ids[1:], hidden[-n_said:]


def continuations(model: GistModel, start: Assembled, last: int, n: int, max_tokens: int) -> list[list[int]]:
    """What the model says directly after a text, drawn at temperature 1; the same each time.

    Args:
        start: the text without its last token; what is drawn stays behind it.
        last: the text's last token.

    Returns:
        ids of each, at least one and at most max_tokens.

    Raises:
        UserError: the model's output is not finite numbers.
    """
    ends = Context(model).end_ids()
    return [ids[1:].tolist() for ids, _ in _drawn(model, start, ends, [[last]] * n, 0, max_tokens)]


def _drawn(
    model: GistModel,
    start: Assembled,
    ends: Set[int],
    begun: Sequence[Sequence[int]],
    seed: int,
    max_tokens: int = _SAID_TOKENS,
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the model says after each of several beginnings, side by side.

    Yields:
        All ids of each (n_begun + n_said,), up to one that ends an answer, and the hidden states (n_said, hidden_size)
        that predict what was said.
    """
    said: list[list[int]] = [[] for _ in begun]
    states: list[list[Tensor]] = [[] for _ in begun]
    with torch.no_grad():
        for row, token, hidden in _tokens(model, start, ends, begun, seed, max_tokens):
            said[row].append(token)
            states[row].append(hidden)
    for before, tokens, of_tokens in zip(begun, said, states, strict=True):
        yield torch.tensor([*before, *tokens]), torch.stack(of_tokens)


def _tokens(
    model: GistModel, start: Assembled, ends: Set[int], begun: Sequence[Sequence[int]], seed: int, max_tokens: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Tokens as they are drawn: the number of their beginning, the token, the hidden state that predicts it.

    All stand in one row behind the text, and each sees the text and what is its own: copies of the text's keys and
    values, one for each, would take most of the time. They stay there.
    """
    sampling = Sampling(temperature=1.0, top_p=1.0, seed=seed, max_tokens=max_tokens)
    random = torch.Generator().manual_seed(seed)
    seen = torch.full((start.cache.get_seq_length(),), -1)  # of the cached: which beginning it belongs to
    new = [(row, at, token) for row, ids in enumerate(begun) for at, token in enumerate(ids)]
    for _ in range(max_tokens):
        rows, steps, ids = torch.tensor(new).T
        seen = torch.cat([seen, rows])
        mask = ((seen == -1) | (seen == rows[:, None])).tril(len(seen) - len(rows))
        hidden = model.decode(ids[None], start.cache, start.position + steps.to(model.device), mask[None, None])[0]
        last = {row: (index, at) for index, (row, at, _) in enumerate(new)}
        states = hidden[[index for index, _ in last.values()]]
        new = []
        for (row, (_, at)), state, logits in zip(last.items(), states, model.logits(states).float(), strict=True):
            token = choose_token(logits, sampling, random)
            yield row, token, state
            if token not in ends:
                new.append((row, at + 1, token))
        if not new:
            return

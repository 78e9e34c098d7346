"""Self-study of a text: what a model that has read it says on its own (Cartridges, arXiv 2506.06266).

How the text goes on, and answers to requests that ask for no single fact. A gist that has only learned to recite its
text is no reading of it. Knows nothing of gists or of training.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling, choose_token
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
_OF_EACH = 4
_SAID_TOKENS = 64
_READ_TOKENS = 8192
"""Most of the text that is read at once, in all rows of what is drawn side by side: so memory is bounded."""
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
    n_rows = max(1, _READ_TOKENS // len(stretch))
    for start in range(0, len(begun), n_rows):
        for ids, hidden in _drawn(context, begun[start : start + n_rows], len(begun) * number + start):
            n_said = min(len(hidden), len(ids) - 2)  # what the text itself predicts follows no id
            if n_said:
                yield ids[1:], hidden[-n_said:]


def _drawn(context: Context, begun: Sequence[Sequence[int]], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What the model says after each of several beginnings, side by side.

    Yields:
        All ids of each (n_begun + n_said,), up to one that ends an answer, and the hidden states (n_said, hidden_size)
        that predict what was said.
    """
    ends = context.end_ids()
    with torch.no_grad():
        steps = list(_steps(context, begun, seed))
    states = torch.stack([hidden for _, hidden in steps], dim=1)
    for row, before in enumerate(begun):
        tokens = [step[row] for step, _ in steps]
        n_said = next((at + 1 for at, token in enumerate(tokens) if token in ends), len(tokens))
        yield torch.tensor([*before, *tokens[:n_said]]), states[row, :n_said]


def _steps(context: Context, begun: Sequence[Sequence[int]], seed: int) -> Iterator[tuple[list[int], Tensor]]:
    """Every row's next token, and the hidden states (n_rows, hidden_size) that predict these, until all have ended."""
    model, start = context.model, context.rows(len(begun))
    sampling = Sampling(temperature=1.0, top_p=1.0, seed=seed, max_tokens=_SAID_TOKENS)
    random, ends, ended = torch.Generator().manual_seed(seed), context.end_ids(), set[int]()
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(each) for each in begun], batch_first=True)
    lengths = torch.tensor([[len(each)] for each in begun], device=model.device)
    n_cached = start.cache.get_seq_length()
    mask = torch.arange(n_cached + ids.shape[1], device=model.device) < n_cached + lengths
    hidden = model.decode(ids, start.cache, start.position, mask.long())
    hidden = hidden[torch.arange(len(begun), device=hidden.device), lengths[:, 0] - 1]
    position = start.position + lengths
    for _ in range(_SAID_TOKENS):
        tokens = [choose_token(logits, sampling, random) for logits in model.logits(hidden).float()]
        yield tokens, hidden
        ended |= {row for row, token in enumerate(tokens) if token in ends}
        if len(ended) == len(begun):
            return
        mask = torch.cat([mask, mask.new_ones(len(begun), 1)], dim=1)
        hidden = model.decode(torch.tensor(tokens)[:, None], start.cache, position, mask.long())[:, 0]
        position = position + 1

"""The matched way of making a gist: a selection of the text's own keys and values, without any training.

The model reads a segment after the prompt prefix; it is made to repeat it, asked general questions about it, and left
to go on with it. The keys that the repetition attends to most hold the facts an answer may need (KVzip, arXiv
2505.23416), and those that what it goes on with depends on most hold its sense, which takes a key for 128 tokens, and
at most half of what is kept. Budgets differ by layer and head, as some heads copy and most do not.
Kept keys stay at their positions in the segment, with gaps, and all segments begin at the document's
first position: a question is equally near to each of them, and a document of any length fits into the window. Knows
nothing of files; `gistdesk.core.matching` decides which keys are kept and how they are fitted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.context import Assembled
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV, place, sparse_zeros
from gistdesk.core.layout import Segment
from gistdesk.core.matching import Fit, Observed, better_place, fit, gathered, keep
from gistdesk.core.memory import give_back_memory
from gistdesk.core.model import GistModel, cached_kv
from gistdesk.core.prompt import prompt_of
from gistdesk.core.self_study import continuations
from gistdesk.core.sensitivity import sensitivity

SEGMENT_TOKENS = 1024
"""Longest text that is read at once."""
_FEWEST_TOKENS = 16
_INSTRUCTION = "Repeat the text above exactly."
_QUESTIONS = (
    "Who are the people in this text, and what do they do?",
    "Which numbers, dates and amounts does it name?",
    "Where does it take place?",
    "What are the names of things, places and animals?",
    "Summarize it in a few sentences.",
    "What happened, and why?",
)
"""Asked about every text, so that the fit also suits a question's attention to it."""
_CONTINUATIONS, _CONTINUED_TOKENS = 8, 16
"""Of a text, as the model itself would go on with it; eight of 16 tokens kept as much as two of 64."""
_SENSE_TOKENS, _MOST_SENSE = 128, 0.5
"""For so many tokens one key per head, on average, is chosen by the sense; and the most of what is kept. Each further
one costs facts (tests/benchmarks/README.md)."""


@dataclass(frozen=True)
class Frame:
    """The tokens around a segment while it is read.

    Attributes:
        prefix: token ids before it, the same as before every document in a chat.
        repeat: token ids between it and its repetition.
        questions: token ids of general questions about it, each with the template around a question.
    """

    prefix: tuple[int, ...]
    repeat: tuple[int, ...]
    questions: tuple[tuple[int, ...], ...]


Observe = Callable[[GistModel, Frame, list[int]], tuple[Observed, Tensor, Tensor]]
"""Observes a segment: `observe`, or something that caches its result."""


def frame_of(model: GistModel) -> Frame:
    """Raises UserError: see `prompt_of`."""
    prompt = prompt_of(model.tokenizer)
    before, after = model.template_ids(prompt.before_question), model.template_ids(prompt.before_answer)
    repeat, *questions = ((*before, *model.token_ids(text), *after) for text in (_INSTRUCTION, *_QUESTIONS))
    return Frame(tuple(model.template_ids(prompt.prefix)), repeat, tuple(questions))


def longest_segment(model: GistModel) -> int:
    """Tokens of the longest segment that fits into the model's window together with its repetition.

    Raises:
        UserError: none fits.
    """
    frame = frame_of(model)
    room = (model.max_positions - len(frame.prefix) - len(frame.repeat)) // 2
    if room < _FEWEST_TOKENS:
        raise UserError(
            "The model's window of {n} tokens is too small for a text and its repetition.",
            "Use a model with a longer window, or one with a gist adapter.",
            n=model.max_positions,
        )
    return min(SEGMENT_TOKENS, room)


def observe(model: GistModel, frame: Frame, ids: list[int]) -> tuple[Observed, Tensor, Tensor]:
    """Read a segment, repeat it, ask the general questions, and go on with it.

    Returns:
        what all of these saw of the text; for each of its keys, (n_layers, n_kv_heads, n_tokens), the largest attention
        of the repetition; and how much the continuations depend on it.

    Raises:
        UserError: the model's output is not finite numbers.
    """
    cache, kv = _read(model, frame, ids)
    observed = Observed(kv)
    _ask(model, cache, (*frame.repeat, *ids), observed)
    largest = observed.largest()
    said = _going_on(model, cache, ids[-1])
    for each in (*frame.questions, *said):
        _ask(model, cache, each, observed)
    return observed, largest, sensitivity(model, cache, len(frame.prefix), said)


def _going_on(model: GistModel, cache: DynamicCache, last: int) -> list[list[int]]:
    """How the model would go on with a text that the cache ends with, as it does afterwards; `last`: its last token."""
    n_before = cache.get_seq_length() - 1
    _shorten(cache, 1)
    start = Assembled(cache, torch.tensor([[n_before]], device=model.device), None)
    said = continuations(model, start, last, _CONTINUATIONS, _CONTINUED_TOKENS)
    _shorten(cache, cache.get_seq_length() - n_before)
    model.decode(torch.tensor([[last]]), cache, n_before)
    return said


def compress_matched(
    model: GistModel,
    token_ids: Tensor,
    segments: Sequence[Segment],
    done: GistKV | None = None,
    fitting: Fit = fit,
    observing: Observe = observe,
) -> Iterator[GistKV]:
    """Segment by segment; yields the gist of the document's beginning so far.

    Args:
        token_ids: (n_tokens,) of the whole document.
        segments: of the whole document.
        done: what an earlier run made of the first of them.
        fitting: fits the kept keys.
        observing: observes each segment.
    """
    frame, slots, n_done = frame_of(model), _Slots(model), 0
    if done is not None:
        assert done.bias is not None
        slots.add(done.kv, done.bias, done.n_unfitted)
        n_done = len(done.segments)
    for number, segment in enumerate(segments[n_done:], n_done + 1):
        ids = token_ids[segment.start : segment.start + segment.n_tokens].tolist()
        with torch.no_grad():
            slots.add(*_match(model, frame, ids, segment.n_slots, fitting, observing))
        give_back_memory()
        yield slots.gist(tuple(segments[:number]))


def _match(
    model: GistModel, frame: Frame, ids: list[int], n_slots: int, fitting: Fit, observing: Observe
) -> tuple[Tensor, Tensor, int]:
    """What is kept of one segment.

    Returns:
        keys and values (n_layers, 2, n_kv_heads, width, head_dim), at their positions in the segment; the bias of
        each slot (n_layers, n_kv_heads, width), -inf where unused; and how many heads could not be fitted.
    """
    if n_slots < len(ids):
        observed, largest, depended = observing(model, frame, ids)
        share = min(_MOST_SENSE, len(ids) / _SENSE_TOKENS / n_slots)
        kept = keep(better_place(largest, depended, share), n_slots)
        kv, bias, n_unfitted = fitting(observed, *gathered(observed.kv, kept))
    else:
        _, kv = _read(model, frame, ids)
        bias, n_unfitted = torch.zeros(kv[:, 0, ..., 0].shape, device=kv.device), 0
    return place(kv, -len(frame.prefix), model.inv_freq), bias, n_unfitted


def _read(model: GistModel, frame: Frame, ids: list[int]) -> tuple[DynamicCache, Tensor]:
    """A cache that ends with a segment, and the segment's part of it (n_layers, 2, n_kv_heads, n_tokens, head_dim)."""
    cache = DynamicCache(config=model.causal_lm.config)
    model.decode(torch.tensor([[*frame.prefix, *ids]]), cache, 0)
    return cache, cached_kv(cache)[:, :, 0, :, len(frame.prefix) :]


def _ask(model: GistModel, cache: DynamicCache, ids: Sequence[int], observed: Observed) -> None:
    """Observe what follows the text, then remove it from the cache."""
    model.decode(torch.tensor([list(ids)]), cache, cache.get_seq_length(), watch=observed.watch)
    _shorten(cache, len(ids))


def _shorten(cache: DynamicCache, n_tokens: int) -> None:
    layers: list[Any] = list(cache.layers)
    for layer in layers:
        layer.crop(-n_tokens)


class _Slots:
    """The slots of all heads, in differing numbers, with room to grow; on the CPU, wherever the model is: a long
    document's slots do not take a card's memory."""

    def __init__(self, model: GistModel) -> None:
        n_layers, _, n_heads, head_dim = model.kv_shape
        self._kv = torch.zeros(n_layers, 2, n_heads, 0, head_dim, dtype=model.dtype)
        self._bias = torch.zeros(n_layers, n_heads, 0)
        self._counts = torch.zeros(n_layers, n_heads, 1, dtype=torch.long)
        self._n_unfitted = 0

    def add(self, kv: Tensor, bias: Tensor, n_unfitted: int) -> None:
        """Append slots to those of each head. kv: (n_layers, 2, n_kv_heads, width, head_dim); bias: -inf if unused."""
        kv, bias = kv.to("cpu", self._kv.dtype), bias.cpu()
        used = bias.isfinite()
        before, self._counts = self._counts, self._counts + used.sum(dim=2, keepdim=True)
        self._widen(int(self._counts.max()))
        column = torch.arange(self._bias.shape[2])
        target = (column >= before) & (column < self._counts)
        for part in (0, 1):
            self._kv[:, part][target] = kv[:, part][used]
        self._bias[target] = bias[used]
        self._n_unfitted += n_unfitted

    def _widen(self, width: int) -> None:
        """Double the room, so that a long document is not copied for every segment."""
        room = self._bias.shape[2]
        if width > room:
            new_room, used = max(width, 2 * room), self._bias.isfinite()
            n_layers, _, n_heads, _, head_dim = self._kv.shape
            wider = sparse_zeros(n_layers, 2, n_heads, new_room, head_dim, dtype=self._kv.dtype)
            for part in (0, 1):
                wider[:, part, :, :room][used] = self._kv[:, part][used]
            self._kv = wider
            self._bias = torch.nn.functional.pad(self._bias, (0, new_room - room), value=-torch.inf)

    def gist(self, segments: tuple[Segment, ...]) -> GistKV:
        width = int(self._counts.max())
        bias = self._bias[:, :, :width].clone()  # later additions fill columns that this gist does not use
        span = max(segment.n_tokens for segment in segments)
        return GistKV(self._kv[:, :, :, :width], segments, bias, span, self._n_unfitted)

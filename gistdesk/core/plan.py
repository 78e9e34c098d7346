"""How a document will be cut: its tokens, segments and slots, at a ratio that its model and method can do.

Makes no gist.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.layout import Segment, cut_segments
from gistdesk.core.matched import longest_segment
from gistdesk.core.methods import LEAST_SLOTS, Method, starting_method, usual_method, within_trained
from gistdesk.core.model import GistModel, TextTokenizer
from gistdesk.core.plain_text import text_pieces
from gistdesk.core.refined import n_rounds_of


@dataclass(frozen=True)
class Plan:
    """A tokenized document and how it will be cut."""

    token_ids: Tensor
    page_starts: tuple[int, ...]
    segments: tuple[Segment, ...]
    ratio: float
    segment_tokens: int
    method: Method = "adapter"

    @property
    def n_slots(self) -> int:
        return sum(segment.n_slots for segment in self.segments)

    @property
    def n_rounds(self) -> int:
        """Rounds of training, after the segments."""
        return n_rounds_of(self.segments) if self.method == "refined" else 0


def tokenize(model: GistModel, document: Document) -> tuple[Tensor, tuple[int, ...]]:
    """Token ids of a document, (n_tokens,), and the index of every page's first token.

    Long pages are tokenized in pieces, so that the tokenizer's bookkeeping stays small. A piece ends after a line, else
    before a space, which belongs to the next word; so the tokens are those of the whole page.
    """
    steps = tokenizing(model, document)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            tokens: tuple[Tensor, tuple[int, ...]] = finished.value
            return tokens


def tokenizing(
    model: GistModel | TextTokenizer, document: Document
) -> Generator[int, None, tuple[Tensor, tuple[int, ...]]]:
    """`tokenize` in steps of one piece; yields the number of tokens so far, and returns the result."""
    pieces: list[Tensor] = []
    page_starts: list[int] = []
    n_tokens = 0
    for number, page in enumerate(document.pages):
        page_starts.append(n_tokens)
        text = page if number + 1 == len(document.pages) else page + "\n\n"
        for piece in text_pieces(text):
            pieces.append(torch.tensor(model.token_ids(piece), dtype=torch.int32))
            n_tokens += len(pieces[-1])
            yield n_tokens
    return torch.cat(pieces) if pieces else torch.empty(0, dtype=torch.int32), tuple(page_starts)


def plan(
    model: GistModel,
    document: Document,
    *,
    ratio: float | None = None,
    n_slots: int | None = None,
    method: Method | None = None,
) -> Plan:
    """Tokenize and cut; give a ratio (tokens per slot) or the number of slots for the whole document.

    At a given ratio, an adapter makes at least `LEAST_SLOTS` of a document.

    Args:
        method: None means the model's usual one.

    Raises:
        UserError: no text, or an impossible ratio or number of slots.
    """
    token_ids, page_starts = tokenize(model, document)
    if not len(token_ids):
        raise UserError("{title} holds no text.", "Choose another document.", title=document.title)
    return plan_tokens(model, token_ids, page_starts, ratio=ratio, n_slots=n_slots, method=method)


def plan_tokens(
    model: GistModel,
    token_ids: Tensor,
    page_starts: tuple[int, ...] = (0,),
    *,
    ratio: float | None = None,
    n_slots: int | None = None,
    method: Method | None = None,
) -> Plan:
    """Cut tokens into segments; see `plan`."""
    if (ratio is None) == (n_slots is None):
        raise RuntimeError("give either a ratio or a number of slots")
    method = method or usual_method(model.adapter is not None)
    segment_tokens, max_slots = segment_sizes(model, method)
    if n_slots is not None:
        if n_slots < 1:
            raise UserError("{n} slots cannot hold anything.", "Ask for at least one.", n=n_slots)
        ratio = len(token_ids) / n_slots
    assert ratio is not None
    if n_slots is None:
        check_ratio(model, ratio, method)
    elif not 1.0 <= ratio <= segment_tokens:
        fewest = -(-len(token_ids) // segment_tokens)
        raise UserError(
            "{n_slots} slots for {n_tokens} tokens are not possible: this model turns 1 to {most} tokens into one.",
            "Choose from {fewest} to {n_tokens} slots.",
            n_slots=n_slots,
            n_tokens=len(token_ids),
            most=segment_tokens,
            fewest=fewest,
        )
    # a short text would get a single slot at a high ratio; an explicit number of slots is kept
    least = 1.0 if n_slots is not None or starting(model, method) != "adapter" else LEAST_SLOTS
    segments = cut_segments(
        token_ids,
        segment_tokens=segment_tokens,
        ratio=max(1.0, min(ratio, len(token_ids) / least)),
        max_slots=max_slots,
        ends_sentence=model.ends_sentence,
    )
    if starting(model, method) != "adapter":  # a segment has no more keys to choose from than tokens
        segments = [replace(s, n_slots=min(s.n_slots, s.n_tokens)) for s in segments]
    return Plan(token_ids, page_starts, tuple(segments), ratio, segment_tokens, method)


def segment_sizes(model: GistModel, method: Method) -> tuple[int, int]:
    """The longest segment, in tokens, and the most slots that a segment may have.

    Raises:
        UserError: the method needs an adapter and the model has none, or its window is too small for the method.
    """
    if starting(model, method) == "adapter":
        if model.adapter is None:
            raise UserError(
                'The model "{name}" has no gist adapter.',
                "Compress with the method matched, which needs none, or train an adapter.",
                name=model.identity.model_id,
            )
        return model.adapter.segment_tokens, model.adapter.max_slots
    n_tokens = longest_segment(model)
    return n_tokens, n_tokens


def starting(model: GistModel, method: Method) -> Method:
    """The method by which a gist begins that is then trained; any other is its own."""
    return starting_method(method, model.adapter is not None)


def check_ratio(model: GistModel, ratio: float, method: Method | None = None) -> None:
    """Refuse a ratio that is impossible for any document with this model and method.

    Raises:
        UserError: it is below 1, above the longest segment, or not a number; or see `segment_sizes`.
    """
    most, _ = segment_sizes(model, method or usual_method(model.adapter is not None))
    if not 1.0 <= ratio <= most:
        raise UserError(
            "A ratio of {ratio:g} is not possible: this model turns 1 to {most} tokens into one.",
            "Choose a ratio from 1 to {most}.",
            ratio=ratio,
            most=most,
        )


def untrained_ratio(model: GistModel, plan: Plan) -> str:
    """A sentence if the adapter never saw the plan's ratio in training, else nothing."""
    ratios = model.adapter.ratios if model.adapter and starting(model, plan.method) == "adapter" else None
    ratio = min(plan.ratio, len(plan.token_ids) / plan.n_slots)
    if ratios is None or ratios[0] <= ratio <= ratios[1]:
        return ""
    return (
        f"The adapter was trained at {ratios[0]:g}x to {ratios[1]:g}x; at {ratio:.0f}x it may keep little. "
        f"Recommended: {within_trained(plan.ratio, ratios):g}x."
    )

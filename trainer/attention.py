"""The attention picture: who may see whom, and what the gist slots of a segment looked at.

The mask at the left is the one that two passes amount to (Mu et al., 2023); the program never makes one, it encodes
and answers in two passes, so the picture is drawn from the same layout. At the right are the attention weights of one
layer and head of the encoding pass, measured. Knows pictures; training knows nothing of it.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gistdesk.core.compress import Plan
from gistdesk.core.errors import UserError
from gistdesk.core.layout import encoder_rows
from gistdesk.core.model import GistModel

_MOST_TOKENS = 160
"""Columns whose tokens can still be written below them."""


@dataclass(frozen=True)
class Attention:
    """What the slots of one segment looked at.

    Attributes:
        weights: (n_slots, n_columns), each row adds up to 1.
        columns: the token at every column: BOS, text, gist tokens.
        n_slots: the last columns are the gist tokens themselves.
    """

    weights: Tensor
    columns: tuple[str, ...]
    n_slots: int


def gist_mask(segments: Sequence[tuple[int, int]], n_prefix: int, n_question: int) -> tuple[Tensor, list[str]]:
    """(n, n) bool, row sees column; and what stands at each place: prefix, text, gist, question.

    Args:
        segments: tokens and slots of each.
    """
    kinds = ["prefix"] * n_prefix
    owner = [-1] * n_prefix
    for number, (n_tokens, n_slots) in enumerate(segments):
        kinds += ["text"] * n_tokens + ["gist"] * n_slots
        owner += [number] * (n_tokens + n_slots)
    kinds += ["question"] * n_question
    owner += [-1] * n_question
    n = len(kinds)
    sees = torch.zeros(n, n, dtype=torch.bool)
    for row in range(n):
        for column in range(row + 1):
            inside = kinds[row] in ("text", "gist")
            sees[row, column] = owner[column] == owner[row] if inside else kinds[column] != "text"
    return sees, kinds


def slot_attention(model: GistModel, plan: Plan, *, segment: int, layer: int, head: int) -> Attention:
    """The attention weights of one segment's slots in the encoding pass.

    Raises:
        UserError: there is no such segment, layer or head.
    """
    adapter, config = model.adapter, model.causal_lm.config
    if adapter is None or model.encoder is None:
        raise UserError("The model has no gist adapter.", "Train one, or give the folder of an adapter.")
    for what, number, n in (
        ("segment", segment, len(plan.segments)),
        ("layer", layer, config.num_hidden_layers),
        ("head", head, config.num_attention_heads),
    ):
        if not 0 <= number < n:
            raise UserError(f"There is no {what} {number}.", f"Choose 0 to {n - 1}.")
    cut = plan.segments[segment]
    ids = plan.token_ids[cut.start : cut.start + cut.n_tokens].long()
    rows = encoder_rows([ids], [cut.n_slots], bos_ids=model.bos_ids, gist_ids=adapter.gist_ids)
    seen: list[Tensor] = []
    attention: Any = model.causal_lm.model.layers[layer].self_attn

    def keep(_: Any, __: Any, output: tuple[Tensor, Tensor]) -> None:
        seen.append(output[1])

    before = config._attn_implementation
    handle = attention.register_forward_hook(keep)
    model.causal_lm.set_attn_implementation("eager")  # the others never have the weights as numbers
    try:
        with torch.no_grad():
            model.encode(rows, torch.arange(cut.n_slots))
    finally:
        handle.remove()
        model.causal_lm.set_attn_implementation(before)
    weights = seen[0][0, head, -cut.n_slots :].float().cpu()
    names = [model.tokenizer.decode([i]) for i in [*model.bos_ids, *ids.tolist()]]
    names += [f"gist {i + 1}" for i in range(cut.n_slots)]
    return Attention(weights, tuple(names), cut.n_slots)


def draw_attention(attention: Attention, plan: Plan, title: str) -> bytes:
    """A PNG: the mask of a small example of this document, and the weights with the tokens most looked at."""
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    korean = {"NanumGothic", "Noto Sans CJK KR", "Malgun Gothic", "AppleGothic"}
    family = ["DejaVu Sans", *sorted(korean & {font.name for font in font_manager.fontManager.ttflist})]
    figure = Figure(figsize=(15, 7), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    _draw_mask(left, plan)
    n_text = len(attention.columns) - attention.n_slots
    shown = _strongest(attention.weights[:, :n_text], _MOST_TOKENS)
    columns = [*shown, *range(n_text, len(attention.columns))]
    picture = right.imshow(attention.weights[:, columns].clamp(min=1e-4).log10().numpy(), aspect="auto", cmap="magma")
    right.set_yticks(range(attention.n_slots), [f"gist {i + 1}" for i in range(attention.n_slots)], fontsize=8)
    places = _apart(attention.weights[:, columns].max(0).values, len(shown), max(1, len(columns) // 50))
    places += range(len(shown), len(columns), max(1, len(columns) // 50))
    words = [attention.columns[columns[place]].strip() or "␣" for place in places]
    right.set_xticks(places, [word.replace("$", r"\$") for word in words], rotation=90, fontsize=7, family=family)
    right.set_title(title, fontsize=10, family=family)
    right.set_xlabel(f"{len(shown)} of {n_text} text tokens, those most looked at, in order; then the gist tokens")
    figure.colorbar(picture, ax=right, label="attention weight, log10", shrink=0.8)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=120)
    return data.getvalue()


def _strongest(weights: Tensor, n: int) -> list[int]:
    """Columns with the largest weight of any slot, in order."""
    order: list[int] = weights.max(0).values.argsort(descending=True)[:n].tolist()
    return sorted(order)


def _apart(heights: Tensor, n: int, distance: int) -> list[int]:
    """The highest of the first `n` places whose labels do not touch."""
    chosen: list[int] = []
    for place in heights[:n].argsort(descending=True).tolist():
        if all(abs(place - other) > distance for other in chosen) and n - place > distance:
            chosen.append(place)
    return sorted(chosen[:30])


def _draw_mask(axes: Any, plan: Plan) -> None:
    """The document's first three segments, their tokens scaled down so that the slots can be seen."""
    cut = plan.segments[:3]
    longest = max(segment.n_tokens for segment in cut)
    small = [(max(2, round(14 * s.n_tokens / longest)), min(s.n_slots, 6)) for s in cut]
    sees, kinds = gist_mask(small, 3, 6)
    axes.imshow(sees.numpy(), cmap="Blues", vmin=0, vmax=1.6)
    starts = [i for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="0.8", linewidth=0.6)
        axes.axvline(start - 0.5, color="0.8", linewidth=0.6)
    middles = [(a + b - 1) / 2 for a, b in zip(starts, [*starts[1:], len(kinds)], strict=True)]
    names = [kinds[start] for start in starts]
    axes.set_xticks(middles, names, rotation=90, fontsize=8)
    axes.set_yticks(middles, names, fontsize=8)
    axes.set_title("who (row) sees whom (column): text is seen by its own gist alone", fontsize=10)

"""The attention picture: which positions may attend to which, and what the gist slots of a segment attended to.

The mask at the left is the one two passes amount to (Mu et al., 2023); the program never builds one, since it encodes
and answers in two passes, so the picture is drawn from the same layout. At the right are the measured attention
weights of one layer and head in the encoding pass. Knows pictures; training knows nothing of it.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any

import torch
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from gistdesk.core.layout import encoder_rows
from gistdesk.core.model import GistModel
from gistdesk.core.plan import Plan
from gistdesk.core.sentences import Sentence, packed
from gistdesk.language.catalogs import ENGLISH, Translate, translated
from trainer.report.pictures import letters

_LABEL_PX, _LETTER_PX = 16, 6.4
_MOST_TOKENS_OF_A_LETTER = 4
_MOST_TOKENS = 160
"""Most columns whose tokens can still be printed below them."""


@dataclass(frozen=True)
class Attention:
    """What the slots of one segment attended to.

    Attributes:
        weights: (n_layers, n_heads, n_slots, n_columns), each row sums to 1.
        columns: the token at every column: BOS, text, gist tokens.
        n_slots: the last columns are the gist tokens themselves.
        segment: its index in the document, from 0.
    """

    weights: Tensor
    columns: tuple[str, ...]
    n_slots: int
    segment: int

    def of(self, layer: int, head: int) -> Tensor:
        """(n_slots, n_columns) weights of one head. Raises UserError: there is no such layer or head."""
        check_number(Sentence("There is no layer {n}.", n=layer), layer, self.weights.shape[0])
        check_number(Sentence("There is no head {n}.", n=head), head, self.weights.shape[1])
        return self.weights[layer, head]


@dataclass(frozen=True)
class Look:
    """How a picture is drawn.

    Attributes:
        width, height: in pixels at scale 1; font sizes suit that.
        scale: picture pixels for each of those.
        dark: light text, for whatever dark background the picture is put on.
        language: of the labels.
    """

    width: int = 1440
    height: int = 672
    scale: float = 1.25
    dark: bool = False
    language: str = ENGLISH


def check_number(otherwise: Sentence, number: int, n: int) -> None:
    """Raises UserError with the message `otherwise` unless `number` is in 0 to n - 1."""
    if not 0 <= number < n:
        raise UserError(otherwise, "Choose 0 to {most}.", most=n - 1)


def gist_mask(segments: Sequence[tuple[int, int]], n_prefix: int, n_question: int) -> tuple[Tensor, list[str]]:
    """(n, n) bool, row sees column; and what is at each position: prefix, text, gist, question.

    Args:
        segments: token and slot counts of each.
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


def slot_attention(model: GistModel, plan: Plan, *, segment: int) -> Attention:
    """The attention weights of one segment's slots in the encoding pass, for every layer and head.

    Raises:
        UserError: there is no such segment, or no adapter.
    """
    adapter = model.adapter
    if adapter is None or model.encoder is None:
        raise UserError("The model has no gist adapter.", "Train one, or give the folder of an adapter.")
    check_number(Sentence("There is no segment {n}.", n=segment), segment, len(plan.segments))
    cut = plan.segments[segment]
    ids = plan.token_ids[cut.start : cut.start + cut.n_tokens].long()
    rows = encoder_rows([ids], [cut.n_slots], bos_ids=model.bos_ids, gist_ids=adapter.gist_ids)
    weights = torch.stack(_weights_of(model, rows, cut.n_slots))
    names = _written(model.tokenizer, [*model.bos_ids, *ids.tolist()])
    names += [f"gist {i + 1}" for i in range(cut.n_slots)]
    return Attention(weights, tuple(names), cut.n_slots, segment)


def _written(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The text of each token; a character made of several tokens goes to the last one."""
    found: list[str] = []
    begun: list[int] = []
    for token in ids:
        begun.append(token)
        text = tokenizer.decode(begun)
        is_part = text.endswith("\ufffd") and len(begun) < _MOST_TOKENS_OF_A_LETTER
        found.append("·" if is_part else text)
        begun = begun if is_part else []
    return found


def _weights_of(model: GistModel, rows: Any, n_slots: int) -> list[Tensor]:
    """One tensor per layer, (n_heads, n_slots, n_columns) in float32."""
    seen: list[Tensor] = []

    def keep(_: Any, __: Any, output: tuple[Tensor, Tensor]) -> None:
        seen.append(output[1][0, :, -n_slots:].float().cpu())  # all rows would be n_tokens squared

    layers: Any = model.causal_lm.model.layers
    before = model.causal_lm.config._attn_implementation
    handles = [layer.self_attn.register_forward_hook(keep) for layer in layers]
    model.causal_lm.set_attn_implementation("eager")  # the other implementations never materialise the weights
    try:
        with torch.no_grad():
            model.encode(rows, torch.arange(n_slots))
    finally:
        for handle in handles:
            handle.remove()
        model.causal_lm.set_attn_implementation(before)
    return seen


def follow(
    attention: Attention, plan: Plan, document: str, model_id: str, wishes: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """Draw pictures on request, without the model, which may be freed by then: lines of JSON in, events out.

    A request has `path`, `layer`, `head`, and the fields of `Look`. The first event says what there is to choose from.

    Raises:
        UserError: there is no such layer or head.
    """
    n_layers, n_heads = attention.weights.shape[:2]
    yield {"event": "ready", "n_layers": n_layers, "n_heads": n_heads, "n_segments": len(plan.segments)}
    for line in wishes:
        wish = json.loads(line)
        path, layer, head = Path(wish.pop("path")), wish.pop("layer"), wish.pop("head")
        data = draw_attention(attention, plan, document, model_id, layer=layer, head=head, look=Look(**wish))
        try:
            write_atomically(path, data)
        except UserError as error:  # another path may work
            yield {"event": "failure", "message": packed(error.message), "hint": packed(error.hint)}
        else:
            yield {"event": "drawn", "path": str(path), "layer": layer, "head": head}


def draw_attention(
    attention: Attention, plan: Plan, document: str, model_id: str, *, layer: int, head: int, look: Look | None = None
) -> bytes:
    """A PNG: the mask for a small example from this document, and the weights with the tokens attended to most.

    Raises:
        UserError: there is no such layer or head.
    """
    from matplotlib import style

    look = look or Look()
    weights = attention.of(layer, head)
    tr: Translate = partial(translated, look.language)
    title = tr(
        "{document}, segment {segment}: layer {layer}, head {head} of {model}",
        document=document,
        segment=attention.segment,
        layer=layer,
        head=head,
        model=model_id,
    )
    with style.context(["default", "dark_background"] if look.dark else ["default"]), letters():
        return _png(weights, attention, plan, title, tr, look)


def _png(weights: Tensor, attention: Attention, plan: Plan, title: str, tr: Translate, look: Look) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(look.width / 96, look.height / 96), layout="constrained")
    FigureCanvasAgg(figure)
    if look.width >= look.height:
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
        share = 0.33
    else:
        right, left = figure.subplots(2, 1)
        share = 0.8
    per_line = round(share * look.width / (_LETTER_PX * (1.6 if look.language == "ko" else 1)))
    _draw_mask(left, plan, tr, dark=look.dark)
    seen = tr("who (row) sees whom (column): text is seen by its own gist alone")
    left.set_title(fill(seen, per_line), fontsize=9)
    n_text = len(attention.columns) - attention.n_slots
    shown = _strongest(weights[:, :n_text], _MOST_TOKENS)
    columns = [*shown, *range(n_text, len(attention.columns))]
    logs = weights[:, columns].clamp(min=1e-4).log10().numpy()
    picture = right.imshow(logs, aspect="auto", cmap="magma", interpolation="nearest")
    apart = max(1, round(len(columns) * _LABEL_PX / (look.width / 2)))
    right.set_yticks(range(attention.n_slots), [f"gist {i + 1}" for i in range(attention.n_slots)], fontsize=8)
    places = _apart(weights[:, columns].max(0).values, len(shown), apart)
    places += range(len(shown), len(columns), apart)
    tokens = [attention.columns[columns[place]].strip() or "␣" for place in places]
    right.set_xticks(places, [token.replace("$", r"\$") for token in tokens], rotation=90, fontsize=8)
    figure.suptitle(title.replace("$", r"\$"), fontsize=10)
    columns_text = tr(
        "{shown} of {n} text tokens, the most looked at, in order; then the gist tokens", shown=len(shown), n=n_text
    )
    right.set_xlabel(fill(columns_text, 2 * per_line), fontsize=9)
    figure.colorbar(picture, ax=right, label=tr("attention weight, log10"), shrink=0.8)
    data = io.BytesIO()
    ground = "none" if look.dark else "auto"  # the background is the window's
    figure.savefig(data, format="png", dpi=96 * look.scale, facecolor=ground)
    return data.getvalue()


def _strongest(weights: Tensor, n: int) -> list[int]:
    """Columns with the largest weight from any slot, in order."""
    order: list[int] = weights.max(0).values.argsort(descending=True)[:n].tolist()
    return sorted(order)


def _apart(heights: Tensor, n: int, distance: int) -> list[int]:
    """The highest of the first `n` positions whose labels do not touch."""
    chosen: list[int] = []
    for place in heights[:n].argsort(descending=True).tolist():
        if all(abs(place - other) > distance for other in chosen) and n - place > distance:
            chosen.append(place)
    return sorted(chosen[:30])


def _draw_mask(axes: Any, plan: Plan, tr: Translate, *, dark: bool) -> None:
    """The document's first three segments, their tokens scaled down so that the slots can be seen."""
    from matplotlib.colors import ListedColormap

    cut = plan.segments[:3]
    longest = max(segment.n_tokens for segment in cut)
    small = [(max(2, round(14 * s.n_tokens / longest)), min(s.n_slots, 6)) for s in cut]
    sees, kinds = gist_mask(small, 3, 6)
    ground = "#26303c" if dark else "#f4f8fd"
    axes.imshow(sees.numpy(), cmap=ListedColormap([ground, "#4292c6"]), vmin=0, vmax=1, interpolation="nearest")
    starts = [i for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="0.6", linewidth=0.4)
        axes.axvline(start - 0.5, color="0.6", linewidth=0.4)
    middles = [(a + b - 1) / 2 for a, b in zip(starts, [*starts[1:], len(kinds)], strict=True)]
    words = {"prefix": tr("prefix"), "text": tr("text"), "gist": tr("gist"), "question": tr("question")}
    names = [words[kinds[start]] for start in starts]
    axes.set_xticks(middles, names, rotation=90, fontsize=8)
    axes.set_yticks(middles, names, fontsize=8)

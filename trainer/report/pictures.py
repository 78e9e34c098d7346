"""Pictures of a benchmark: heatmaps of length by depth, and accuracy by length, as PNG and SVG.

Colours can be told apart by the colour-blind, and nothing is shown by colour alone. Knows figures; writes no files.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, get_args

from gistdesk.language.catalogs import ENGLISH, Translate, translated
from trainer.benchmark.figures import Figures, method_name

Form = Literal["png", "svg"]
FORMS: tuple[Form, ...] = get_args(Form)

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#8C6D31",
    "#999999",
    "#5E4FA2",
)
_MARKS = "osD^vP*X<>hd"
_STYLES = ("-", "--", "-.", ":")
_MOST_COLUMNS = 7
_KOREAN_FONTS = {"NanumGothic", "Noto Sans CJK KR", "Malgun Gothic", "AppleGothic"}


@contextmanager
def letters() -> Iterator[None]:
    """Inside, pictures can show letters of all languages this computer has fonts for; other letters become boxes."""
    from matplotlib import font_manager, rc_context

    korean = _KOREAN_FONTS & {font.name for font in font_manager.fontManager.ttflist}
    with warnings.catch_warnings(), rc_context({"font.family": ["DejaVu Sans", *sorted(korean)]}):
        # a computer without a Korean font, or with an outdated font list, still gets its picture
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        yield


def heatmap(rows: Sequence[Figures], form: Form = "png", language: str = ENGLISH) -> bytes:
    """One grid per method, ratio, language and kind; length on x, depth on y, accuracy printed in every cell.

    Args:
        rows: cells that have a depth, at least one.
        language: of the labels.
    """
    with letters():
        return _drawn(_heatmap(rows, partial(translated, language)), form)


def _heatmap(rows: Sequence[Figures], tr: Translate) -> Any:
    rows = [row for row in rows if row["depth_percent"] is not None]
    groups = list(dict.fromkeys((row["needle_kind"], row["language"], method_name(row)) for row in rows))
    n_methods = len({method_name(row) for row in rows})
    n_columns = -(-n_methods // -(-n_methods // _MOST_COLUMNS))  # as even as possible
    n_rows = -(-n_methods // n_columns) * len({group[:2] for group in groups})
    lengths = sorted({row["context_tokens"] for row in rows})
    depths = sorted({row["depth_percent"] for row in rows})
    size = (1.2 + n_columns * (0.9 + 0.55 * len(lengths)), 0.9 + n_rows * (0.9 + 0.4 * len(depths)))
    figure = _figure(size)
    grids = figure.subplots(n_rows, n_columns, squeeze=False)
    image = None
    places = _places(groups, n_columns)
    for place, axes in enumerate(grids.flat):
        if place not in places:
            axes.set_axis_off()
            continue
        kind, language, method = places[place]
        own = {
            (r["context_tokens"], r["depth_percent"]): r["accuracy"]
            for r in rows
            if (r["needle_kind"], r["language"], method_name(r)) == (kind, language, method)
        }
        values = [[own.get((length, depth), float("nan")) for length in lengths] for depth in depths]
        image = axes.imshow(values, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for y, line in enumerate(values):
            for x, value in enumerate(line):
                if value == value:  # a cell not measured yet is left empty
                    shade = "black" if value > 0.5 else "white"
                    axes.text(x, y, f"{100 * value:.0f}", ha="center", va="center", color=shade, fontsize=8)
        axes.set_title(f"{method}, {kind}, {language}", fontsize=9)
        axes.set_xticks(range(len(lengths)), [f"{n:,}" for n in lengths], fontsize=7, rotation=45)
        axes.set_yticks(range(len(depths)), [f"{depth}" for depth in depths], fontsize=7)
    figure.supxlabel(tr("document tokens"), fontsize=9)
    figure.supylabel(tr("depth of the needle, %"), fontsize=9)
    if image is not None:
        figure.colorbar(image, ax=grids, label=tr("share of right answers"), shrink=0.8)
    return figure


def _places(groups: Sequence[tuple[str, str, str]], n_columns: int) -> dict[int, tuple[str, str, str]]:
    """The position of each grid: every kind and language begins a row of its own."""
    found: dict[int, tuple[str, str, str]] = {}
    place, before = 0, groups[0][:2]
    for group in groups:
        if group[:2] != before:
            place, before = -(-place // n_columns) * n_columns, group[:2]
        found[place] = group
        place += 1
    return found


def curves(rows: Sequence[Figures], form: Form = "png", language: str = ENGLISH) -> bytes:
    """Accuracy by length with its 95% interval: one panel per kind and language, one line per method and ratio.

    Args:
        rows: of `figures.by_length`, at least one.
        language: of the labels.
    """
    with letters():
        return _drawn(_curves(rows, partial(translated, language)), form)


def _curves(rows: Sequence[Figures], tr: Translate) -> Any:
    groups = list(dict.fromkeys((row["needle_kind"], row["language"]) for row in rows))
    names = list(dict.fromkeys(method_name(row) for row in rows))
    n_columns = min(len(groups), 4)
    n_rows = -(-len(groups) // n_columns)
    figure = _figure((1.0 + 3.2 * n_columns + 1.6, 0.6 + 2.6 * n_rows))
    fields = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    for axes in fields.flat[len(groups) :]:
        axes.set_axis_off()
    drawn: dict[str, Any] = {}
    looks = _looks(rows)
    for axes, group in zip(fields.flat, groups, strict=False):
        own = [row for row in rows if (row["needle_kind"], row["language"]) == group]
        lengths = sorted({row["context_tokens"] for row in own})
        for place, name in enumerate(names):
            line = sorted((r for r in own if method_name(r) == name), key=lambda r: r["context_tokens"])
            if not line:
                continue
            aside = 2 ** (0.25 * (place / max(len(names) - 1, 1) - 0.5))  # lines that coincide stay visible
            scores = [r["accuracy"] for r in line]
            drawn[name] = axes.errorbar(
                [r["context_tokens"] * aside for r in line],
                scores,
                yerr=[
                    [max(0.0, r["accuracy"] - r["wilson_low"]) for r in line],
                    [max(0.0, r["wilson_high"] - r["accuracy"]) for r in line],
                ],
                markersize=4,
                linewidth=1.2,
                elinewidth=0.5,
                **looks[name],
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(lengths, [f"{n:,}" for n in lengths], fontsize=7, rotation=45)
        axes.minorticks_off()
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(f"{group[0]}, {group[1]}", fontsize=9)
        axes.grid(alpha=0.25)
    figure.supxlabel(tr("document tokens"), fontsize=9)
    figure.supylabel(tr("score (share of right answers)"), fontsize=9)
    figure.legend(drawn.values(), drawn.keys(), loc="outside right upper", fontsize=7)
    return figure


def _looks(rows: Sequence[Figures]) -> dict[str, dict[str, str]]:
    """Each method has its colour and marker, each ratio its line style."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        place = methods.index(row["method"])
        ratios = list(dict.fromkeys(r["ratio_asked"] for r in rows if r["method"] == row["method"]))
        found[method_name(row)] = {
            "color": _COLOURS[place % len(_COLOURS)],
            "marker": _MARKS[place % len(_MARKS)],
            "linestyle": _STYLES[ratios.index(row["ratio_asked"]) % len(_STYLES)],
        }
    return found


def _figure(size: tuple[float, float]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _drawn(figure: Any, form: Form) -> bytes:
    """The figure as bytes. The same figures give the same file: it has no date and no random names."""
    from matplotlib import rc_context

    data = io.BytesIO()
    with rc_context({"svg.hashsalt": "gistdesk", "svg.fonttype": "none"}):
        figure.savefig(data, format=form, dpi=130, metadata={"Date": None} if form == "svg" else {"Software": None})
    return data.getvalue()

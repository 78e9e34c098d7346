"""What was measured of ways of keeping less of a text: rows in files, and the one table that they make.

    python -m tests.benchmarks.way_rows FILE...

prints it in Markdown: a line per way and ratio, a column per measure, in every cell the figure, its 95% interval and of
how many. Rows are appended as they come, so a measurement that is started again goes on behind what is there. Knows no
models, so that kvpress's environment can write rows, too.
"""

import argparse
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from gistdesk.core.interval import wilson

REPORTS, DRAWN, PASSKEYS, CONTINUATION = "reports", "drawn reports", "passkeys", "continuation"
ANSWER_LOSS, ANSWER_F1 = "answer loss", "answer F1"
N_READINGS, N_BYTES = "readings", "bytes"
FULL, NOTHING, PASSAGES = "full text", "nothing", "passages"
_WITHOUT_RATIO = (FULL, NOTHING, PASSAGES)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        measure: one of `MEASURES`.
        item: what was asked, by the same name for every way.
        way: of keeping it.
        ratio: tokens of text per slot; 1 where there are no slots.
        value: right 1, wrong 0; F1; nats (per token of an answer; of KL divergence); how many times the CPU time of
            one plain reading it took; or bytes of the gist's file.
    """

    measure: str
    item: str
    way: str
    ratio: float
    value: float


class RowFile:
    """Rows of a file, and behind them those that are still to come."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._path = path
        self.rows = read_rows([path])
        self._keys = {_key(row.measure, row.item, row.way, row.ratio) for row in self.rows}

    def lacks(self, measure: str, item: str, way: str, ratio: float) -> bool:
        return _key(measure, item, way, ratio) not in self._keys

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._keys.add(_key(row.measure, row.item, row.way, row.ratio))
        with self._path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(row)) + "\n")


def _key(measure: str, item: str, way: str, ratio: float) -> tuple[str, str, str, float]:
    return measure, item, way, float(ratio)


def read_rows(paths: Iterable[Path]) -> list[Row]:
    return [Row(**json.loads(line)) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


Values = dict[str, float]
"""Of one way and measure, by item."""


def _share(values: Values, full: Values, nothing: Values) -> str:
    low, high = wilson(sum(values.values()), len(values))
    return f"{sum(values.values()) / len(values):.0%} ({low * 100:.0f}-{high * 100:.0f}), n = {len(values)}"


def _mean(values: Values, full: Values, nothing: Values) -> str:
    mean, half = _mean_of(list(values.values()))
    return f"{mean:.3f} ± {half:.3f}, n = {len(values)}"


def _gain(values: Values, full: Values, nothing: Values) -> str:
    """Nats, and how many fewer than from nothing: as a share of what the full text gives for the same items.

    The interval is that of a ratio of two means over the same items, linearized (Cochran, Sampling Techniques, 6.5).
    """
    items = [item for item in values if item in full and item in nothing]
    if not items:
        return _mean(values, full, nothing)
    whole = sum(nothing[item] - full[item] for item in items)
    share = sum(nothing[item] - values[item] for item in items) / whole
    rests = [nothing[item] - values[item] - share * (nothing[item] - full[item]) for item in items]
    half = 1.96 * math.sqrt(sum(rest**2 for rest in rests)) / abs(whole)
    loss, _ = _mean_of([values[item] for item in items])
    return f"{loss:.2f}: {share:.0%} ± {half * 100:.0f}, n = {len(items)}"


def _times(values: Values, full: Values, nothing: Values) -> str:
    return f"{_mean_of(list(values.values()))[0]:.1f}"


def _kibibytes(values: Values, full: Values, nothing: Values) -> str:
    return f"{_mean_of(list(values.values()))[0] / 1024:.0f}"


def _mean_of(values: list[float]) -> tuple[float, float]:
    """Mean, and half its 95% interval."""
    mean = sum(values) / len(values)
    return mean, 1.96 * math.sqrt(sum((each - mean) ** 2 for each in values)) / len(values)


MEASURES = {
    CONTINUATION: ("KL of what follows, nats: kept of what the full text gives", _gain),
    REPORTS: ("questions about reports", _share),
    DRAWN: ("questions about drawn reports", _share),
    PASSKEYS: ("passkeys, 512 tokens", _share),
    ANSWER_LOSS: ("loss of experts' answers about stories: kept of what the full text gives", _gain),
    ANSWER_F1: ("token F1 of answers about stories", _mean),
    N_READINGS: ("to make, plain readings", _times),
    N_BYTES: ("file, KiB", _kibibytes),
}
"""Title of its column, and what writes a cell of it."""


def table(rows: Iterable[Row]) -> str:
    """Markdown; ways in the order in which they come, their ratios from the lowest."""
    found: dict[str, dict[tuple[str, float], Values]] = {measure: {} for measure in MEASURES}
    ways: dict[str, set[float]] = {FULL: set(), NOTHING: set()}
    for row in rows:
        found[row.measure].setdefault((row.way, row.ratio), {})[row.item] = row.value
        ways.setdefault(row.way, set()).add(row.ratio)
    shown = [measure for measure in MEASURES if found[measure]]
    lines = ["| way | ratio | " + " | ".join(MEASURES[measure][0] for measure in shown) + " |"]
    lines.append("|---" * (2 + len(shown)) + "|")
    for way, ratios in ways.items():
        for ratio in sorted(ratios):
            cells = []
            for measure in shown:
                of_measure = found[measure]
                values, write = of_measure.get((way, ratio)), MEASURES[measure][1]
                full, nothing = of_measure.get((FULL, 1.0), {}), of_measure.get((NOTHING, 1.0), {})
                cells.append(write(values, full, nothing) if values else "-")
            lines.append(f"| {way} | {'' if way in _WITHOUT_RATIO else f'{ratio:g}x'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    print(table(read_rows(parser.parse_args().files)))


if __name__ == "__main__":
    main()

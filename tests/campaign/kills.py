"""Signals at random moments, to everything that works for long: `python -m tests.campaign.kills --n 1000 --seed 1`.

Compressing, the engine, training and the benchmark are killed (SIGKILL), ended (SIGTERM) and interrupted (SIGINT), and
begun again in the same folder until they come to their end; window and its engine are killed. After every signal: what
is there is whole, no process is left, nothing was said that only a programmer understands. What is made in the end is
what an undisturbed run makes; then it is begun anew. Stops at the first failure.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.campaign.disturbed import Disturbed, Kills
from tests.campaign.window_kills import DisturbedWindow
from tests.campaign.works import works


def main() -> None:
    """See above. Exit code 1: something was bad."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--n", type=int, default=50, help="signals in all")
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--what", default="", help="names, with commas between; all of them else")
    told.add_argument("--out", type=Path, default=None, help="a file that is written anew after every ten signals")
    asked = told.parse_args()
    found = run(asked.n, asked.seed, asked.what.split(",") if asked.what else (), asked.out)
    print(table(found))
    sys.exit(any(kills.bad for kills in found.values()))


def run(n: int, seed: int, names: Sequence[str] = (), out: Path | None = None) -> dict[str, Kills]:
    """Send so many signals, to whatever has had the least time; the first failure ends it."""
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = Path(place)
        disturbed: list[Disturbed | DisturbedWindow] = [
            Disturbed(work, folder / work.name, Random(f"{seed}:{work.name}"))
            for work in works()
            if not names or work.name in names
        ]
        if not names or DisturbedWindow.name in names:
            disturbed.append(DisturbedWindow(folder / DisturbedWindow.name, Random(f"{seed}:window")))
        found = {each.name: each.kills for each in disturbed}
        n_told = 0
        while (n_sent := _sent(found)) < n and not any(kills.bad for kills in found.values()):
            min(disturbed, key=lambda each: each.spent_s).one()
            if out is not None and n_sent // 10 > n_told:
                n_told = n_sent // 10
                out.write_text(json.dumps({name: vars(kills) for name, kills in found.items()}), "utf-8")
        for each in disturbed:
            if not any(kills.bad for kills in found.values()):
                each.finish()
    return found


def _sent(found: dict[str, Kills]) -> int:
    return sum(kills.sent.total() for kills in found.values())


def table(found: dict[str, Kills]) -> str:
    """Markdown."""
    rows = ["| killed | signals | SIGKILL, SIGTERM, SIGINT | ends compared | bad | longest until all was gone, s |"]
    rows.append("|---|---|---|---|---|---|")
    for name, kills in found.items():
        by_name = ", ".join(str(kills.sent[number]) for number in ("SIGKILL", "SIGTERM", "SIGINT"))
        counts = f"{kills.sent.total()} | {by_name} | {kills.finished} | {len(kills.bad)} | {kills.longest_s:.1f}"
        rows.append(f"| {name} | {counts} |")
    rows.append(f"| all | {_sent(found)} | | | | |")
    return "\n".join([*rows, *(f"{name}: {told}" for name, kills in found.items() for told in kills.bad)])


if __name__ == "__main__":
    main()

"""Hostile files and disks, as many as there is time for: `python -m tests.campaign --minutes 60 --seed 1`.

Counts what was tried, what was clean (done, or refused in a sentence) and what was bad, by part. Stops at the first
new kind of failure, whose files it keeps; with --go-on it keeps the first of each kind and goes on. `--case` makes and
tries one case again. Kills and the soak have programs of their own: `tests.campaign.kills`, `tests.campaign.soak`.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from tests.campaign.forked import Count, Part, make_case, try_cases
from tests.campaign.parts import PARTS
from tests.campaign.programs import PROGRAMS, may_mount

_SLICE_S = 15.0


def main() -> None:
    """See above. Exit code 1: something was bad."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--minutes", type=float, default=1.0)
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--parts", default="", help="words of the names of parts, with commas between; all of them else")
    told.add_argument(
        "--out",
        type=lambda text: Path(text).absolute(),
        default="runs/campaign",
        help="for files that did it, and the table",
    )
    told.add_argument("--go-on", action="store_true", help="go on after a new kind of failure")
    told.add_argument("--case", type=int, default=None, help="only this one, of the only part; where its files are")
    asked = told.parse_args()
    words = [word.strip() for word in asked.parts.split(",") if word.strip()]
    mounting = PROGRAMS if may_mount() else ()
    if not mounting:
        print("Programs on disks of their own are left out: this user may not mount one.")
    parts = [part for part in (*PARTS, *mounting) if not words or any(word in part.name for word in words)]
    if asked.case is not None:
        _one_case(parts[0], asked.seed, asked.case, asked.out)
        return
    counts = run(parts, asked.minutes * 60, asked.seed, asked.out, go_on=asked.go_on)
    print(table(counts))
    sys.exit(any(count.bad for count in counts.values()))


def run(parts: list[Part], seconds: float, seed: int, out: Path, *, go_on: bool = False) -> dict[str, Count]:
    """Try all parts in turn, a slice of time each, until the time is over or something new is bad."""
    counts = {part.name: Count() for part in parts}
    cases = dict.fromkeys(counts, 0)
    until = time.monotonic() + seconds
    piece = max(0.5, min(_SLICE_S, seconds / len(parts)))
    while time.monotonic() < until:
        for part in parts:
            end = min(until + piece, time.monotonic() + piece)
            while (left := end - time.monotonic()) > 0:
                count = counts[part.name]
                cases[part.name], told = try_cases(part, seed, cases[part.name], left, count)
                if told and count.add_bad(told, cases[part.name] - 1):
                    kept = keep(part, seed, cases[part.name] - 1, out)
                    print(f"{part.name}: {told}\n    {kept}", flush=True)
                    if not go_on:
                        return counts
            if time.monotonic() > until and all(count.tried for count in counts.values()):
                break
        write_table(out, counts, seed)
    return counts


def keep(part: Part, seed: int, case: int, out: Path) -> Path:
    """Make the files of a case again, to be looked at."""
    place = out / f"{part.name.replace(' ', '-')}-{seed}-{case}"
    shutil.rmtree(place, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    made = out / ".made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    return make_case(part, seed, case, place, part.prepare(made))


def _one_case(part: Part, seed: int, case: int, out: Path) -> None:
    path = keep(part, seed, case, out)
    print(path)
    try:
        part.check(path)
    except part.refusals as error:
        print(f"refused: {error}")


def table(counts: dict[str, Count]) -> str:
    """Markdown."""
    rows = [
        "| part | tried | clean | bad | refused by the process's limits | longest, s of the processor | peak, MiB |"
    ]
    rows.append("|---|---|---|---|---|---|---|")
    for name, c in counts.items():
        rows.append(
            f"| {name} | {c.tried:,} | {c.clean:,} | {c.bad} | {c.ended} | {c.longest_s:.2f} | {c.peak_bytes >> 20} |"
        )
    total = [sum(getattr(c, what) for c in counts.values()) for what in ("tried", "clean", "bad", "ended")]
    rows.append(f"| all | {total[0]:,} | {total[1]:,} | {total[2]} | {total[3]} | | |")
    for name, c in counts.items():
        rows += [f"{name}, case {first}, {n} times: {kind}" for kind, (first, n) in c.kinds.items()]
    return "\n".join(rows)


def write_table(out: Path, counts: dict[str, Count], seed: int) -> None:
    """What is known so far."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"table-{seed}.md").write_text(table(counts) + "\n", encoding="utf-8")
    told = {name: vars(count) for name, count in counts.items()}
    (out / f"table-{seed}.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

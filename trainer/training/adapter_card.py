"""An adapter's model card, README.md in its folder: its recipe, and what its run measured along the way.

Reads the run's own record; measures nothing. The starter's card, made from benchmark runs, is in `card`.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from gistdesk.core.gist_file import write_atomically
from gistdesk.core.interval import wilson
from gistdesk.core.json_file import read_object
from gistdesk.core.sentences import unpacked
from trainer.machine import hardware
from trainer.training.config import TrainConfig, read_config, to_yaml

_CONTROLS = ("wrong-gist", "none", "full")
_LANGUAGES = {"en": "English", "ko": "Korean"}

_HEAD = """---
base_model: {base}
library_name: peft
---
# A gist adapter for {base}

LoRA of rank {rank} and {slots} gist tokens, trained by `python -m trainer train` with the base frozen in {precision}:
{steps} steps, {minutes:.0f} minutes on {machine}, {start}. What follows was measured by that run, on texts,
sentences and questions that it did not train on.
"""

_NEEDLES = """
## Needles, compressed and asked as a user does, at {ratio:g}x

Texts of {lengths} tokens, needle at the beginning to the end, share of right answers (95% interval, Wilson).
`wrong-gist` answers from the gist of another document, `none` from no document, `full` from the whole text; these
three over all needles and languages.
"""

_OTHER_RATIOS = """
At the ends of the ratios that it was trained for, after the step that was kept, on fewer samples:

| asked for | needle | right |
|---|---|---|
"""

_CHECK = """
## In training's own way

Right answers to held-out questions. Were `wrong-gist` or `none` as good as `gist`, they would come from elsewhere.

| step | part | n | gist | wrong-gist | none | full |
|---|---|---|---|---|---|---|
"""

_PEFT = """
## With peft

On the base as transformers loads it, `model`, and the name of this `folder`:

```python
{steps}
```
"""

_TAIL = """
## To be careful about

The adapter kept is that of step {best}, the best of these evaluations: its own figure here is a little flattered. The
samples are few; `gistdesk niah --seed 2` measures more, and others.

## Recipe

```yaml
{recipe}```
"""


def write_adapter_card(folder: Path, device: torch.device) -> None:
    """Write `adapter/README.md` in the folder of a run that has measured something.

    Args:
        device: the one it runs on.
    """
    events = list(_last_of_each(list(_events(folder / "run.jsonl"))))
    if any(event["event"] == "evaluation" for event in events) and (folder / "adapter").is_dir():
        text = adapter_card(read_config(folder / "config.yaml"), events, _name(device))
        text += _PEFT.format(steps="\n".join(read_object(folder / "adapter" / "gist.json")["to_load_with_peft"]))
        write_atomically(folder / "adapter" / "README.md", text.encode())


def adapter_card(config: TrainConfig, events: Sequence[dict[str, Any]], machine: str) -> str:
    """The card as Markdown.

    Args:
        events: the run's, with no step twice.
        machine: the one it ran on, in words.
    """
    evaluations = [event for event in events if event["event"] == "evaluation"]
    seconds = max((event["seconds"] for event in events if "seconds" in event), default=0.0)
    best = [event["step"] for event in evaluations if event["is_best"]]
    parts = [
        _HEAD.format(
            base=config.base,
            rank=config.rank,
            slots=config.slots,
            precision=config.precision,
            steps=evaluations[-1]["step"],
            minutes=seconds / 60,
            machine=machine,
            start=f"from {Path(config.start_from).name}" if config.start_from else "from nothing",
        )
    ]
    if any(event["rows"] for event in evaluations):
        lengths = ", ".join(f"{n:,}" for n in config.evaluate_lengths)
        table = _needle_table(evaluations, events, config.ratio)
        parts += [_NEEDLES.format(ratio=config.ratio, lengths=lengths), "\n", table]
        kept = next((event for event in reversed(evaluations) if event["is_best"]), evaluations[-1])
        others = [row for row in kept["rows"] if not _is_aimed(row, config.ratio)]
        parts += [_OTHER_RATIOS, *_other_rows(others)] if others else []
    parts += [_CHECK, *(_check_row(event) for event in events if event["event"] == "check")]
    warnings = list(dict.fromkeys(event["message"] for event in events if event["event"] == "warning"))
    if warnings:
        parts += ["\n## Warnings\n\n", *(f"- {message}\n" for message in warnings)]
    last = best[-1] if best else evaluations[-1]["step"]
    return "".join([*parts, _TAIL.format(best=last, recipe=to_yaml(config))])


def _name(device: torch.device) -> str:
    found = hardware(device)
    return str(found.get("card") or f"{found['cpu']} ({found['threads']} threads)")


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(json.JSONDecodeError):  # a killed run's half-written line
            yield unpacked(json.loads(line))


def _last_of_each(events: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A killed run repeats its last steps on resuming; their first events are left out."""
    done: set[tuple[Any, ...]] = set()
    kept = []
    for event in reversed(events):
        name = event["event"], event.get("step"), event.get("part"), event.get("message")
        if name not in done:
            done.add(name)
            kept.append(event)
    yield from reversed(kept)


def _is_aimed(row: dict[str, Any], ratio: float) -> bool:
    """Whether a row is for the ratio aimed at; rows from runs older than other ratios' measurements do not say."""
    return bool(row.get("ratio_asked", ratio) == ratio)


def _other_rows(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for ratio, kind, language in dict.fromkeys((r["ratio_asked"], r["needle_kind"], r["language"]) for r in rows):
        own = [r for r in rows if (r["ratio_asked"], r["needle_kind"], r["language"]) == (ratio, kind, language)]
        yield f"| {ratio:g}x | {kind}, {_LANGUAGES.get(language, language)} | {_share(own)} |\n"


def _share(rows: Sequence[dict[str, Any]]) -> str:
    n = sum(row["n"] for row in rows)
    right = sum(row["accuracy"] * row["n"] for row in rows)
    low, high = wilson(right, n)
    return f"{100 * right / n:.0f}% of {n} ({100 * low:.0f}-{100 * high:.0f}%)"


def _needle_table(evaluations: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]], ratio: float) -> str:
    controls = {event["step"]: event for event in events if event["event"] == "needles"}
    groups = list(dict.fromkeys((row["needle_kind"], row["language"]) for row in evaluations[0]["rows"]))
    names = [f"{kind}, {_LANGUAGES.get(language, language)}" for kind, language in groups]
    lines = ["| step | " + " | ".join([*names, *_CONTROLS]) + " |", "|---|" + "---|" * (len(names) + len(_CONTROLS))]
    for event in evaluations:
        shares = []
        for group in groups:
            aimed = [row for row in event["rows"] if _is_aimed(row, ratio)]
            shares.append(_share([row for row in aimed if (row["needle_kind"], row["language"]) == group]))
        others = controls.get(event["step"], {})
        shares += [f"{100 * others[f'{name} accuracy']:.0f}%" if others else "-" for name in _CONTROLS]
        lines.append(f"| {event['step']} | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def _check_row(event: dict[str, Any]) -> str:
    shares = (event.get(f"{name} right") for name in ("gist", *_CONTROLS))
    return f"| {event['step']} | {event['part']} | {event['n']} | " + " | ".join(map(str, shares)) + " |\n"

"""From a configuration to a trained adapter: loads the base, makes the run, measures it, keeps its records.

A run's folder holds config.yaml, run.jsonl (every event), checkpoints/, adapter/ (the best so far) and, while it is
wanted, a file `control` with the word pause or stop in it. So a run does not depend on whatever started it.
Knows no terminal and no window.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from gistdesk.core.model import GistModel
from trainer.check import Figure, warnings_of
from trainer.config import NOT_OF_THE_RECIPE, TrainConfig, read_config
from trainer.evaluate import NiahConfig, Trial, evaluate, wilson
from trainer.loop import Event, Measured, Plan, Wish, train
from trainer.processes import Processes
from trainer.quantize import load_base
from trainer.report import cells
from trainer.run import AdapterRun

_DEPTHS = (0, 25, 50, 75, 100)
_ROW = ("language", "needle_kind", "context_tokens", "depth_percent", "ratio", "n", "accuracy")
_OF_ADAPTER, _OF_BASE = ("gist", "wrong-gist"), ("full", "none")


def train_adapter(folder: Path, config: TrainConfig, *, model: GistModel | None = None) -> Iterator[Event]:
    """Train, or go on training, in `folder`; every event is also a line of its run.jsonl.

    Args:
        model: the base, where it is loaded already.

    Raises:
        UserError: what the configuration asks for cannot be had, or the folder holds a run of another recipe.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if not config.base:
        raise UserError("No base model is given.", "Set base to a folder or a hub id: --set base=FOLDER.")
    claim_folder(folder, config)
    model = model or load_base(config.base, device=config.device, precision=config.precision)
    processes = Processes(model.device.type)
    run = AdapterRun(model, config, processes)
    plan = Plan(folder, config.evaluate_steps, config.checkpoint_s, config.keep_checkpoints, config.report_steps)
    examiner = Examiner(run)
    events = train(run, plan, evaluate=examiner.measure, wish=lambda: read_control(folder))
    try:
        if processes.first:
            yield from recorded(events, folder / "run.jsonl")
        else:  # one process speaks for all
            for _ in events:
                pass
    finally:
        processes.leave()


def claim_folder(folder: Path, config: TrainConfig) -> None:
    """Write the configuration beside everything the run will write there.

    Raises:
        UserError: the folder cannot be written or holds a run of another recipe.
    """
    path = folder / "config.yaml"
    if path.exists():
        mine, theirs = asdict(config), asdict(read_config(path))
        other = [name for name in mine if mine[name] != theirs[name] and name not in NOT_OF_THE_RECIPE]
        if other:
            raise UserError(
                f"{folder} holds a run with another {', '.join(other)}.",
                "Give the same settings as before, or another --work folder.",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "control").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {folder} cannot be made or written to ({error.strerror}).", "Choose another one."
        ) from error
    write_atomically(path, config.to_yaml().encode())


def read_control(folder: Path) -> Wish:
    """What the file `control` says: pause, stop, or anything else to go on."""
    with suppress(OSError, UnicodeDecodeError):
        word = (folder / "control").read_text(encoding="utf-8").strip()
        if word == "pause":
            return "pause"
        if word == "stop":
            return "stop"
    return "go"


def write_control(folder: Path, wish: Wish) -> None:
    """Tell a run, in whatever process it is, to pause, stop or go on."""
    write_atomically(folder / "control", wish.encode())


def recorded(events: Iterator[Event], path: Path) -> Iterator[Event]:
    """Pass events on with the time of day, each a line of `path` too. A full disk costs the line, not the run."""
    for event in events:
        event = {**event, "time": round(time.time(), 3)}
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(event, ensure_ascii=False) + "\n")
        except OSError as error:
            event["unrecorded"] = str(error.strerror)
        yield event


class Examiner:
    """Measures a run: the bottleneck check in training's own way, and needles in the user's way."""

    def __init__(self, run: AdapterRun) -> None:
        self._run = run
        self._base_trials: list[Trial] | None = None

    def measure(self) -> Measured:
        """Raises UserError where the configuration asks for what the model cannot do."""
        run = self._run
        events: list[Event] = []
        scores: list[float] = []
        warnings: list[str] = []
        late = run.step == run.steps
        conditions = run.conditions()
        for part, figures in conditions.items():
            events.append({"event": "check", "part": part, **_flat(figures)})
            warnings += warnings_of(figures, fresh=run.fresh, at_start=run.step == 0, last=late)
            if part not in ("passkeys", "facts"):
                scores.append(figures["gist"].share)
        rows: list[dict[str, Any]] = []
        if {"passkeys", "facts"} & run.mixture.sources.keys():
            trials = self._trials()
            measured = cells(trials)
            rows = [{name: cell[name] for name in _ROW} for cell in measured if cell["method"] == "gist"]
            shares = {method: [t.correct for t in trials if t.method == method] for method in _OF_ADAPTER}
            scores.append(sum(shares["gist"]) / len(shares["gist"]))
            events.append({"event": "needles", **_by_method(trials)})
            warnings += _served_worse(conditions, shares["gist"])
        events += [{"event": "warning", "message": message} for message in dict.fromkeys(warnings)]
        return Measured(sum(scores) / len(scores) if scores else None, rows, events)

    def _trials(self) -> list[Trial]:
        """Needles through compress and answer. What needs no adapter is as it was: the base is frozen."""
        config = self._run.config
        languages = tuple(
            name for name, share in (("en", 1 - config.korean_share), ("ko", config.korean_share)) if share
        )
        asked = NiahConfig(
            lengths=config.evaluate_lengths,
            depths=_DEPTHS,
            samples=config.evaluate_samples,
            languages=languages,
            methods=_OF_ADAPTER,
            kinds=config.evaluate_kinds,
            ratio=config.ratio,
            seed=config.seed % 1000,
        )
        if self._base_trials is None:
            self._base_trials = list(evaluate(self._run.model, replace(asked, methods=_OF_BASE)))
        return [*evaluate(self._run.model, asked), *self._base_trials]


def _flat(figures: dict[str, Figure]) -> dict[str, float]:
    found: dict[str, float] = {}
    for condition, figure in figures.items():
        found |= {f"{condition} loss": round(figure.loss, 4), f"{condition} right": figure.right}
    return {**found, "n": next(iter(figures.values())).n}


def _by_method(trials: list[Trial]) -> dict[str, Any]:
    """Share of right answers per method, and per method and language."""
    groups: dict[str, list[bool]] = {}
    for trial in trials:
        groups.setdefault(trial.method, []).append(trial.correct)
        groups.setdefault(f"{trial.method} {trial.language}", []).append(trial.correct)
    return {
        "n": len(groups["gist"]),
        **{f"{name} accuracy": round(sum(own) / len(own), 4) for name, own in sorted(groups.items())},
    }


def _served_worse(conditions: dict[str, dict[str, Figure]], served: list[bool]) -> list[str]:
    """Right in training's own way and wrong in the user's: trained one thing and running another."""
    trained = [figures["gist"] for part, figures in conditions.items() if part in ("passkeys", "facts")]
    right, n = sum(f.right for f in trained), sum(f.n for f in trained)
    if right and wilson(right, n)[0] > 0.5 and wilson(sum(served), len(served))[1] < 0.5 * right / n:
        return [
            f"Training answers {right} of {n} held-out questions, but compressing and asking as a user does answers "
            f"{sum(served)} of {len(served)}: the two do not do the same."
        ]
    return []

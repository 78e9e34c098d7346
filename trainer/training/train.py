"""From a configuration to a trained adapter: loads the base, creates the run, measures it.

Its folder holds config.yaml, adapter/ (the best so far, with a card) and, until its end, teacher/ (what the teacher of
distillation said) beside what every run has there. Knows no terminal and no window.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from gistdesk.core.errors import UserError
from gistdesk.core.interval import wilson
from gistdesk.core.model import GistModel
from gistdesk.core.sentences import Sentence
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark, Trial
from trainer.benchmark.figures import cells
from trainer.data.self_study import N_STUDIED, study
from trainer.training.adapter_card import write_adapter_card
from trainer.training.base import load_base
from trainer.training.check import Figure, closed_share, n_readings, warnings_of
from trainer.training.config import TEXT_PARTS, TrainConfig, read_config
from trainer.training.loop import Evaluation, Event, Measured, Plan
from trainer.training.mixture import training_texts
from trainer.training.processes import Processes, take_card
from trainer.training.run import AdapterRun
from trainer.training.work_folder import claim_folder, read_control, train_in_folder

SELF_STUDY = "self_study.jsonl"
_TOLD = 20
_DEPTHS = (0, 25, 50, 75, 100)
_ROW = ("language", "needle_kind", "context_tokens", "depth_percent", "ratio_asked", "ratio", "n", "accuracy")
_OF_ADAPTER, _OF_BASE = ("gist", "wrong-gist"), ("full", "none")
Found = TypeVar("Found")


def train_adapter(folder: Path, config: TrainConfig, *, model: GistModel | None = None) -> Iterator[Event]:
    """Start or resume training in `folder`; every event is also a line in its run.jsonl.

    Args:
        model: the base, if it is already loaded.

    Raises:
        UserError: what the configuration asks for is not available, or the folder holds a run of another recipe.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if not config.base:
        raise UserError("No base model is given.", "Set base to a folder or a hub id: --set base=FOLDER.")
    claim_folder(folder / "config.yaml", config, read_config)
    if config.device != "cpu":
        take_card()
    model = model or load_base(config.base, device=config.device, precision=config.precision)
    processes = Processes(model.device.type)
    if config.mix.get("self_study") and not config.self_study:
        is_whole = (yield from _studying(folder, model, config)) if processes.first else True
        if not processes.from_first("whole" if is_whole else ""):
            processes.leave()
            return
        config = replace(config, self_study=str(folder / SELF_STUDY))
    run = AdapterRun(model, config, processes, kept=folder / "teacher")
    plan = Plan(
        folder,
        "adapter",
        config.checkpoint_s,
        config.keep_checkpoints,
        config.report_steps,
        evaluate_steps=config.evaluate_steps,
    )
    yield from train_in_folder(folder, run, plan, evaluate=Examiner(run).measure)
    if run.processes.first:
        if run.teacher and run.step == run.steps:
            run.teacher.forget()
        write_adapter_card(folder, model.device)


def _studying(folder: Path, model: GistModel, config: TrainConfig) -> Generator[Event, None, bool]:
    """Generate the base's own questions and answers about the training texts, once per run -> whether all are there.

    It may be stopped, and continues where it was.
    """
    path = folder / SELF_STUDY
    if path.exists():
        return True
    tokens = min(config.segment_tokens, model.max_positions // 2)
    lines = study(
        path,
        model,
        training_texts(config),
        n=N_STUDIED,
        passage_tokens=tokens,
        answer_tokens=config.target_tokens,
        seed=config.seed,
    )
    for made in lines:
        if made % _TOLD == 0:
            yield {"event": "studying", "done": made, "of": N_STUDIED}
        if read_control(folder) == "stop":
            lines.close()
            yield {"event": "stopped", "step": 0, "seconds": 0.0}
            return False
    return True


class Examiner:
    """Measures a run: the bottleneck check the way training runs, and needles the way users run."""

    def __init__(self, run: AdapterRun) -> None:
        self._run = run
        self._held_out = run.mixture.held_out()
        self._base_trials: list[Trial] | None = None
        self._done = self._of = 0

    def measure(self) -> Evaluation:
        """Raises UserError where the configuration asks for what the model cannot do."""
        run = self._run
        benchmarks = self._benchmarks() if {"passkeys", "facts"} & run.mixture.sources.keys() else []
        self._done = 0
        self._of = sum(map(n_readings, self._held_out.values())) + sum(b.n_trials for b in benchmarks)
        yield self._progress()
        events: list[Event] = []
        scores: list[float] = []
        warnings: list[Sentence] = []
        late = run.step == run.steps
        conditions = yield from self._counted(run.conditions(self._held_out))
        for part, figures in conditions.items():
            events.append({"event": "check", "part": part, **_flat(figures)})
            if part in run.mixture.sources:  # what is not trained need not be learned
                warnings += warnings_of(figures, fresh=run.fresh, at_start=run.step == 0, last=late)
            if part in ("text", *TEXT_PARTS, "fairytaleqa"):
                scores.append(closed_share(figures))
            elif part not in ("passkeys", "facts"):
                scores.append(figures["gist"].share)
        rows: list[dict[str, Any]] = []
        if benchmarks:
            trials = yield from self._counted(self._trials(benchmarks))
            measured = cells(trials)
            rows = [{name: cell[name] for name in _ROW} for cell in measured if cell["method"] == "gist"]
            aimed = [trial for trial in trials if trial.ratio_asked in (None, run.config.ratio)]
            shares = {method: [t.correct for t in aimed if t.method == method] for method in _OF_ADAPTER}
            scores.append(sum(shares["gist"]) / len(shares["gist"]))
            events.append({"event": "needles", **_by_method(aimed)})
            warnings += _served_worse(conditions, shares["gist"])
        events += [{"event": "warning", "message": message} for message in dict.fromkeys(warnings)]
        return Measured(sum(scores) / len(scores) if scores else None, rows, events)

    def _progress(self) -> Event:
        return {"event": "evaluating", "done": self._done, "of": self._of}

    def _counted(self, work: Generator[None, None, Found]) -> Generator[Event, None, Found]:
        """The result of `work`, with an event for each of its yields."""
        while True:
            try:
                next(work)
            except StopIteration as end:
                found: Found = end.value
                return found
            self._done += 1
            yield self._progress()

    def _benchmarks(self) -> list[Benchmark]:
        """Needles through compress and answer. What needs no adapter is measured once: the base is frozen."""
        config = self._run.config
        languages = tuple(
            name for name, share in (("en", 1 - config.korean_share), ("ko", config.korean_share)) if share
        )
        asked = BenchConfig(
            lengths=config.evaluate_lengths,
            depths=_DEPTHS,
            samples=config.evaluate_samples,
            languages=languages,
            methods=_OF_ADAPTER,
            kinds=config.evaluate_kinds,
            ratio=config.ratio,
            seed=config.seed % 1000,
        )
        wanted = [asked]
        if config.other_ratios:
            wanted.append(replace(asked, methods=("gist",), ratio=config.other_ratios, samples=1))
        if self._base_trials is None:
            wanted.append(replace(asked, methods=_OF_BASE))
        return [Benchmark(self._run.model, each) for each in wanted]

    def _trials(self, benchmarks: list[Benchmark]) -> Generator[None, None, list[Trial]]:
        found = []
        for benchmark in benchmarks:
            for trial in benchmark.run():
                found.append(trial)
                yield
        if self._base_trials is None:
            self._base_trials = [trial for trial in found if trial.method in _OF_BASE]
            return found
        return [*found, *self._base_trials]


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


def _served_worse(conditions: dict[str, dict[str, Figure]], served: list[bool]) -> list[Sentence]:
    """A warning if answers are right in training and wrong for users: one thing was trained and another is run."""
    trained = [figures["gist"] for part, figures in conditions.items() if part in ("passkeys", "facts")]
    right, n = sum(f.right for f in trained), sum(f.n for f in trained)
    if right and wilson(right, n)[0] > 0.5 and wilson(sum(served), len(served))[1] < 0.5 * right / n:
        return [
            Sentence(
                "Training answers {right} of {n} held-out questions, but compressing and asking as a user "
                "would answers {served} of {asked}: the two do not do the same.",
                right=right,
                n=n,
                served=sum(served),
                asked=len(served),
            )
        ]
    return []

"""The one training loop: a generator of events around anything that can make a step.

It decides when to report, evaluate, save, pause and stop; every `yield` is a place to stop. What a step is and what
is trained is up to the run. Knows nothing of terminals or windows.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import psutil
import torch
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from trainer.data.curriculum import Curriculum
from trainer.training.checkpoint import read_checkpoint, write_checkpoint
from trainer.training.descent import Descent
from trainer.training.processes import Processes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Event = dict[str, Any]
"""`event` says which, `step` when; the rest are plain numbers and words, with units in their names.

started, resumed: steps. progress: every field of `_progress`. evaluating: done, of; how far an evaluation is. check,
needles: what an evaluation measures, in front of its evaluation: score, best, is_best, rows. checkpoint: path, bytes.
warning: message, to be shown loudly. paused, continued. stopped, finished: seconds. failure: message, hint; the last
one.
"""

Wish = Literal["go", "pause", "stop"]
_PAUSE_S = 0.2
_EVALUATING_S = 1.0
"""Between two events with an evaluation's progress."""


@dataclass(frozen=True)
class Step:
    """The outcome of one optimizer step.

    Attributes:
        figures: losses in nats and shares of right answers, by part.
        learning_rate: of this step.
        n_tokens: document tokens read, all processes together.
        bounds: of the curricula.
    """

    figures: dict[str, float]
    learning_rate: float
    n_tokens: int
    bounds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The outcome of an evaluation.

    Attributes:
        score: held-out accuracy, 0 to 1; the best one is kept. None if nothing was measured.
        rows: the table of measured accuracies, stored with the artefact.
        events: to pass on.
    """

    score: float | None
    rows: list[dict[str, Any]]
    events: list[Event]


Evaluation = Generator[Event, None, Measured]
"""Yields an event "evaluating" often; each is a place to pause and to stop."""


class Run(Protocol):
    """What the loop needs to know about what is trained.

    The next step depends on `step`, `descent` and `curricula` alone: they are what a checkpoint keeps.
    """

    step: int
    steps: int
    processes: Processes
    descent: Descent

    @property
    def config(self) -> "DataclassInstance": ...
    @property
    def curricula(self) -> dict[str, Curriculum]: ...
    def train_step(self) -> Step: ...
    def write(self, folder: Path, measured: list[dict[str, Any]]) -> None: ...


@dataclass(frozen=True)
class Plan:
    """When the loop does what, and where it writes.

    Attributes:
        folder: the run's; `checkpoints` are in it.
        artefact: name of the folder in it for what is trained: the best so far, or the last if nothing is measured.
        checkpoint_s: seconds between checkpoints.
        keep_checkpoints: older ones are deleted.
        report_steps: steps between progress events.
        evaluate_steps: steps between evaluations; one more at the start and one at the end.
    """

    folder: Path
    artefact: str
    checkpoint_s: float
    keep_checkpoints: int
    report_steps: int
    evaluate_steps: int = 1


def train(
    run: Run,
    plan: Plan,
    *,
    evaluate: Callable[[], Evaluation] | None = None,
    wish: Callable[[], Wish] = lambda: "go",
) -> Iterator[Event]:
    """Train to the end or to a stop, resuming from the newest intact checkpoint.

    A resumed run takes the same steps as an uninterrupted one. Closing the generator loses the steps since the last
    checkpoint; a request to stop loses none.

    Args:
        evaluate: runs at the start, every `evaluate_steps` and at the end. One that is stopped is redone on resuming.
        wish: asked after every step, and whenever an evaluation yields.

    Raises:
        UserError: no checkpoint is intact, or the last one cannot be written; a "failure" event comes before it.
    """
    try:
        yield from _Loop(run, plan, evaluate, wish).events()
    except UserError as error:
        yield {"event": "failure", "step": run.step, "message": error.message, "hint": error.hint}
        raise
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        told = UserError(
            "There was not enough memory at step {step}.",
            "Lower micro_tokens or set checkpoint_activations, then resume the run; for a lower "
            "distill_tokens or a smaller precision, start another run.",
            step=run.step,
        )
        yield {"event": "failure", "step": run.step, "message": told.message, "hint": told.hint}
        raise told from error


class _Loop:
    def __init__(
        self, run: Run, plan: Plan, evaluate: Callable[[], Evaluation] | None, wish: Callable[[], Wish]
    ) -> None:
        self.run, self.plan, self.evaluate, self.wish = run, plan, evaluate, wish
        self.best: float | None = None
        self.evaluated_at = -1
        self.seconds = 0.0
        self.saved_at = -1

    def events(self) -> Iterator[Event]:
        run, plan = self.run, self.plan
        yield from self._resume()
        self.begun = time.monotonic() - self.seconds
        saved, self.steps_begun = time.monotonic(), (time.monotonic(), run.step)  # without what is no step
        first = self.evaluate and self.evaluated_at < run.step and (run.step == 0 or self._due())
        if first and (yield from self._evaluation()) == "stop":
            yield from self._stopped()
            return
        recent: dict[str, list[float]] = {}
        n_tokens, marked = 0, time.monotonic()
        while run.step < run.steps:
            try:
                step = run.train_step()
            except UserError:  # of its data: no weight has moved
                yield from self._save()
                raise
            n_tokens += step.n_tokens
            for name, value in step.figures.items():
                recent.setdefault(name, []).append(value)
            self.seconds = time.monotonic() - self.begun
            if run.step % plan.report_steps == 0 or run.step == run.steps:
                now = time.monotonic()
                yield self._progress(step, recent, n_tokens / max(1e-9, now - marked))
                recent, n_tokens, marked = {}, 0, now
            if self.evaluate and self._due():
                # saved first: an evaluation that fails costs no steps
                yield from self._save()
                if (yield from self._evaluation()) == "stop":
                    yield from self._stopped()
                    return
                marked = time.monotonic()
            due = run.processes.from_first(str(time.monotonic() - saved > plan.checkpoint_s)) == "True"
            if due and run.step < run.steps:
                yield from self._save()
                saved = time.monotonic()
            wanted: str = run.processes.from_first(self.wish())
            if wanted != "go" and run.step < run.steps:
                yield from self._save(must=wanted == "stop")
                if wanted == "pause":
                    wanted = yield from self._pause(lambda: run.processes.from_first(self.wish()))
                    saved, marked, n_tokens = time.monotonic(), time.monotonic(), 0
                if wanted == "stop":
                    yield from self._stopped()
                    return
        yield from self._save(must=True)
        if run.processes.first and not (plan.folder / plan.artefact).exists():
            replace_folder(run, plan.folder / plan.artefact, [])
        run.processes.wait()
        yield {"event": "finished", "step": run.step, "seconds": round(self.seconds, 1), "best": self.best}

    def _resume(self) -> Iterator[Event]:
        found = read_checkpoint(self.plan.folder / "checkpoints")
        if found is None:
            yield {"event": "started", "step": 0, "steps": self.run.steps}
            return
        restore(self.run, found.tensors, found.state["run"])
        own = found.state["loop"]
        self.seconds, self.best, self.evaluated_at = own["seconds"], own["best"], own["evaluated_at"]
        self.saved_at = self.run.step
        for path in found.damaged:
            yield {
                "event": "warning",
                "step": self.run.step,
                "message": Sentence(
                    "The checkpoint {name} is damaged; the one before it, of step {step}, is used.",
                    name=path.name,
                    step=self.run.step,
                ),
            }
        yield {"event": "resumed", "step": self.run.step, "steps": self.run.steps, "seconds": round(self.seconds, 1)}

    def _due(self) -> bool:
        step = self.run.step
        return step != self.evaluated_at and (step % self.plan.evaluate_steps == 0 or step == self.run.steps)

    def _progress(self, step: Step, recent: dict[str, list[float]], tokens_per_s: float) -> Event:
        begun, first = self.steps_begun
        per_step = (time.monotonic() - begun) / max(1, self.run.step - first)
        return {
            "event": "progress",
            "step": self.run.step,
            "steps": self.run.steps,
            "seconds": round(self.seconds, 1),
            "left_s": round(per_step * (self.run.steps - self.run.step), 1),
            "learning_rate": step.learning_rate,
            "tokens_per_s": round(tokens_per_s, 1),
            **memory_figures(),
            **{name: round(sum(values) / len(values), 5) for name, values in sorted(recent.items())},
            **step.bounds,
        }

    def _stopped(self) -> Iterator[Event]:
        yield from self._save(must=True)
        yield {"event": "stopped", "step": self.run.step, "seconds": round(self.seconds, 1)}

    def _evaluation(self) -> Generator[Event, None, str]:
        """Measure, and keep the best -> "go", or "stop" if that is requested before the end."""
        assert self.evaluate is not None
        run, begun = self.run, time.monotonic() - self.begun
        wanted = "go"
        if run.processes.first:
            free_memory()
            measured = yield from self._measured(self.evaluate())
            if measured is None:
                wanted = "stop"
            else:
                yield from self._told(measured, begun)
        wanted = run.processes.from_first(wanted)
        if wanted == "go":
            self.evaluated_at = run.step
            self.saved_at = -1  # the next checkpoint knows of this evaluation
        took = time.monotonic() - self.begun - begun
        self.steps_begun = (self.steps_begun[0] + took, self.steps_begun[1])
        return wanted

    def _measured(self, evaluation: Evaluation) -> Generator[Event, None, Measured | None]:
        """An evaluation's outcome; None if it is stopped."""
        told = -_EVALUATING_S
        while True:
            try:
                event = next(evaluation)
            except StopIteration as end:
                measured: Measured = end.value
                return measured
            if time.monotonic() - told >= _EVALUATING_S:
                told = time.monotonic()
                yield {"step": self.run.step, **event}
            wanted = self.wish()
            if wanted == "pause":
                wanted = yield from self._pause(self.wish)
            if wanted == "stop":
                evaluation.close()
                return None

    def _told(self, measured: Measured, begun: float) -> Iterator[Event]:
        run = self.run
        for event in measured.events:
            yield {"step": run.step, **event}
        better = measured.score is not None and run.step > 0 and (self.best is None or measured.score > self.best)
        if better:
            try:
                replace_folder(run, self.plan.folder / self.plan.artefact, measured.rows)
                self.best = measured.score
            except UserError as error:
                if run.step == run.steps:
                    raise
                better = False
                yield {"event": "warning", "step": run.step, "message": error.both}
        yield {
            "event": "evaluation",
            "step": run.step,
            "score": measured.score,
            "best": self.best,
            "is_best": better,
            "evaluation_s": round(time.monotonic() - self.begun - begun, 1),
            "rows": measured.rows,
        }

    def _save(self, *, must: bool = False) -> Iterator[Event]:
        """Write a checkpoint, unless this step has one. Failing to write it is a warning, or an error if `must`."""
        run = self.run
        if self.saved_at == run.step:
            return
        self.seconds = time.monotonic() - self.begun
        loop = {"seconds": self.seconds, "best": self.best, "evaluated_at": self.evaluated_at}
        if run.processes.first:
            tensors, state = state_of(run)
            folder = self.plan.folder / "checkpoints"
            try:
                path = write_checkpoint(
                    folder, run.step, tensors, {"run": state, "loop": loop}, keep=self.plan.keep_checkpoints
                )
                yield {"event": "checkpoint", "step": run.step, "path": str(path), "bytes": path.stat().st_size}
            except UserError as error:
                if must:
                    raise
                yield {"event": "warning", "step": run.step, "message": error.both}
                return
        self.saved_at = run.step

    def _pause(self, ask: Callable[[], str]) -> Generator[Event, None, Wish]:
        """Wait until something else is requested, and return it."""
        begun = time.monotonic()
        yield {"event": "paused", "step": self.run.step}
        free_memory()
        wanted: Wish = "pause"
        while wanted == "pause":
            time.sleep(_PAUSE_S)
            wanted = ask()  # type: ignore[assignment]
        away = time.monotonic() - begun
        self.begun, self.steps_begun = self.begun + away, (self.steps_begun[0] + away, self.steps_begun[1])
        if wanted == "go":
            yield {"event": "continued", "step": self.run.step}
        return wanted


def state_of(run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything the next step depends on, tensors and plain values, and the recipe for anybody who looks."""
    tensors, plain = run.descent.state()
    curricula = {name: asdict(curriculum) for name, curriculum in run.curricula.items()}
    return tensors, {"step": run.step, "optimizer": plain, "curricula": curricula, "config": asdict(run.config)}


def restore(run: Run, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Restore what `state_of` returned."""
    run.descent.restore(tensors, state["optimizer"])
    run.curricula.update({name: Curriculum(**values) for name, values in state["curricula"].items()})
    run.step = state["step"]


def replace_folder(run: Run, folder: Path, measured: list[dict[str, Any]]) -> None:
    """Write what is trained beside its place and move it there in one step; the old one stays until then.

    Raises:
        UserError: it cannot be written.
    """
    import shutil

    from safetensors import SafetensorError

    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    try:
        for path in (fresh, old):
            shutil.rmtree(path, ignore_errors=True)
        run.write(fresh, measured)
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            shutil.rmtree(fresh)
        raise UserError(
            "The trained adapter cannot be written to {folder} ({reason}).",
            "Free some space, then resume the run.",
            folder=folder,
            reason=error,
        ) from error


def memory_figures() -> dict[str, int]:
    """On CUDA, what torch has allocated and reserved, and the peak; on a CPU, what the process holds. In bytes."""
    if torch.cuda.is_available():
        return {
            "allocated_bytes": int(torch.cuda.memory_allocated()),
            "reserved_bytes": int(torch.cuda.memory_reserved()),
            "peak_bytes": int(torch.cuda.max_memory_allocated()),
        }
    held = int(psutil.Process().memory_info().rss)
    return {"allocated_bytes": held, "reserved_bytes": held}


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; on a CPU, torch raises a plain RuntimeError."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return "DefaultCPUAllocator" in str(error) or "not enough memory" in str(error)


def free_memory() -> None:
    """Release what training reserved but does not use, so that an evaluation fits beside it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

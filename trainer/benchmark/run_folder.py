"""One folder per benchmark run: `run.json` says what is measured, `samples.jsonl` gets every trial once it is done.

A run that was interrupted, in whatever way, resumes from the trials already there. Knows nothing of how a trial is
measured or what is made of it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from gistdesk.core.model import GistModel
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Trial, TrialKey
from trainer.machine import hardware, versions

RUN, SAMPLES, RESULTS = "run.json", "samples.jsonl", "results.json"
_GIVEN = "given"
"""The answer's key in samples.jsonl, beside `prompt` and `expected`."""


def check_folder(folder: Path) -> None:
    """Create the folder, and find out now rather than hours later whether it is writable.

    Raises:
        UserError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            "The folder {folder} cannot be created or written to ({reason}).",
            "Choose another one.",
            folder=folder,
            reason=error.strerror,
        ) from error


def described(model: GistModel, config: BenchConfig) -> dict[str, Any]:
    """What is measured on which model, for `run.json` and the results; `id` is equal if runs measure the same."""
    told = {**asdict(config), "haystack": "own" if config.haystack else "bundled"}
    of_model = {
        "model": asdict(model.identity),
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    whole = [asdict(config), of_model, versions()["gistdesk"], _hashes(config)]
    return {
        "config": told,
        **of_model,
        "version": versions()["gistdesk"],
        "versions": versions(),
        "hardware": hardware(model.device),
        "id": hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest(),
    }


def _hashes(config: BenchConfig) -> list[str]:
    """Hashes of the files that questions come from."""
    paths = [Path(path) for path in (config.choices, config.instructions, config.reading) if path]
    if config.longbench:
        paths += sorted(Path(config.longbench).glob("*.jsonl"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


class RunFolder:
    """A run that is under way.

    Attributes:
        description: what `described` returns, and when the run was started.
        done: the trials left by an earlier, interrupted start.

    Raises:
        UserError: the folder holds an unfinished run of something else.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        self._folder = folder
        self.done: dict[TrialKey, Trial] = {}
        found = read_run(folder)
        is_unfinished = found is not None and not found.get("finished") and (folder / SAMPLES).is_file()
        if found is not None and is_unfinished and found.get("id") == description["id"]:
            self.description = {**description, "started": found["started"], "resumed": _now()}
            self._take_over()
        elif is_unfinished and any(read_trials(folder / SAMPLES)):
            raise UserError(
                "{folder} holds an unfinished run of something else.",
                "Give the same options and model to resume it, or choose another folder.",
                folder=folder,
            )
        else:
            self.description = {**description, "started": _now()}
            with _writing(folder):
                (folder / SAMPLES).unlink(missing_ok=True)
        self._write_description()

    def _take_over(self) -> None:
        """A half-written line is measured again, and must not spoil the next one."""
        path = self._folder / SAMPLES
        trials = list(read_trials(path))
        self.done = {trial.key: trial for trial in trials}
        self._rewrite(trials)

    @contextmanager
    def appending(self) -> Iterator[Callable[[Trial], None]]:
        """A function that writes a trial to the file before the next one starts."""
        with _writing(self._folder):
            stream = (self._folder / SAMPLES).open("a", encoding="utf-8", newline="\n")

        def add(trial: Trial) -> None:
            with _writing(self._folder):
                stream.write(line_of(trial))
                stream.flush()  # what the system has buffered survives the death of this process

        with closing(stream):
            yield add

    def finish(self, trials: Iterable[Trial]) -> None:
        """Mark the run as finished: everything derived from its trials is written."""
        self._rewrite(trials)
        self.description["finished"] = _now()
        self._write_description()

    def _rewrite(self, trials: Iterable[Trial]) -> None:
        with _writing(self._folder):
            write_atomically(self._folder / SAMPLES, "".join(line_of(trial) for trial in trials).encode())

    def _write_description(self) -> None:
        with _writing(self._folder):
            write_atomically(self._folder / RUN, json.dumps(self.description, ensure_ascii=False, indent=1).encode())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            "The run in {folder} cannot be written ({reason}).",
            "Free some space; the same command goes on with it.",
            folder=folder,
            reason=error.strerror,
        ) from error


def line_of(trial: Trial) -> str:
    """A trial as a line of samples.jsonl."""
    value = asdict(trial)
    value[_GIVEN] = value.pop("answer")
    return json.dumps(value, ensure_ascii=False) + "\n"


def n_trials(folder: Path) -> int:
    """How many trials a run's folder holds. Raises UserError: they cannot be read."""
    return sum(1 for _ in read_trials(folder / SAMPLES)) if (folder / SAMPLES).is_file() else 0


def read_trials(path: Path) -> Iterator[Trial]:
    """The trials in a samples.jsonl; half-written lines are skipped.

    Raises:
        UserError: it cannot be read.
    """
    names = {field.name for field in fields(Trial)}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise UserError(
            "{path} cannot be read ({reason}).", "Give the folder of a run.", path=path, reason=error.strerror
        ) from error
    for line in lines:
        try:
            value = json.loads(line)
            value["answer"] = value.pop(_GIVEN)
            value["places"] = tuple((int(start), int(end)) for start, end in value["places"])
            if set(value) == names:
                yield Trial(**value)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def read_run(folder: Path) -> dict[str, Any] | None:
    """What `run.json` says; None if there is no readable one."""
    try:
        found = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "started" in found else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

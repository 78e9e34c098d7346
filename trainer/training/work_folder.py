"""The folder of a training run: its recipe, `run.jsonl` with every event, checkpoints, the artefact, and `control`.

`control` exists while something is requested, with the word pause or stop in it, so a run does not depend on whatever
started it. Knows no terminal and no window, and not what is trained.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from gistdesk.core.sentences import packed
from trainer.training.config import to_yaml
from trainer.training.loop import Evaluation, Event, Plan, Run, Wish, train

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NOT_OF_THE_RECIPE = (
    "device",
    "threads",
    "micro_tokens",
    "checkpoint_activations",
    "checkpoint_s",
    "keep_checkpoints",
    "report_steps",
)
"""A run may be resumed with other values of these; except for rounding, they do not change what is computed."""


def claim_folder(path: Path, config: "DataclassInstance", read: Callable[[Path], "DataclassInstance"]) -> None:
    """Write the configuration to `path`, beside everything the run will write there; earlier requests are cleared.

    Args:
        read: reads what is already in `path`.

    Raises:
        UserError: the folder cannot be written or holds a run of another recipe.
    """
    folder = path.parent
    if path.exists():
        mine, theirs = asdict(config), asdict(read(path))
        other = [name for name in mine if mine[name] != theirs[name] and name not in NOT_OF_THE_RECIPE]
        if other:
            raise UserError(
                "{folder} holds a run with a different {names}.",
                "Give the same settings as before, or another --work folder.",
                folder=folder,
                names=", ".join(other),
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "control").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            "The folder {folder} cannot be created or written to ({reason}).",
            "Choose another one.",
            folder=folder,
            reason=error.strerror,
        ) from error
    write_atomically(path, to_yaml(config).encode())


def train_in_folder(
    folder: Path, run: Run, plan: Plan, *, evaluate: Callable[[], Evaluation] | None = None
) -> Iterator[Event]:
    """Train as `loop.train` does; every event is also a line in the folder's run.jsonl; requests come from `control`.

    Raises:
        UserError: as `loop.train`.
    """
    events = train(run, plan, evaluate=evaluate, wish=lambda: read_control(folder))
    try:
        if run.processes.first:
            yield from recorded(events, folder / "run.jsonl")
        else:  # one process speaks for all
            for _ in events:
                pass
    finally:
        run.processes.leave()


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
    """Tell a run, in whatever process, to pause, stop or go on."""
    write_atomically(folder / "control", wish.encode())


def recorded(events: Iterator[Event], path: Path) -> Iterator[Event]:
    """Pass events on with the time of day, each also a line in `path`. A full disk costs the line, not the run."""
    for event in events:
        event = {**event, "time": round(time.time(), 3)}
        try:
            with path.open("ab+") as stream:
                if stream.tell():
                    stream.seek(-1, os.SEEK_END)
                # half a line, from a killed process or a full disk, must not spoil this one
                whole = stream.read(1) in (b"\n", b"")
                stream.write(b"" if whole else b"\n")
                stream.write(json.dumps(packed(event), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        except OSError as error:
            event["unrecorded"] = str(error.strerror)
        yield event

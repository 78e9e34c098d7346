"""The training commands: from a command line to a run. Used by `python -m trainer` and by `gistdesk`."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gistdesk.core.errors import UserError
from trainer.starter.config import StarterConfig
from trainer.training.config import TrainConfig, changed, parse_settings, preset, read_config

if TYPE_CHECKING:
    from trainer.training.loop import Event


def run_training(*, preset: str, config: Path | None, work: Path | None, settings: list[str], dry_run: bool) -> None:
    """Train and print every event as a line of JSON.

    Raises:
        UserError: the configuration cannot be used, or the run cannot continue.
    """
    chosen = chosen_config(preset, config, work, settings)
    if dry_run:
        from trainer.training.estimate import estimate

        print(json.dumps(estimate(chosen), ensure_ascii=False, indent=1))
        return
    from trainer.training.estimate import check_fits
    from trainer.training.processes import take_card
    from trainer.training.train import train_adapter

    if chosen.device != "cpu":
        take_card()
    check_fits(chosen)
    folder = work or Path("runs") / (preset or "train")
    show(folder, train_adapter(folder, chosen))


def run_starter(folder: Path, config: StarterConfig) -> None:
    """Train the starter and print every event as a line of JSON.

    Raises:
        UserError: the run cannot continue.
    """
    from trainer.starter.train import train_starter

    show(folder, train_starter(folder, config))


def show(folder: Path, events: Iterator["Event"]) -> None:
    """Print the events of the run in `folder` until it ends or is told to stop."""
    with stopped_by_signals(folder):
        for event in events:
            with suppress(BrokenPipeError):  # nobody is reading any more; run.jsonl goes on
                print(json.dumps(event, ensure_ascii=False), flush=True)
                if event["event"] == "warning":
                    print(f"WARNING: {event['message']}", file=sys.stderr, flush=True)


def chosen_config(name: str, path: Path | None, work: Path | None, settings: list[str]) -> TrainConfig:
    """The configuration from a preset, a file, or an existing run, with single fields changed.

    Raises:
        UserError: none or two of them are given, or the one given cannot be used.
    """
    if name and path:
        raise UserError(
            "Both a preset and a configuration are given.",
            "Give one of them; a configuration may itself name a preset.",
        )
    if name:
        start = preset(name)
    elif path:
        start = read_config(path)
    elif work and (work / "config.yaml").exists():
        start = read_config(work / "config.yaml")
    else:
        raise UserError("Neither a preset nor a configuration is given.", "Give --preset quick or --config FILE.yaml.")
    return changed(start, parse_settings(settings))


@contextmanager
def stopped_by_signals(folder: Path) -> Iterator[None]:
    """Ctrl+C and SIGTERM ask the run to stop with a checkpoint; a second Ctrl+C ends it at once."""
    from trainer.training.work_folder import write_control

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        write_control(folder, "stop")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

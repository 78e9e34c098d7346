"""`gistdesk models list|fetch|prepare`. Reads arguments and prints; other modules do the work."""

import _thread
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gistdesk.complaints import is_for_a_window
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import packed
from gistdesk.terminal import human_bytes

app = typer.Typer(help="Models: which are here, and fetching or preparing one.", invoke_without_command=True)

_SHOWN = {"asking": "Asking where it is to be had", "fetching": "Fetching", "preparing": "Preparing"}
_PERCENT = 10
EventsOption = Annotated[bool, typer.Option("--events", help="Print JSON lines, for programs; end with stdin.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.callback()
def _alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models that are on this computer, each with its size, or with what is wrong with it."""
    from gistdesk.discovery import found_models

    rows = found_models()
    if as_json:
        print(json.dumps(packed(rows) if is_for_a_window() else rows, ensure_ascii=False))
        return
    for row in rows:
        kept = "" if row["kept_by"] == "gistdesk" else f" ({row['kept_by']})"
        facts = row["problem"] or f"{row['kind']}, {human_bytes(row['file_bytes'])} on disk, {_fit(row)}"
        print(f"{row['name']}{kept}: {facts}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="smollm2, or a hub id such as Qwen/Qwen3-1.7B.")],
    events: EventsOption = False,
) -> None:
    """Fetch a model, and prepare it where that is needed. Uses the network; afterwards the model works without one.

    Ctrl+C is safe: the same command goes on where it stopped.

    Examples: gistdesk models fetch smollm2     gistdesk models fetch Qwen/Qwen3-1.7B
    """
    from gistdesk.models import SMOLLM2, STARTER

    if name == STARTER:
        raise UserError("The starter came with the program.", "It is there already.")
    if name == SMOLLM2:
        from gistdesk.smollm2 import fetch_smollm2

        _tell(({"phase": step.phase, "done": step.done, "total": step.total} for step in fetch_smollm2()), events)
    else:
        _tell(_from_hub(name), events)
    print(json.dumps({"phase": "done"}) if events else f"{name} is here.", flush=True)


@app.command()
def prepare(
    file: Annotated[Path, typer.Argument(help="A GGUF file.")],
    events: EventsOption = False,
) -> None:
    """Prepare a GGUF file, so that the first question does not wait for it. On the disk it takes 16 bits a weight."""
    from gistdesk.core.prepared import prepare as prepared
    from gistdesk.core.prepared import prepared_folder

    _tell(({"phase": "preparing", "done": round(1000 * share), "total": 1000} for share in prepared(file)), events)
    print(json.dumps({"phase": "done"}) if events else prepared_folder(file), flush=True)


def _fit(row: dict[str, Any]) -> str:
    needed = human_bytes(row["needed_bytes"])
    if row["fit"] == "too large":
        return f"too large for this computer: even in 4 bits it needs {needed} of memory"
    return f"needs {needed} of memory" + (" in 4 bits" if row["fit"] == "in 4 bits" else "")


def _tell(steps: Iterator[dict[str, Any]], events: bool) -> None:
    """Print progress: for a person a line for each tenth, for a program a line for each change."""
    if events:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    last = ""
    for step in steps:
        if events:
            line = json.dumps(step)
        else:
            share = _PERCENT * (100 // _PERCENT * step["done"] // step["total"]) if step["total"] else None
            line = _SHOWN[step["phase"]] + ("" if share is None else f" {share}%")
        if line != last:
            print(line, flush=True)
            last = line


def _end_with_stdin() -> None:
    """If the reader of the events closes its end of the pipe, or dies, it wants no more."""
    sys.stdin.read()
    _thread.interrupt_main()


def _from_hub(name: str) -> Iterator[dict[str, Any]]:
    from gistdesk.worker.downloading import downloaded

    for event in downloaded(name):
        yield {"phase": "fetching", "done": event.done_bytes, "total": event.total_bytes}

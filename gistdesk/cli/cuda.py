"""`gistdesk cuda status|install|remove`. Reads arguments and prints; the work is done by the modules beside it."""

import _thread
import json
import sys
import threading
from typing import Annotated

import typer

from gistdesk.complaints import is_for_a_window
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import packed
from gistdesk.terminal import human_bytes

app = typer.Typer(help="Use an NVIDIA card: fetch, try, use or remove PyTorch with CUDA.", no_args_is_help=True)

_SHOWN = {"asking": "Asking the package index", "fetching": "Fetching", "unpacking": "Unpacking", "testing": "Testing"}


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say which card there is, and whether CUDA is set up for it."""
    from gistdesk.cuda.status import in_words
    from gistdesk.cuda.status import status as look

    facts = look()
    if as_json:
        print(json.dumps(packed(facts) if is_for_a_window() else facts))
        return
    card = facts["card"]
    if card:
        print(f"{card['name']}, {human_bytes(card['memory_bytes'])}, driver {card['driver']}")
    print(in_words(facts))


@app.command()
def install(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Do not ask; print JSON lines; end with stdin.")] = False,
) -> None:
    """Fetch PyTorch with CUDA into gistdesk's data folder, try it on the card, and use it from then on.

    Uses the network. Ctrl+C is safe: the same command goes on where it stopped. What was in use stays until then.
    """
    from gistdesk.cuda.card import require_card
    from gistdesk.cuda.install import install as set_up
    from gistdesk.cuda.install import needed_disk_bytes
    from gistdesk.cuda.lock import read_lock
    from gistdesk.cuda.place import root

    card, lock = require_card(), read_lock()
    lock.check(card)
    sizes = f"{human_bytes(lock.n_bytes)} are fetched, {human_bytes(lock.unpacked_bytes)} stay in {root()}"
    if not (yes or events):
        print(f"{sizes} (while it is set up, {human_bytes(needed_disk_bytes(lock))}).")
        _ask()
    if events:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    last = ""
    for step in set_up(lock):
        if events:
            line = json.dumps({"phase": step.phase, "done": step.done_bytes, "total": step.total_bytes})
        else:
            share = f" {100 * step.done_bytes // step.total_bytes}%" if step.phase == "fetching" else ""
            line = f"{_SHOWN[step.phase]}{share}"
        if line != last and (events or step.phase != "unpacking"):
            print(line, flush=True)
            last = line
    print(json.dumps({"phase": "done"}) if events else "It works and is used from now on.")


def _end_with_stdin() -> None:
    """If the reader of the events closes its end of the pipe, or dies, it wants no more."""
    sys.stdin.read()
    _thread.interrupt_main()


def _ask() -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError("Nobody is there to be asked.", "Say it beforehand: gistdesk cuda install --yes")
    if not typer.confirm("Fetch it?"):
        raise typer.Abort


@app.command()
def remove() -> None:
    """Delete what was set up, and what an interrupted try left."""
    from gistdesk.cuda.place import remove as delete

    delete()
    print("CUDA is removed; the program's own PyTorch is used.")

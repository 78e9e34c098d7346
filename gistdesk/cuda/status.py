"""What is there and what could be: card, PyTorch, set-up, and the download size. Changes nothing."""

from dataclasses import asdict
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.cuda import place
from gistdesk.cuda.card import require_card
from gistdesk.cuda.lock import read_lock

OFFER = "gistdesk cuda install"


def status() -> dict[str, Any]:
    """Facts as JSON values.

    card: null if there is none. own_cuda: the program's PyTorch has CUDA without a set-up. in_use: the set-up's
    name or null. can_install: a set-up would change something and is possible; `problem` and `hint` say why it is not.
    fetch_bytes, disk_bytes: of a whole set-up. unfinished: an attempt was interrupted; the next one resumes it.
    """
    own, used = place.has_own_cuda(), place.current()
    facts: dict[str, Any] = {
        "card": None,
        "own_cuda": own,
        "in_use": used.name if used else None,
        "unfinished": any(place.root().glob("unfinished-*")),
        "can_install": False,
        "problem": "",
        "hint": "",
        "fetch_bytes": 0,
        "disk_bytes": 0,
    }
    try:
        card = require_card()
        facts["card"] = asdict(card)
        lock = read_lock()
        facts |= {"fetch_bytes": lock.n_bytes, "disk_bytes": lock.unpacked_bytes}
        lock.check(card)
        facts["can_install"] = not own and not (used and used.name.startswith(lock.name))
    except UserError as error:
        facts |= {"problem": error.message, "hint": error.hint}
    return facts


def in_words(facts: dict[str, Any]) -> str:
    """For a person at a terminal: what is used, or what to do."""
    if facts["in_use"]:
        newer = f"; a newer one can be had: {OFFER}" if facts["can_install"] else ""
        return f"{facts['in_use']} is in use{newer}"
    if facts["own_cuda"]:
        return "PyTorch has CUDA; nothing is to be set up"
    if facts["can_install"]:
        return f"not set up; {OFFER} fetches {facts['fetch_bytes'] / 2**30:.1f} GiB"
    return f"{facts['problem']} {facts['hint']}"

"""Which NVIDIA card there is, according to the driver's own tool. Knows nothing of what uses it."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass

from gistdesk.core.errors import UserError

_FIELDS = "name,memory.total,driver_version,compute_cap"
_LIMIT_S = 20


@dataclass(frozen=True)
class Card:
    """A graphics card.

    Attributes:
        memory_bytes: in total.
        driver: version of the driver, for example "580.95.05".
        capability: NVIDIA's compute capability, for example 8.6.
    """

    name: str
    memory_bytes: int
    driver: str
    capability: float


def require_card() -> Card:
    """`find_card`. Raises UserError: there is none."""
    card = find_card()
    if card is None:
        raise UserError(
            "There is no NVIDIA card here, or no driver for it.", "Install NVIDIA's driver if there is a card."
        )
    return card


def find_card() -> Card | None:
    """The first NVIDIA card; None if there is none, or no driver for it. May take a second or two."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    words = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    no_window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with suppress(OSError, subprocess.TimeoutExpired, ValueError):
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_S,
            creationflags=no_window,
        )
        if done.returncode == 0:
            name, memory, driver, capability = done.stdout.splitlines()[0].rsplit(", ", 3)
            return Card(name, int(memory) * 2**20, driver, float(capability))
    return None

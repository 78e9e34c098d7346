"""Compares source files with what was read of them, outside the window's process: a disk may answer late.

Knows a library's folder; knows nothing of how files are compared.
"""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import cast

from gistdesk.library import Library
from gistdesk.library.sources import suspects
from gistdesk.library.store import DATABASE
from gistdesk.protocol import LookAtSources, LookAtSourcesDone
from gistdesk.worker.pulse import Pulse


def look_at_sources(request: LookAtSources, pulse: Pulse) -> LookAtSourcesDone:
    """The library is not held open while files are read, as it may be moved.

    Raises:
        UserError: the library cannot be opened or written to.
    """
    folder = Path(request.folder)
    with closing(Library(folder)) as library:
        entries = library.entries.all(states=("ready", "source changed"))
    told = [(suspect, _pulsing(suspect.differs(), pulse)) for suspect in suspects(entries)]
    if not told or not (folder / DATABASE).is_file():  # moved meanwhile
        return LookAtSourcesDone(0)
    with closing(Library(folder)) as library:
        return LookAtSourcesDone(
            sum(library.sources.note(each, differs) for each, differs in told if differs is not None)
        )


def _pulsing(steps: Generator[None, None, bool | None], pulse: Pulse) -> bool | None:
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            return cast("bool | None", ended.value)
        pulse()

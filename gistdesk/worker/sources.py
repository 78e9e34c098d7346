"""Compares source files with what was read of them, outside the window's process: a disk may answer late.

Knows a library's folder; knows nothing of how files are compared.
"""

from pathlib import Path

from gistdesk.library import Library
from gistdesk.protocol import LookAtSources, LookAtSourcesDone
from gistdesk.worker.pulse import Pulse


def look_at_sources(request: LookAtSources, pulse: Pulse) -> LookAtSourcesDone:
    """Raises UserError: the library cannot be opened or written to."""
    library = Library(Path(request.folder))
    try:
        look = library.sources.look()
        while True:
            next(look)
            pulse()
    except StopIteration as ended:
        return LookAtSourcesDone(ended.value)
    finally:
        library.close()

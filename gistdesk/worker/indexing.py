"""Makes kept texts searchable, outside the window's process, through a library connection of its own.

Knows which texts are waiting; knows nothing of how a text is indexed.
"""

from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.protocol import Index, IndexDone, IndexProgress
from gistdesk.worker.pulse import Pulse


def index(request: Index, pulse: Pulse) -> IndexDone:
    """Index texts one after another; if stopped, the next run continues.

    Raises:
        UserError: the library cannot be opened or written to.
    """
    library = Library(Path(request.folder))
    n_indexed = 0
    try:
        ids = request.entry_ids or library.texts.unindexed()
        for entry_id in ids:
            n_indexed += _index_one(library, entry_id, pulse)
    finally:
        library.close()
    return IndexDone(n_indexed)


def _index_one(library: Library, entry_id: int, pulse: Pulse) -> bool:
    """Whether there was anything to do. An entry that is gone, or whose text is, has nothing to search."""
    had_to = False
    try:
        for fraction in library.texts.index(entry_id):
            had_to = True
            pulse(IndexProgress(entry_id, fraction))
    except UserError:
        return False
    pulse()
    return had_to

"""The library on disk: its size, emptying its trash, cleaning up, moving it; all without blocking the window.

Knows the library and the file thread; knows nothing of widgets.
"""

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from gistdesk.core.errors import UserError
from gistdesk.language.i18n import later
from gistdesk.library import Library, Storage
from gistdesk.library.moving import Move, begin_move, settle
from gistdesk.session.file_jobs import CANCELLED, FileJobs
from gistdesk.session.files import with_library

Ended = Callable[[object], None]


class Upkeep(QObject):
    """Signals: changed: the library may hold less now, or be elsewhere."""

    changed = Signal()

    def __init__(self, library: Library, file_jobs: FileJobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library, self._jobs = library, file_jobs

    def storage(self) -> Storage:
        """What is on disk now."""
        return self._library.disk.storage()

    def clean_up(self, ended: Ended) -> None:
        """Delete what belongs to nothing; `ended` gets the bytes freed, or a UserError."""
        self._start(lambda library: library.disk.clean_up(), ended)

    def empty_trash(self, ended: Ended) -> None:
        """Permanently delete what is in the trash; `ended` gets the bytes freed, or a UserError."""
        self._start(lambda library: library.disk.empty_trash(), ended)

    def move_to(self, folder: Path, ended: Ended) -> int:
        """Move the library, which stays usable while its files are copied; returns the job's id.

        `ended` gets None when it was moved, otherwise CANCELLED or a UserError.

        Raises:
            UserError: the folder is in use or too small, or another program is using the library.
        """
        move = begin_move(self._library, folder)
        return self._jobs.start(
            later("Moving the library"), str(folder), move.copy, partial(self._on_copied, move, ended)
        )

    def _start(self, work: Callable[[Library], int], ended: Ended) -> None:
        def done(outcome: object) -> None:
            ended(outcome)
            self.changed.emit()

        steps = partial(_at_once, work)
        self._jobs.start(later("Cleaning up"), "", lambda: with_library(self._library.store.folder, steps), done)

    def _on_copied(self, move: Move, ended: Ended, outcome: object) -> None:
        """The remaining step is short, and nobody may change the library during it."""
        if outcome is not CANCELLED and not isinstance(outcome, UserError):
            outcome = self._settle(move)
        ended(outcome)
        self.changed.emit()

    def _settle(self, move: Move) -> UserError | None:
        try:
            settle(self._library, move)
        except UserError as error:
            return error
        self._jobs.start(later("Cleaning up"), str(move.old), partial(_delete_old, move), lambda _: None)
        return None


def _at_once(work: Callable[[Library], int], library: Library) -> Generator[float, None, int]:
    """Wrap work that cannot be split into steps."""
    yield 0.0
    return work(library)


def _delete_old(move: Move) -> Generator[None, None, None]:
    yield
    move.delete_old()

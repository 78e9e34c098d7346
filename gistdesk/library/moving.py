"""Moving the library to another folder, so that at every moment one of the two is whole and is the one that is opened.

The old folder keeps a note that says where the library is now.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.library.storage import Upkeep
from gistdesk.library.store import DATABASE, copy_database, copy_file, n_bytes, place_note
from gistdesk.library.text_index import INDEX

_KEPT, _UNFINISHED = ("texts", "gists"), "incoming"


class Moving(Upkeep):
    """A library that can go elsewhere."""

    def move_to(self, folder: Path) -> Iterator[float]:
        """Move everything into a new or empty folder; yields how much is copied, from 0 to 1.

        Nothing is given up before all is there: stopped halfway, the library is where it was. Whoever opens it by its
        old folder finds it at the new place.

        Raises:
            UserError: the folder is in use or too small, or somebody else is using the library.
        """
        target, old = folder.absolute(), self.folder
        part = target.with_name(f".{target.name}.gistdesk-moving")
        with self._write():
            self._check_free()
        self._check_target(target)
        try:
            yield from _copy(old, part)
            with self._write():  # nobody can write to the library now, nor open it
                self._check_free()
                self._settle(part, target)
        except OSError as error:
            raise UserError(
                f"The library cannot be moved to {target} ({error.strerror}).",
                "It stays where it is. Check that the folder can be written to.",
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self.close()
        _delete_library(old)
        self._open()
        yield 1.0

    def clean_up(self) -> int:
        """As for any library; and what a move left behind whose process died at its very end. Bytes freed."""
        freed = super().clean_up()
        if self.folder != self._home:
            freed += sum(n_bytes(path) for path in self._home.glob("*/*")) + n_bytes(self._home / DATABASE)
            _delete_library(self._home)
        return freed

    def _settle(self, part: Path, target: Path) -> None:
        """What changed since the files were copied; then the note, from which on the library is at the new place."""
        for _ in _copy(self.folder, part):
            pass
        for path in (self.folder / _UNFINISHED).iterdir():
            copy_file(path, part / _UNFINISHED / path.name)
        for name in (DATABASE, INDEX):
            copy_database(self.folder / name, part / name)
        if target == self._home:
            _delete_library(target)  # of a move home that was interrupted
            for path in list(part.iterdir()):
                path.replace(target / path.name)
            place_note(self._home).unlink()
            return
        with suppress(FileNotFoundError):
            target.rmdir()
        part.replace(target)
        note = place_note(self._home)
        temporary = note.with_name(f".{note.name}.{os.getpid()}")
        temporary.write_bytes(os.fsencode(target))
        temporary.replace(note)

    def _check_free(self) -> None:
        if len(self._owner.living()) > 1:
            raise UserError("The library is open in another window or command.", "Close it, then move the library.")
        if self._rows("SELECT 1 FROM entries WHERE owner IS NOT NULL LIMIT 1"):
            raise UserError("A document is being compressed.", "Wait for it, or stop it, then move the library.")

    def _check_target(self, target: Path) -> None:
        if target == self.folder or self.folder in target.parents:
            raise UserError(f"{target} is in the library's own folder.", "Choose a folder outside of it.")
        if target != self._home and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{target} is not empty.", "Choose a new or an empty folder.")
        there = next(parent for parent in target.parents if parent.is_dir())
        needed, free = self.storage().total, shutil.disk_usage(there).free
        if needed > free:
            raise UserError(
                f"The library takes {needed / 2**20:,.1f} MiB, and {free / 2**20:,.1f} MiB are free in {there}.",
                "Choose another disk, or clean up first.",
            )


def _copy(old: Path, part: Path) -> Iterator[float]:
    """What is not there yet. Kept files never change, so their sizes tell."""
    (part / _UNFINISHED).mkdir(parents=True, exist_ok=True)
    paths = [path for name in _KEPT for path in (old / name).iterdir()]
    total, done = sum(map(n_bytes, paths)), 0
    for path in paths:
        target = part / path.parent.name / path.name
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or n_bytes(target) != n_bytes(path):
            copy_file(path, target)
        done += n_bytes(path)
        yield done / max(total, 1)


def _delete_library(folder: Path) -> None:
    for name in (*_KEPT, _UNFINISHED, "open"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (DATABASE, INDEX):
        for path in folder.glob(f"{name}*"):
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):  # somebody else's files are in it, or our note
        folder.rmdir()

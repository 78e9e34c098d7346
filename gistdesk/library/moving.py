"""Moves the library to another folder, so that at every moment one of the two is complete and is the one opened.

The old folder keeps a note that says where the library is now.
"""

import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gistdesk.atomic import replacing
from gistdesk.core.errors import UserError
from gistdesk.library.backup import copy_database
from gistdesk.library.disk import KEPT, TRASH, UNFINISHED, delete_library
from gistdesk.library.library import Library
from gistdesk.library.pasted import move_sources
from gistdesk.library.store import DATABASE, Store, copy_file, copying, n_bytes, place_note
from gistdesk.library.text_index import INDEX

Stamp = tuple[tuple[int, int], ...]


@dataclass
class Move:
    """A library on its way. Attributes: old, target (folders), part (where the copy grows)."""

    old: Path
    target: Path
    part: Path
    _index: Stamp = ()

    def copy(self) -> Generator[float, None, None]:
        """Nearly all of the work, in any thread, while the library is used; yields the share copied, from 0 to 1.

        If closed early, or ended by an error, it leaves nothing behind.

        Raises:
            UserError: the folder cannot be written to, or its disk is full.
        """
        try:
            self._index = _stamp(self.old / INDEX)
            self.part.mkdir(parents=True, exist_ok=True)
            copy_database(self.old / INDEX, self.part / INDEX)
            yield from _copy(self.old, self.part)
        except (OSError, sqlite3.Error) as error:
            self.give_up()
            raise _not_moved(self.target, error) from error
        except BaseException:
            self.give_up()
            raise

    def copy_rest(self) -> None:
        """Copy what has changed since; the library must be locked. Raises OSError."""
        for _ in _copy(self.old, self.part):
            pass
        for path in (self.old / UNFINISHED).iterdir():
            copy_file(path, self.part / UNFINISHED / path.name)
        copy_database(self.old / DATABASE, self.part / DATABASE)
        move_sources(self.part / DATABASE, self.old / "pasted", self.target / "pasted")
        if _stamp(self.old / INDEX) != self._index:  # large, and any missing text is indexed again
            copy_database(self.old / INDEX, self.part / INDEX)

    def give_up(self) -> None:
        shutil.rmtree(self.part, ignore_errors=True)

    def delete_old(self) -> None:
        """Delete the old library, which nobody opens any more; in any thread."""
        delete_library(self.old)


def begin_move(library: Library, folder: Path) -> Move:
    """Check that everything can move into a new or empty folder; then `Move.copy`, `settle`, `Move.delete_old`.

    Raises:
        UserError: the folder is in use or too small, or another process is using the library.
    """
    target = folder.absolute()
    with library.store.write():
        _check_free(library.store)
    _check_target(library, target)
    return Move(library.store.folder, target, target.with_name(f".{target.name}.gistdesk-moving"))


def settle(library: Library, move: Move) -> None:
    """From here on the library is at the new place. Opening it by its old folder finds it there.

    Raises:
        UserError: another process is using it, or the folder is not writable; it stays where it is.
    """
    try:
        with library.store.write():  # from here nobody can write to or open the library
            _check_free(library.store)
            _settle(library.store.home, move)
    except (OSError, sqlite3.Error) as error:
        raise _not_moved(move.target, error) from error
    finally:
        move.give_up()
    library.reopen()


def move_to(library: Library, folder: Path) -> Iterator[float]:
    """The whole move in this thread; yields the share copied, from 0 to 1. If closed early, nothing has moved.

    Raises:
        UserError: as `begin_move`, `Move.copy` and `settle`.
    """
    move = begin_move(library, folder)
    yield from move.copy()
    settle(library, move)
    move.delete_old()
    yield 1.0


def _settle(home: Path, move: Move) -> None:
    """Copy what changed since the files were copied, then write the note, which makes the new place the library."""
    move.copy_rest()
    if move.target == home:
        delete_library(home)  # left by an interrupted move home
        for path in list(move.part.iterdir()):
            path.replace(home / path.name)
        place_note(home).unlink()
        return
    with suppress(FileNotFoundError):
        move.target.rmdir()
    move.part.replace(move.target)
    with replacing(place_note(home)) as note:
        note.write_bytes(os.fsencode(move.target))


def _check_free(store: Store) -> None:
    if len(store.owner.living()) > 1:
        raise UserError("The library is open in another window or command.", "Close it, then move the library.")
    if store.rows("SELECT 1 FROM entries WHERE owner IS NOT NULL LIMIT 1"):
        raise UserError("A document is being compressed.", "Wait for it, or stop it, then move the library.")


def _check_target(library: Library, target: Path) -> None:
    store = library.store
    if target == store.folder or store.folder in target.parents:
        raise UserError("{target} is in the library's own folder.", "Choose a folder outside of it.", target=target)
    if target != store.home and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("{target} is not empty.", "Choose a new or an empty folder.", target=target)
    there = next(parent for parent in target.parents if parent.is_dir())
    needed, free = library.disk.storage().total, shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            "The library takes {needed:,.1f} MiB, and {free:,.1f} MiB are free in {there}.",
            "Choose another disk, or clean up first.",
            needed=needed / 2**20,
            free=free / 2**20,
            there=there,
        )


def _copy(old: Path, part: Path) -> Iterator[float]:
    """Copy what is missing. Kept files never change, so comparing sizes is enough."""
    (part / UNFINISHED).mkdir(parents=True, exist_ok=True)
    folders = [old / name for name in (*KEPT, TRASH) if (old / name).is_dir()]
    paths = [path for folder in folders for path in folder.iterdir()]
    total, done = max(1, sum(map(n_bytes, paths))), 0
    for path in paths:
        target, before, size = part / path.parent.name / path.name, done, n_bytes(path)
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or n_bytes(target) != size:
            for piece in copying(path, target):
                done = min(done + len(piece), before + size)
                if done < before + size:
                    yield done / total
        done = before + size
        yield done / total


def _stamp(database: Path) -> Stamp:
    """When a database and its log were last written; available without opening it."""
    with suppress(OSError):
        found = [path.stat() for path in (database, database.with_name(f"{database.name}-wal")) if path.exists()]
        return tuple((each.st_size, each.st_mtime_ns) for each in found)
    return ()


def _not_moved(target: Path, error: OSError | sqlite3.Error) -> UserError:
    reason = error.strerror if isinstance(error, OSError) else error
    return UserError(
        "The library cannot be moved to {target} ({reason}).",
        "It stays where it is. Check that the folder can be written to.",
        target=target,
        reason=reason,
    )

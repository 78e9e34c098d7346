"""The library on disk: how much space it takes, and deleting what nobody needs."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gistdesk.folders import make_private
from gistdesk.library.entries import gist_path, text_values
from gistdesk.library.gists import IMPORTING, Gists, delete
from gistdesk.library.pasted import pasted_path
from gistdesk.library.records import Storage
from gistdesk.library.rows import is_name
from gistdesk.library.store import DATABASE, Store, n_bytes
from gistdesk.library.text_index import INDEX, TextIndex

KEPT, TRASH, UNFINISHED = ("texts", "gists", "pasted"), "trash", "incoming"
"""A library's folders."""
_DAY_S = 24 * 3600


class Disk:
    """Sizes, emptying the trash, and leftovers."""

    def __init__(self, store: Store, index: TextIndex, gists: Gists) -> None:
        self._store, self._index, self._gists = store, index, gists

    def storage(self) -> Storage:
        """Current sizes on disk."""
        live, trashed = self._referred("entries.trashed IS NULL"), self._referred("1")
        gists = texts = trash = unused = 0
        for path in self._files():
            size = n_bytes(path)
            if path in live:
                gists, texts = (gists, texts + size) if path.suffix == ".txt" else (gists + size, texts)
            elif path in trashed:
                trash += size
            else:
                unused += size
        trash += sum(n_bytes(path) for path in self._thrown_away())
        database = sum(n_bytes(path) for path in _inside(self._store.folder) if ".sqlite3" in path.name)
        return Storage(gists, texts, database, trash, unused)

    def empty_trash(self) -> int:
        """Permanently delete the trash, chats included, and files nothing else refers to. Returns bytes freed.

        Takes a second for 5 MB of text that is no longer searched.
        """
        known = self._referred("entries.trashed IS NOT NULL")
        with self._store.write() as db:
            db.execute("DELETE FROM entries WHERE trashed IS NOT NULL")
            db.execute("DELETE FROM chats WHERE trashed IS NOT NULL")
        return self._forget(known, delete) + sum(map(delete, self._thrown_away()))

    def clean_up(self) -> int:
        """Remove files that belong to nothing: left by crashes, cancelled jobs or replaced gists. Returns bytes freed.

        Gists and texts go to the trash instead: if the database lost their names, they are still needed. Fresh
        pasted texts stay: whoever pasted one may not have accepted it yet.
        """
        yesterday, pasted = time.time() - _DAY_S, self._store.pasted_folder
        files = {path for path in self._files() if path.parent != pasted or _changed(path) < yesterday}
        freed = self._forget(files, self._throw_away)
        home = self._store.home
        if self._store.folder != home:  # left by a move whose process died at the very end
            freed += sum(n_bytes(path) for path in home.glob("*/*")) + n_bytes(home / DATABASE)
            delete_library(home)
        return freed

    def forget_text(self, sha256: str) -> None:
        """Delete a kept text unless an entry has it, in the trash or not."""
        self._take_unreferred({self._store.texts_folder / f"{sha256}.txt"}, delete)

    def forget_pasted(self, path: Path) -> None:
        """Delete a pasted text unless an entry has it, in the trash or not."""
        self._take_unreferred({path}, delete)

    @property
    def _trash_folder(self) -> Path:
        return self._store.folder / TRASH

    def _thrown_away(self) -> list[Path]:
        return _inside(self._trash_folder)

    def _throw_away(self, path: Path) -> int:
        """Returns the bytes freed; half-written files are deleted, as they are worthless."""
        if path.parent == self._store.incoming_folder or path.name.startswith("."):
            return delete(path)
        size = n_bytes(path)
        try:
            make_private(self._trash_folder)
            path.replace(self._trash_folder / path.name)
        except OSError:
            return 0
        return size

    def _forget(self, paths: set[Path], take_away: Callable[[Path], int]) -> int:
        """Delete unused gist rows, and whichever of these files and indexed texts no entry refers to."""
        with self._store.write() as db:
            db.execute("DELETE FROM gists WHERE id NOT IN (SELECT gist_id FROM entries WHERE gist_id IS NOT NULL)")
        freed = self._take_unreferred(paths, take_away)
        indexed = self._index.texts()  # before the entries, so that texts added meanwhile stay
        needed = self._store.rows("SELECT DISTINCT text_sha256 FROM entries WHERE text_sha256 IS NOT NULL")
        for sha256 in indexed - {row[0] for row in needed}:
            for _ in self._index.forget(sha256):
                pass
        return freed

    def _files(self) -> list[Path]:
        return [path for name in (*KEPT, UNFINISHED) for path in _inside(self._store.folder / name)]

    def _referred(self, condition: str) -> set[Path]:
        """The files that entries refer to, including what their unfinished jobs have written so far."""
        found = set()
        for row in self._store.rows(
            "SELECT entries.id, entries.text_sha256, next_text, source_path, state, key FROM entries LEFT JOIN gists "
            f"ON gists.id = gist_id WHERE {condition}"
        ):
            for sha256 in (row["text_sha256"], _next_sha256(row["next_text"])):
                if is_name(sha256):
                    found.add(self._store.texts_folder / f"{sha256}.txt")
            if is_name(row["key"]):
                found.add(gist_path(self._store.gists_folder, row["key"]))
            if pasted := pasted_path(row["source_path"], self._store.pasted_folder):
                found.add(pasted)
            if row["state"] != "ready":
                target = self._gists.incoming_path(row["id"])
                found |= {target, target.with_name(target.name + ".part")}
        return found

    def _take_unreferred(self, paths: set[Path], take_away: Callable[[Path], int]) -> int:
        """Holds the write lock, so that nobody adopts a file meanwhile. Texts stay while one is being extracted:
        the extraction may have found its text already there."""
        freed = 0
        with self._store.write() as db:
            needed = self._referred("1")
            yesterday = time.time() - _DAY_S
            extracting = db.execute("SELECT 1 FROM entries WHERE state = 'extracting' AND owner IS NOT NULL").fetchone()
            for path in paths - needed:
                being_read = extracting and path.parent == self._store.texts_folder
                being_written = path.name.startswith((".", IMPORTING)) and _changed(path) > yesterday
                if not being_read and not being_written:
                    freed += take_away(path)
        return freed


def _next_sha256(stored: str | None) -> str | None:
    """None also for what is damaged."""
    with suppress(TypeError, ValueError):
        values = text_values(stored)
        return None if values is None else str(values["text_sha256"])
    return None


def _inside(folder: Path) -> list[Path]:
    """Empty if the folder is gone or not readable."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _changed(path: Path) -> float:
    """Modification time in seconds since 1970."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def delete_library(folder: Path) -> None:
    """Delete a library's files, and its folder if nothing else is in it; it must not be open."""
    for name in (*KEPT, TRASH, UNFINISHED, "open"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (DATABASE, INDEX):
        for path in folder.glob(f"{name}*"):
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):  # other files are in it, or our note
        folder.rmdir()

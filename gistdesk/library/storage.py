"""The library on the disk: how much it takes, and getting rid of what nobody needs."""

import time
from collections.abc import Callable
from pathlib import Path

from gistdesk.folders import make_private
from gistdesk.library.gists import IMPORTING, Gists, delete
from gistdesk.library.records import Storage
from gistdesk.library.rows import is_name
from gistdesk.library.store import n_bytes


class Upkeep(Gists):
    """Sizes, the trash for good, and leftovers."""

    def storage(self) -> Storage:
        """What is on the disk now."""
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
        database = sum(n_bytes(path) for path in _inside(self.folder) if ".sqlite3" in path.name)
        return Storage(gists, texts, database, trash, unused)

    def empty_trash(self) -> int:
        """Delete what is in the trash for good, chats too; files go when nothing else refers to them. Bytes freed.

        Takes a second for 5 MB of text that is not searched any more.
        """
        known = self._referred("entries.trashed IS NOT NULL")
        with self._write() as db:
            db.execute("DELETE FROM entries WHERE trashed IS NOT NULL")
            db.execute("DELETE FROM chats WHERE trashed IS NOT NULL")
        return self._forget(known, delete) + sum(map(delete, self._thrown_away()))

    def clean_up(self) -> int:
        """Take files away that belong to nothing: left by crashes, by cancelled jobs, by replaced gists. Bytes.

        Gists and texts go to the trash, not for good: where the database lost their names, they are still needed.
        """
        return self._forget(set(self._files()), self._throw_away)

    def forget_text(self, sha256: str) -> None:
        """Delete a kept text unless an entry has it, in the trash or out of it."""
        self._take_unreferred({self.texts_folder / f"{sha256}.txt"}, delete)

    @property
    def _trash_folder(self) -> Path:
        return self.folder / "trash"

    def _thrown_away(self) -> list[Path]:
        return _inside(self._trash_folder)

    def _throw_away(self, path: Path) -> int:
        """Bytes; half-written files are worth nothing to anybody."""
        if path.parent == self.incoming_folder or path.name.startswith("."):
            return delete(path)
        size = n_bytes(path)
        try:
            make_private(self._trash_folder)
            path.replace(self._trash_folder / path.name)
        except OSError:
            return 0
        return size

    def _forget(self, paths: set[Path], take_away: Callable[[Path], int]) -> int:
        """Drop the rows of gists, and of these files and the index, what no entry refers to."""
        with self._write() as db:
            db.execute("DELETE FROM gists WHERE id NOT IN (SELECT gist_id FROM entries WHERE gist_id IS NOT NULL)")
        freed = self._take_unreferred(paths, take_away)
        indexed = self._index.texts()  # before the entries: what is added meanwhile is left alone
        needed = self._rows("SELECT DISTINCT text_sha256 FROM entries WHERE text_sha256 IS NOT NULL")
        for sha256 in indexed - {row[0] for row in needed}:
            for _ in self._index.forget(sha256):
                pass
        return freed

    def _files(self) -> list[Path]:
        return [path for at in (self.texts_folder, self.gists_folder, self.incoming_folder) for path in _inside(at)]

    def _referred(self, condition: str) -> set[Path]:
        """The files that entries refer to; also what their unfinished jobs have written so far."""
        found = set()
        for row in self._rows(
            f"SELECT entries.id, entries.text_sha256, state, key FROM entries LEFT JOIN gists "
            f"ON gists.id = gist_id WHERE {condition}"
        ):
            if is_name(row["text_sha256"]):
                found.add(self.texts_folder / f"{row['text_sha256']}.txt")
            if is_name(row["key"]):
                found.add(self._gist_path(row["key"]))
            if row["state"] != "ready":
                target = self.incoming_path(row["id"])
                found |= {target, target.with_name(target.name + ".part")}
        return found

    def _take_unreferred(self, paths: set[Path], take_away: Callable[[Path], int]) -> int:
        """Under the write lock, so that nobody adopts a file meanwhile. Texts stay while one is being extracted:
        whoever does that may have found the text there already."""
        freed = 0
        with self._write() as db:
            needed = self._referred("1")
            yesterday = time.time() - 24 * 3600
            extracting = db.execute("SELECT 1 FROM entries WHERE state = 'extracting' AND owner IS NOT NULL").fetchone()
            for path in paths - needed:
                being_read = extracting and path.parent == self.texts_folder
                being_written = path.name.startswith((".", IMPORTING)) and _changed(path) > yesterday
                if not being_read and not being_written:
                    freed += take_away(path)
        return freed


def _inside(folder: Path) -> list[Path]:
    """Nothing where the folder is gone, or may not be looked into."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _changed(path: Path) -> float:
    """Seconds since 1970."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0

"""A full-text index of trigrams over kept texts, in a database of its own beside the library's.

Trigrams, because Korean words carry particles without spaces in between. It is a cache: a damaged one is rebuilt,
and writing to it keeps nobody from the library. Knows nothing of entries.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.library.damage import damaged, world_error
from gistdesk.library.store import connect

INDEX = "search-1.sqlite3"  # a new layout gets a new number; older files are simply unused
_SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (
    sha256 TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, n_done INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    id INTEGER PRIMARY KEY, page INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS place_index USING fts5(text, tokenize='trigram');
CREATE VIRTUAL TABLE IF NOT EXISTS trigrams USING fts5vocab('place_index', 'row');
"""
_MAX_CHARACTERS = 600
_MIN_CHARACTERS = 200
_OVERLAP = 80
"""Characters of the next place that are also indexed with each place, so that phrases across the border are found."""
_PADDING = "  "
"""Lets the last two characters begin a trigram, too."""
_BATCH_BYTES = 30_000
"""Per transaction: about 10 ms, during which others wait to index."""


@dataclass(frozen=True)
class Place:
    """A stretch of a page, counted from 1: `page_text[start:end]`."""

    text_sha256: str
    page: int
    start: int
    end: int


class _ContradictionError(Exception):
    """One table refers to what another does not have."""


_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError, _ContradictionError)


class TextIndex:
    """Which places contain which words."""

    def __init__(self, folder: Path) -> None:
        self.open(folder)

    def open(self, folder: Path) -> None:
        """Use the index of this library's folder from now on."""
        self._path = folder / INDEX
        self._db = self._opened()

    def close(self) -> None:
        self._db.close()

    def complete(self) -> set[str]:
        """The texts that are fully indexed."""
        return {row[0] for row in self._rows("SELECT sha256 FROM texts WHERE last - first + 1 = n_done")}

    def add(self, sha256: str, pages: Sequence[str]) -> Iterator[float]:
        """Index a text in small transactions; yields the share done. Continues where an earlier run stopped."""
        places = [(number, start, end) for number, page in enumerate(pages, 1) for start, end in cut(page)]
        n_done = -1
        while n_done < len(places):
            yield max(n_done, 0) / max(len(places), 1)
            with self._errors():
                n_done = self._add_batch(sha256, pages, places)
        yield 1.0

    def texts_with(self, word: str) -> set[str]:
        """The texts that contain a word or part of one; case does not matter."""
        condition, value = self._condition(word)
        found: set[str] = set()
        after = 0
        with self._errors():
            while True:  # from text to text: a common word occurs thousands of times in each
                row = self._db.execute(
                    f"SELECT rowid FROM place_index WHERE rowid > ? AND {condition} ORDER BY rowid LIMIT 1",
                    (after, value),
                ).fetchone()
                if row is None:
                    return found
                text = self._db.execute(
                    "SELECT sha256, last FROM texts WHERE first <= ? ORDER BY first DESC LIMIT 1", (row[0],)
                ).fetchone()
                if text is None or text["last"] < row[0]:
                    raise _ContradictionError
                found.add(text["sha256"])
                after = text["last"]
        return found

    def n_places(self, sha256: str) -> int:
        rows = self._rows("SELECT n_done FROM texts WHERE sha256 = ?", (sha256,))
        return int(rows[0][0]) if rows else 0

    def ids_with(self, word: str, sha256: str) -> list[int]:
        """The ids of a text's places that contain a word or part of one."""
        condition, value = self._condition(word)
        rows = self._rows(
            "SELECT place_index.rowid FROM texts JOIN place_index ON place_index.rowid BETWEEN first AND last "
            f"WHERE sha256 = ? AND {condition}",
            (sha256, value),
        )
        return [row[0] for row in rows]

    def place(self, sha256: str, place_id: int) -> Place:
        with self._errors():
            row = self._db.execute("SELECT page, start, stop FROM places WHERE id = ?", (place_id,)).fetchone()
            if row is None:
                raise _ContradictionError
            return Place(sha256, *row)

    def texts(self) -> set[str]:
        """All texts that are indexed, wholly or in part."""
        return {row[0] for row in self._rows("SELECT sha256 FROM texts")}

    def forget(self, sha256: str) -> Iterator[None]:
        """Delete a text, in small transactions."""
        while self._forget_batch(sha256):
            yield

    def _add_batch(self, sha256: str, pages: Sequence[str], places: list[tuple[int, int, int]]) -> int:
        """Add the next places of a text, from wherever its indexing has got to; returns how many are then done."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT OR IGNORE INTO texts SELECT ?1, coalesce(max(last), 0) + 1, coalesce(max(last), 0) + ?2, 0 "
                "FROM texts",
                (sha256, len(places)),
            )
            first, done = self._db.execute("SELECT first, n_done FROM texts WHERE sha256 = ?", (sha256,)).fetchone()
            n_bytes = 0
            while done < len(places) and n_bytes < _BATCH_BYTES:
                page, start, end = places[done]
                text = " ".join(pages[page - 1][start : end + _OVERLAP].split()) + _PADDING
                self._db.execute("INSERT INTO places VALUES (?, ?, ?, ?)", (first + done, page, start, end))
                self._db.execute("INSERT INTO place_index(rowid, text) VALUES (?, ?)", (first + done, text))
                n_bytes += len(text.encode())
                done += 1
            self._db.execute("UPDATE texts SET n_done = ? WHERE sha256 = ?", (done, sha256))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return int(done)

    def _forget_batch(self, sha256: str) -> bool:
        """Delete the last places of a text, and finally the text; returns whether there is more."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                row = self._db.execute("SELECT first, n_done FROM texts WHERE sha256 = ?", (sha256,)).fetchone()
                if row is not None and row["n_done"]:
                    keep = max(row["n_done"] - 50, 0)
                    bounds = (row["first"] + keep, row["first"] + row["n_done"] - 1)
                    self._db.execute("DELETE FROM place_index WHERE rowid BETWEEN ? AND ?", bounds)
                    self._db.execute("DELETE FROM places WHERE id BETWEEN ? AND ?", bounds)
                    self._db.execute("UPDATE texts SET n_done = ? WHERE sha256 = ?", (keep, sha256))
                elif row is not None:
                    self._db.execute("DELETE FROM texts WHERE sha256 = ?", (sha256,))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        return bool(row is not None and row["n_done"])

    def _condition(self, word: str) -> tuple[str, str]:
        """SQL, and its value, for the places that contain a word or part of one.

        A word of two characters, like most Korean ones, is searched by the trigrams that begin with it: 0.3 ms in
        3 MB, where LIKE takes 5. The plus stops LIKE, for single characters, from using the trigrams: in SQLite 3.40
        it counts bytes there, and finds no Hangul.
        """
        if len(word) == 1:
            return "+text LIKE ? ESCAPE '\\'", like(word)
        forms = [word]
        if len(word) == 2:
            bounds = word.lower(), word.lower() + "\U0010ffff"
            forms = [row[0] for row in self._rows("SELECT term FROM trigrams WHERE term >= ? AND term < ?", bounds)]
        if not forms:
            return "? = ''", word
        return "place_index MATCH ?", " OR ".join(map(quoted, forms))

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._errors():
            return self._db.execute(sql, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        try:
            return _connected(self._path)
        except _DAMAGE as error:
            self._refuse_unless_damage(error)
            self._delete()
        try:
            return _connected(self._path)
        except sqlite3.DatabaseError as error:
            raise world_error(error, self._path) or damaged(self._path, error) from error

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            self._refuse_unless_damage(error)
            self._db.close()
            self._delete()
            self._db = self._opened()
            raise UserError(
                "The search index {path} was damaged and is being rebuilt.",
                "Search again in a moment.",
                path=self._path,
            ) from error

    def _refuse_unless_damage(self, error: Exception) -> None:
        """Any other SQLite error is damage: FTS5 reports it in words of its own for statements that were correct when
        tested, and only a cache is lost."""
        if isinstance(error, sqlite3.ProgrammingError):  # a closed database, a missing value
            raise error
        if isinstance(error, sqlite3.Error) and (found := world_error(error, self._path)):
            raise found from error


def cut(page: str) -> Iterator[tuple[int, int]]:
    """A page's places, in order: (start, end) of a few sentences each, without the blanks around them."""
    start, stop = 0, len(page)
    while start < stop:
        end = _end(page, start) if stop - start > _MAX_CHARACTERS else stop
        text = page[start:end]
        left = start + len(text) - len(text.lstrip())
        if left < end:
            yield left, start + len(text.rstrip())
        start = end


def _end(page: str, start: int) -> int:
    """Where the place that begins at `start` ends: after a paragraph, else a sentence, else a word, else anywhere."""
    least, most = start + _MIN_CHARACTERS, start + _MAX_CHARACTERS
    paragraph = page.find("\n\n", least, most)
    if paragraph > 0:
        return paragraph + 2
    from gistdesk.core.lexical import SENTENCE_END  # not needed to draw the window

    sentences = list(SENTENCE_END.finditer(page, least, most))
    if sentences:
        return sentences[-1].end()
    return page.rfind(" ", least, most) + 1 or most


def quoted(word: str) -> str:
    """A word as a search string of FTS5."""
    return '"' + word.replace('"', '""') + '"'


def like(word: str) -> str:
    """A pattern of LIKE, with the backslash as its escape, that finds a word anywhere."""
    return "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _connected(path: Path) -> sqlite3.Connection:
    db = connect(path)
    try:
        db.executescript(_SCHEMA)
        db.execute("SELECT count(*) FROM texts").fetchone()  # better to meet damage now than in a search
    except BaseException:
        db.close()
        raise
    return db

"""Entries: which documents there are, and what should be done with each.

Knows nothing of how a document is read or compressed.
"""

import json
import os
import sqlite3
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence, packed, unpacked
from gistdesk.core.title import shown_title
from gistdesk.library.records import Entry, GistRow, Problem, State, TextFigures
from gistdesk.library.rows import known, name_of, number_of, path_of, ratio_of, text_of, time_of
from gistdesk.library.store import Store, now
from gistdesk.library.text_index import TextIndex

WORKING = "state IN ('extracting', 'compressing')"
_GIST_COLUMNS = (
    "id key model_id model_fingerprint tokenizer_fingerprint adapter_fingerprint ratio n_tokens n_slots kv_bytes "
    "file_bytes seconds tokens_per_second device created recall_n recall_kept method kv_bits "
    "agreement agreement_before"
).split()
_GIST_TEXTS = {
    "model_id",
    "model_fingerprint",
    "tokenizer_fingerprint",
    "adapter_fingerprint",
    "device",
    "created",
    "method",
}
_GIST_REALS = {"seconds", "tokens_per_second", "agreement", "agreement_before"}
_GIST_MEASURED = {"recall_n", "recall_kept", "agreement", "agreement_before"}
"""None if nothing was measured."""
_COUNTS = ("source_bytes", "source_mtime_ns", "n_chars", "n_pages", "done", "total")
GIST_FIELDS = ", ".join(f"gists.{name} AS gist_{name}" for name in _GIST_COLUMNS)
_ENTRIES = f"SELECT entries.*, {GIST_FIELDS} FROM entries LEFT JOIN gists ON gists.id = entries.gist_id"


class Entries:
    """Rows of the table."""

    def __init__(self, store: Store, index: TextIndex) -> None:
        self._store, self._index = store, index

    def add(self, *, source_path: Path, model: str, ratio: float, title: str = "", method: str = "auto") -> Entry:
        """Queue a document. The file is not read; the default title is its name."""
        shown, (size, mtime_ns) = shown_title(title or source_path.stem), size_and_mtime(source_path)
        time = now()
        with self._store.write() as db:
            added = db.execute(
                "INSERT INTO entries(title, source_path, source_bytes, source_mtime_ns, model, ratio, method, state, "
                "queued, added) VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)",
                (shown, stored_path(source_path), size, mtime_ns, model, ratio, method, time, time),
            )
            assert added.lastrowid is not None
            return self.get(added.lastrowid)

    def get(self, entry_id: int) -> Entry:
        """Raises UserError: it was permanently deleted."""
        rows = self._store.rows(f"{_ENTRIES} WHERE entries.id = ?", (entry_id,))
        if not rows:
            raise UserError("The document is no longer in the library.", "It was deleted in another window or command.")
        return entry_of(rows[0], self._store.gists_folder)

    def all(self, *, search: str = "", trashed: bool = False, states: Sequence[str] = ()) -> list[Entry]:
        """In the order in which they were added.

        Args:
            search: words that must all be found, each in the title or in the kept text.
            trashed: those in the trash instead of the others.
            states: only those in one of these, which is no slower in a large library.
        """
        where = f"entries.trashed IS {'NOT ' if trashed else ''}NULL"
        if states:
            where += f" AND entries.state IN ({', '.join('?' * len(states))})"
        rows = self._store.rows(f"{_ENTRIES} WHERE {where} ORDER BY entries.id", tuple(states))
        found = [entry_of(row, self._store.gists_folder) for row in rows]
        for word in unicodedata.normalize("NFC", search).split():
            in_text = self._index.texts_with(word)
            folded = word.casefold()
            found = [e for e in found if folded in e.title.casefold() or e.text_sha256 in in_text]
        return found

    def title_of_text(self, text_sha256: str) -> str:
        """The title of the oldest entry with this text that is not in the trash; "" if there is none."""
        rows = self._store.rows(
            "SELECT title FROM entries WHERE text_sha256 = ? AND trashed IS NULL ORDER BY id LIMIT 1", (text_sha256,)
        )
        return str(rows[0][0]) if rows else ""

    def rename(self, entry_id: int, title: str) -> None:
        """Give an entry another title; a blank one changes nothing."""
        if title.strip():
            with self._store.write() as db:
                db.execute("UPDATE entries SET title = ? WHERE id = ?", (shown_title(title.strip()), entry_id))

    def set_extracted(self, entry_id: int, text: TextFigures) -> None:
        """Record that the text is now kept, in `texts_folder`/<text_sha256>.txt. The state does not change, nor does a
        title that somebody gave. A gist of another text keeps that text until the next gist is there."""
        with self._store.write() as db:
            wanted = "SELECT title, source_path, source_mtime_ns, text_sha256, gist_id FROM entries WHERE id = ?"
            row = db.execute(wanted, (entry_id,)).fetchone()
            if row is None:
                return
            path = Path(os.fsdecode(row["source_path"]))
            size, mtime_ns = size_and_mtime(path)
            if size != text.source_bytes:  # changed since it was read: the older time shows it
                mtime_ns = row["source_mtime_ns"]
            is_renamed = row["title"] != shown_title(path.stem)
            title = row["title"] if is_renamed else shown_title(text.title)
            values = {**asdict(text), "title": title, "source_mtime_ns": mtime_ns}
            if row["gist_id"] is not None and row["text_sha256"] not in (None, text.text_sha256):
                next_text = json.dumps({**values, "title_before": row["title"]})
                db.execute("UPDATE entries SET next_text = ?, read_again = 0 WHERE id = ?", (next_text, entry_id))
            else:
                set_text(db, entry_id, values)

    def set_state(self, entry_id: int, state: State, *, problem: Problem | None = None) -> None:
        """The owner of the claim keeps it through "extracting" and "compressing", and gives it up otherwise."""
        kind = message = hint = None
        if problem is not None:
            kind, message, hint = problem.kind, stored_words(problem.message), stored_words(problem.hint)
        with self._store.write() as db:
            db.execute(
                "UPDATE entries SET state = :state, problem_kind = :kind, problem_message = :message, "
                "problem_hint = :hint, queued = CASE WHEN :state = 'queued' THEN :now ELSE queued END, "
                "owner = CASE WHEN :state IN ('extracting', 'compressing') THEN owner END, "
                "is_outdated = iif(:state = 'outdated', 1, is_outdated) WHERE id = :id",
                {"state": state, "kind": kind, "message": message, "hint": hint, "now": now(), "id": entry_id},
            )

    def set_progress(self, entry_id: int, done: int, total: int) -> None:
        """Segments compressed, or pages read, and the total."""
        with self._store.write() as db:
            db.execute("UPDATE entries SET done = ?, total = ? WHERE id = ?", (done, total, entry_id))

    def set_job(self, entry_id: int, *, model: str, ratio: float, method: str = "auto") -> None:
        """Queue the entry again, for this model, ratio and method. Its gist stays usable until a new one is adopted."""
        with self._store.write() as db:
            db.execute(
                "UPDATE entries SET model = ?, ratio = ?, method = ?, state = 'queued', owner = NULL, queued = ?, "
                "done = 0, total = 0, problem_kind = NULL, problem_message = NULL, problem_hint = NULL WHERE id = ?",
                (model, ratio, method, now(), entry_id),
            )

    def put_back(self, entry_id: int) -> None:
        """Instead of another gist, keep the one there is: the entry is again what that was made with, and "ready", or
        "outdated". Without a gist nothing happens."""
        of_gist = "FROM gists WHERE gists.id = entries.gist_id"
        with self._store.write() as db:
            db.execute(
                "UPDATE entries SET state = iif(is_outdated, 'outdated', 'ready'), model = gist_model, "
                f"ratio = (SELECT ratio {of_gist}), method = method_of_gist, "
                "read_again = 0, next_text = NULL, done = 0, total = 0, owner = NULL, "
                "problem_kind = NULL, problem_message = NULL, problem_hint = NULL "
                "WHERE id = ? AND gist_id IS NOT NULL",
                (entry_id,),
            )

    def set_model(self, entry_id: int, model: str) -> None:
        """The model that will compress a waiting entry."""
        with self._store.write() as db:
            db.execute("UPDATE entries SET model = ? WHERE id = ?", (model, entry_id))

    def move_model(self, old: str, new: str) -> None:
        """A model has a new name; its gists are now asked by that name."""
        with self._store.write() as db:
            for column in ("model", "gist_model"):
                db.execute(f"UPDATE entries SET {column} = ? WHERE {column} = ?", (new, old))

    def trash(self, entry_ids: Iterable[int]) -> None:
        """Put entries into the trash. Unfinished work on them waits, in case they are restored."""
        with self._store.write() as db:
            db.executemany(
                "UPDATE entries SET trashed = coalesce(trashed, ?), owner = NULL, "
                f"state = CASE WHEN {WORKING} THEN 'queued' ELSE state END WHERE id = ?",
                [(now(), entry_id) for entry_id in entry_ids],
            )

    def restore(self, entry_ids: Iterable[int]) -> None:
        with self._store.write() as db:
            db.executemany("UPDATE entries SET trashed = NULL WHERE id = ?", [(entry_id,) for entry_id in entry_ids])


def entry_of(row: sqlite3.Row, gists_folder: Path) -> Entry:
    """The row's entry; for an invalid row, an entry that says so, so that the rest of the table can be used."""
    try:
        return _entry_of(row, gists_folder)
    except (TypeError, ValueError):
        return _damaged_entry(row)


def _entry_of(row: sqlite3.Row, gists_folder: Path) -> Entry:
    problem = None
    if row["problem_kind"] is not None:
        message, hint = (words_of(text_of(row[f"problem_{part}"])) for part in ("message", "hint"))
        problem = Problem(text_of(row["problem_kind"]), message, hint)
    counts = {name: number_of(row[name]) for name in _COUNTS}
    return Entry(
        id=row["id"],
        title=text_of(row["title"]),
        source_path=path_of(row["source_path"]),
        source_sha256=name_of(row["source_sha256"]),
        text_sha256=name_of(row["text_sha256"]),
        page_label=row["page_label"] if row["page_label"] in ("page", "section") else None,
        n_tokens=None if row["n_tokens"] is None else number_of(row["n_tokens"]),
        model=text_of(row["model"]),
        ratio=ratio_of(row["ratio"]),
        state=known(row["state"], get_args(State)),
        problem=problem,
        gist=gist_of(row, gists_folder) if row["gist_id"] is not None else None,
        added=time_of(row["added"]),
        trashed=None if row["trashed"] is None else time_of(row["trashed"]),
        method=text_of(row["method"]),
        gist_model=text_of(row["gist_model"]) or text_of(row["model"]),
        is_outdated=bool(row["is_outdated"]),
        read_again=bool(row["read_again"]),
        next_text=_text_figures(row["next_text"]),
        **counts,
    )


def set_text(db: sqlite3.Connection, entry_id: int, values: dict[str, Any]) -> None:
    """Make this the text of an entry; values: of its columns."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    db.execute(
        f"UPDATE entries SET {columns}, read_again = 0, next_text = NULL WHERE id = :id", {**values, "id": entry_id}
    )


def text_values(stored: str | None) -> dict[str, Any] | None:
    """The columns of a text that waits for its gist, and the title of before it.

    Raises:
        ValueError: they are not what was stored.
    """
    if stored is None:
        return None
    values = json.loads(stored)
    names = {*(each.name for each in fields(TextFigures)), "source_mtime_ns", "title_before"}
    if not isinstance(values, dict) or values.keys() != names or name_of(values["text_sha256"]) is None:
        raise ValueError("not a text's figures")
    return values


def _text_figures(stored: str | None) -> TextFigures | None:
    values = text_values(stored)
    return None if values is None else TextFigures(**{each.name: values[each.name] for each in fields(TextFigures)})


def gist_of(row: sqlite3.Row, gists_folder: Path) -> GistRow:
    """From a row with `GIST_FIELDS`. Raises ValueError, TypeError: it holds invalid values."""
    values: dict[str, Any] = {name: row[f"gist_{name}"] for name in _GIST_COLUMNS}
    key = name_of(values.pop("key"))
    if key is None:
        raise ValueError("a gist without a file")
    for name, value in values.items():
        if name in _GIST_TEXTS:
            values[name] = text_of(value)
        elif value is not None or name not in _GIST_MEASURED:
            values[name] = ratio_of(value) if name == "ratio" else number_of(value, whole=name not in _GIST_REALS)
    return GistRow(path=gist_path(gists_folder, key), **values)


def gist_path(gists_folder: Path, key: str) -> Path:
    """The file of a gist, named by its key."""
    return gists_folder / f"{key}.gistkv"


def _damaged_entry(row: sqlite3.Row) -> Entry:
    return Entry(
        id=row["id"],
        title=text_of(row["title"]),
        source_path=Path("-"),
        source_bytes=0,
        source_mtime_ns=0,
        source_sha256=None,
        text_sha256=None,
        n_chars=0,
        n_pages=0,
        page_label=None,
        n_tokens=None,
        model=text_of(row["model"]),
        ratio=1.0,
        state="failed",
        done=0,
        total=0,
        problem=Problem(
            "user", "The library's record of this document is damaged.", "Delete it, and add the document again."
        ),
        gist=None,
        added=time_of(row["added"]),
        trashed=None if row["trashed"] is None else time_of(row["trashed"]),
    )


def stored_words(words: str) -> str:
    """A sentence in a form SQLite can keep, with the values it was made from."""
    found = packed(words)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def words_of(stored: str) -> str:
    """Inverse of `stored_words`."""
    with suppress(ValueError, RecursionError):
        found = unpacked(json.loads(stored))
        if isinstance(found, Sentence):
            return found
    return stored


def stored_path(path: Path) -> str | bytes:
    """In a form SQLite can keep: a file name need not be Unicode."""
    text = str(path.absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def size_and_mtime(path: Path) -> tuple[int, int]:
    """Bytes, and nanoseconds; 0 and 0 if there is no such file, or it is something else."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else (0, 0)

"""Gists: the kept files, identified by what they were made from, so that none is kept twice.

Knows how a gist file is named and who made it; knows nothing of its contents.
"""

import hashlib
import json
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.core.title import shown_title
from gistdesk.library.entries import GIST_FIELDS, Entries, gist_of, gist_path, set_text, stored_path, text_values
from gistdesk.library.records import Entry, GistFigures, GistRow, Identity
from gistdesk.library.store import Store, copy_file, copying, n_bytes, now

IMPORTING = "import-"
"""Prefix of files that are being copied in."""


class Gists:
    """Adopting, finding, sharing and exporting gists."""

    def __init__(self, store: Store, entries: Entries) -> None:
        self._store, self._entries = store, entries

    def incoming_path(self, entry_id: int) -> Path:
        """Where the engine writes the entry's gist and, with ".part" appended, its progress so far."""
        return self._store.incoming_folder / f"{entry_id}.gistkv"

    def adopt(
        self, entry_id: int, path: Path, figures: GistFigures, *, ratio: float | None = None, text: str | None = None
    ) -> Entry:
        """Move a finished gist file into the library; the entry is "ready". Its old gist goes if unused elsewhere.

        Args:
            ratio: the ratio the file was compressed at; text: the sha256 of what was compressed. If the entry now
                waits for another, the file is deleted and the entry stays unchanged. None: the entry's.

        Raises:
            UserError: the file is gone or cannot be moved, or the entry was deleted.
        """
        entry = self._entries.get(entry_id)
        text_sha256 = entry.next_text.text_sha256 if entry.next_text else entry.text_sha256
        if ratio not in (None, entry.ratio) or text not in (None, text_sha256):
            delete(path)
            return entry
        key = content_key(text_sha256 or f"file {_sha256(path)}", figures, entry.ratio)
        with self._store.write() as db:
            gist_id = self._keep(db, key, path, figures, ratio=entry.ratio, text_sha256=text_sha256)
            self._give(db, entry_id, gist_id)
        self._drop_unused([entry.gist] if entry.gist else [])
        return self._entries.get(entry_id)

    def find(
        self,
        text_sha256: str,
        model_fingerprint: str,
        tokenizer_fingerprint: str,
        adapter_fingerprint: str,
        ratio: float,
        method: str = "adapter",
        kv_bits: int = 16,
    ) -> GistRow | None:
        """The gist of the same text, made and stored in the same way at the same ratio, if its file exists."""
        rows = self._store.rows(
            f"SELECT {GIST_FIELDS} FROM gists WHERE text_sha256 = ? AND model_fingerprint = ? AND "
            "tokenizer_fingerprint = ? AND adapter_fingerprint = ? AND ratio = ? AND method = ? AND kv_bits = ?",
            (text_sha256, model_fingerprint, tokenizer_fingerprint, adapter_fingerprint, ratio, method, kv_bits),
        )
        found = [gist_of(row, self._store.gists_folder) for row in rows]
        return next((gist for gist in found if gist.path.is_file()), None)

    def use(self, entry_id: int, gist_id: int) -> Entry:
        """Share an existing gist; the entry is "ready".

        Raises:
            UserError: the entry or the gist was deleted.
        """
        entry = self._entries.get(entry_id)
        with self._store.write() as db:
            if not db.execute("SELECT 1 FROM gists WHERE id = ?", (gist_id,)).fetchone():
                raise UserError("The gist is no longer in the library.", "Compress the document again.")
            self._give(db, entry_id, gist_id)
        self._drop_unused([entry.gist] if entry.gist and entry.gist.id != gist_id else [])
        return self._entries.get(entry_id)

    def mark_outdated(
        self, identity: tuple[str, str, str, str], model: str | None = None, *, is_base: bool = True
    ) -> int:
        """Compare the gists made by a model of this name with the model that now has that name.

        Args:
            identity: model_id, model, tokenizer and adapter fingerprint.
            model: its name in entries; those with another name are left alone, since they may belong to another
                adapter of the same base, and are asked with that. None: whatever its name.
            is_base: the model was named by its base, so imported gists, which know no other name, belong to it.

        Returns:
            how many entries became outdated, or no longer are.
        """
        made_by = {**Identity(*identity)._asdict(), "model": model, "is_base": is_base}
        named = (
            "(:model IS NULL OR entries.gist_model = :model "
            "OR (:is_base AND entries.gist_model = :model_id AND entries.text_sha256 IS NULL))"
        )
        same = (
            "(SELECT gists.model_fingerprint = :model_fingerprint AND gists.tokenizer_fingerprint = "
            ":tokenizer_fingerprint AND gists.adapter_fingerprint IN ('', :adapter_fingerprint) FROM gists "
            "WHERE gists.id = entries.gist_id AND gists.model_id = :model_id)"
        )
        with self._store.write() as db:
            worse = db.execute(
                "UPDATE entries SET is_outdated = 1, state = iif(state IN ('ready', 'source changed'), 'outdated', "
                f"state) WHERE NOT is_outdated AND {named} AND {same} = 0",
                made_by,
            )
            better = db.execute(
                "UPDATE entries SET is_outdated = 0, state = iif(state = 'outdated', 'ready', state) "
                f"WHERE is_outdated AND {named} AND {same} = 1",
                made_by,
            )
            return worse.rowcount + better.rowcount

    def import_file(self, path: Path, description: dict[str, Any]) -> Generator[float, None, Entry]:
        """Copy a `.gistkv` file in as a "ready" entry without kept text. Importing a file twice gives one entry.

        Args:
            path: the user's file, which stays unchanged. Copying takes about a second per gigabyte.
            description: the engine's description of the file (`describe.done`).

        Yields the share copied, from 0 to 1; if closed early, nothing is left behind. Returns the entry.

        Raises:
            UserError: the file cannot be read, or the library cannot be written to.
        """
        figures = _described(description)
        ratio = float(description["ratio"])
        incoming = self._store.incoming_folder / f"{IMPORTING}{self._store.owner.name}.gistkv"
        digest, done = hashlib.sha256(), 0
        try:
            for piece in copying(path, incoming):
                digest.update(piece)
                done += len(piece)
                yield done / max(done, n_bytes(path))
        except OSError as error:
            raise UserError(
                "{name} cannot be copied into the library ({reason}).",
                "It takes {n:.1f} MiB: check that there is room for it, and that the file can be read.",
                name=path.name,
                reason=error.strerror,
                n=n_bytes(path) / 2**20,
            ) from error
        try:
            return self._adopt_import(incoming, path, digest.hexdigest(), description, figures, ratio)
        finally:
            delete(incoming)  # its kept file is gone

    def _adopt_import(
        self, incoming: Path, path: Path, sha256: str, description: dict[str, Any], figures: GistFigures, ratio: float
    ) -> Entry:
        key, shown = content_key(f"file {sha256}", figures, ratio), shown_title(str(description["title"]))
        time = now()
        with self._store.write() as db:
            gist_id = self._keep(db, key, incoming, figures, ratio=ratio, text_sha256=None)
            row = db.execute("SELECT id FROM entries WHERE gist_id = ?", (gist_id,)).fetchone()
            if row is not None:
                db.execute("UPDATE entries SET trashed = NULL WHERE id = ?", (row["id"],))
                return self._entries.get(row["id"])
            added = db.execute(
                "INSERT INTO entries(title, source_path, source_bytes, source_mtime_ns, source_sha256, n_pages, "
                "n_tokens, model, gist_model, ratio, state, gist_id, queued, added) "
                "VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 'ready', ?, ?, ?)",
                (
                    *(shown, stored_path(path), n_bytes(path), description["source_sha256"]),
                    *(description["n_pages"], figures.n_tokens, figures.model_id, figures.model_id, ratio),
                    *(gist_id, time, time),
                ),
            )
            assert added.lastrowid is not None
            return self._entries.get(added.lastrowid)

    def export(self, entry_id: int, target: Path) -> Generator[float, None, None]:
        """Copy an entry's gist out, replacing `target`; yields the share copied, from 0 to 1.

        If closed early, `target` is unchanged.

        Raises:
            UserError: there is no gist, or the target cannot be written.
        """
        gist = self._entries.get(entry_id).gist
        if gist is None:
            raise UserError("The document has no gist yet.", "Wait until it is compressed.")
        done = 0
        try:
            for piece in copying(gist.path, target):
                done += len(piece)
                yield done / max(done, n_bytes(gist.path))
        except OSError as error:
            raise UserError(
                "The gist cannot be exported to {target} ({reason}).",
                "It takes {n:.1f} MiB: check that there is room for it, and that you may write to the folder.",
                target=target,
                reason=error.strerror,
                n=n_bytes(gist.path) / 2**20,
            ) from error

    def _keep(
        self,
        db: sqlite3.Connection,
        key: str,
        path: Path,
        figures: GistFigures,
        *,
        ratio: float,
        text_sha256: str | None,
    ) -> int:
        """Store the file under its key, with a row for it. The file comes first: a row never lacks its file."""
        target = gist_path(self._store.gists_folder, key)
        row = db.execute("SELECT id FROM gists WHERE key = ?", (key,)).fetchone()
        try:
            if row is not None and target.is_file():
                with suppress(OSError):  # an identical file exists
                    path.unlink()
            else:
                _move(path, target)
                with suppress(OSError):
                    target.chmod(0o600)  # a gist contains the document's content
                db.execute(  # it was measured on a file that is gone
                    "UPDATE gists SET recall = NULL, recall_n = NULL, recall_kept = NULL WHERE key = ?", (key,)
                )
        except OSError as error:
            raise UserError(
                "The gist {path} cannot be moved into the library ({reason}).",
                "Compress the document again.",
                path=path,
                reason=error.strerror,
            ) from error
        if row is not None:
            return int(row["id"])
        values = {"key": key, "ratio": ratio, "text_sha256": text_sha256, "created": now(), **asdict(figures)}
        inserted = db.execute(
            f"INSERT INTO gists({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})", values
        )
        assert inserted.lastrowid is not None
        return inserted.lastrowid

    def _give(self, db: sqlite3.Connection, entry_id: int, gist_id: int) -> None:
        """With the text that it was made of."""
        row = db.execute("SELECT title, next_text FROM entries WHERE id = ?", (entry_id,)).fetchone()
        if (values := text_values(row["next_text"])) is not None:
            if values.pop("title_before") != row["title"]:  # somebody gave it one meanwhile
                values["title"] = row["title"]
            set_text(db, entry_id, values)
        db.execute(
            "UPDATE entries SET gist_id = ?, gist_model = model, method_of_gist = method, is_outdated = 0, "
            "state = 'ready', owner = NULL, "
            "problem_kind = NULL, problem_message = NULL, problem_hint = NULL, "
            "n_tokens = (SELECT n_tokens FROM gists WHERE gists.id = ?) WHERE id = ?",
            (gist_id, gist_id, entry_id),
        )

    def _drop_unused(self, gists: Iterable[GistRow]) -> int:
        """Delete those of the gists that no entry refers to, in the trash or not; returns the bytes freed.

        The row goes first, so that a crash leaves one file too many, never one too few.
        """
        dropped: list[GistRow] = []
        with self._store.write() as db:
            for gist in gists:
                deleted = db.execute(
                    "DELETE FROM gists WHERE id = ? AND NOT EXISTS (SELECT 1 FROM entries WHERE gist_id = gists.id)",
                    (gist.id,),
                )
                if deleted.rowcount:
                    dropped.append(gist)
        return self._delete_unknown(gist.path for gist in dropped)

    def _delete_unknown(self, paths: Iterable[Path]) -> int:
        """Delete gist files that have no row. Under the write lock, so that nobody can be adopting one of them."""
        freed = 0
        with self._store.write() as db:
            for path in paths:
                if not db.execute("SELECT 1 FROM gists WHERE key = ?", (path.stem,)).fetchone():
                    freed += delete(path)
        return freed


def content_key(content: str, figures: GistFigures, ratio: float) -> str:
    """The name under which a gist is kept: a hash of everything that determines its content."""
    parts = [
        content,
        figures.model_fingerprint,
        figures.tokenizer_fingerprint,
        figures.adapter_fingerprint,
        float(ratio),
        *([] if figures.method == "adapter" else [figures.method]),
        *([] if figures.kv_bits == 16 else [figures.kv_bits]),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def delete(path: Path) -> int:
    """The bytes freed: 0 if it cannot be deleted, as on Windows while somebody is reading it."""
    size = n_bytes(path)
    try:
        path.unlink()
    except OSError:
        return 0
    return size


def _described(description: dict[str, Any]) -> GistFigures:
    """No file records what compressing took."""
    return GistFigures(
        **{each.name: description[each.name] for each in fields(GistFigures) if each.name in description}
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            "{path} cannot be read ({reason}).", "Check whether it was moved.", path=path, reason=error.strerror
        ) from error


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except OSError:
        if not path.is_file():
            raise
        copy_file(path, target)  # from another disk
        path.unlink()

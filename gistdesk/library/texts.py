"""Kept texts: their pages, their words, and the places that a question or an answer came from.

The text of a document is a file in the texts folder, written on extraction; the index beside the library's
database can be rebuilt from it at any time.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from gistdesk.library.records import Passage
from gistdesk.library.rows import name_of, text_of
from gistdesk.library.store import Store
from gistdesk.library.text_index import TextIndex


class Texts:
    """What was read from the documents."""

    def __init__(self, store: Store, index: TextIndex) -> None:
        self._store, self._index = store, index
        self._checked: dict[str, tuple[int, int, int]] = {}

    def path(self, entry_id: int) -> Path | None:
        """The file of the kept text; None if an entry has none."""
        sha256 = self._text_sha256(entry_id)
        return self.file(sha256) if sha256 else None

    def file(self, sha256: str) -> Path:
        """Of a kept text."""
        return self._store.texts_folder / f"{sha256}.txt"

    def is_kept(self, sha256: str) -> bool:
        """Whether a text is there, whole."""
        try:
            self._read(sha256)
        except UserError:
            return False
        return True

    def pages(self, entry_id: int) -> list[str]:
        """The pages. An entry without text yet, or an imported gist, has none.

        Raises:
            UserError: the entry or the kept text is gone.
        """
        sha256 = self._text_sha256(entry_id)
        return self._read(sha256) if sha256 else []

    def index(self, entry_id: int) -> Iterator[float]:
        """Make the entry's text searchable; yields the share done, from 0 to 1, every few tens of milliseconds.

        May be closed at any time and later continues from there; returns at once if all of it is indexed.

        Raises:
            UserError: the entry or the kept text is gone.
        """
        sha256 = self._text_sha256(entry_id)
        if sha256 and sha256 not in self._index.complete():
            yield from self._index.add(sha256, self._read(sha256))

    def unindexed(self) -> list[int]:
        """Entries whose text is not searchable yet, or no longer, because the index was damaged."""
        rows = self._store.rows(
            "SELECT min(id), text_sha256 FROM entries WHERE text_sha256 IS NOT NULL GROUP BY text_sha256"
        )
        complete = self._index.complete()
        return [row[0] for row in rows if row["text_sha256"] not in complete]

    def find_passages(self, query: str, entry_ids: Sequence[int], *, limit: int = 20) -> list[Passage]:
        """The places in the entries' texts that a question or an answer is most likely about, best first.

        A text that is not indexed yet is indexed first (0.5 s for 3 MB).

        Raises:
            UserError: an entry or its kept text is gone.
        """
        texts: dict[str, int] = {}
        for entry_id in entry_ids:
            if sha256 := self._text_sha256(entry_id):
                texts.setdefault(sha256, entry_id)
                for _ in self.index(entry_id):
                    pass
        pages = {sha256: self._read(sha256) for sha256 in texts}
        from gistdesk.library.passages import best_passages  # not needed to draw the window

        found = best_passages(self._index, query, pages, limit=limit)
        titles = {entry_id: text_of(self._one_of_entry(entry_id, "title")) for entry_id in texts.values()}
        labels = {entry_id: self._one_of_entry(entry_id, "page_label") for entry_id in texts.values()}
        return [
            Passage(
                texts[place.text_sha256],
                str(titles[texts[place.text_sha256]]),
                place.page,
                place.start,
                place.end,
                pages[place.text_sha256][place.page - 1][place.start : place.end],
                labels[texts[place.text_sha256]],
            )
            for place in found
        ]

    def _read(self, sha256: str) -> list[str]:
        """The text, checked against the hash in its name; checked again when the file has changed."""
        path = self.file(sha256)
        try:
            data, status = path.read_bytes(), path.stat()
            stamp = status.st_size, status.st_mtime_ns, status.st_ino
            if self._checked.get(sha256) != stamp:
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise ValueError("another text")
                self._checked[sha256] = stamp
            return data.decode("utf-8").split("\f")
        except (OSError, ValueError) as error:
            raise UserError(
                "The kept text {path} cannot be read ({reason}).",
                "Compress the document again to have its text read again.",
                path=path,
                reason=getattr(error, "strerror", None) or Sentence("it is damaged"),
            ) from error

    def _text_sha256(self, entry_id: int) -> str | None:
        try:
            return name_of(self._one_of_entry(entry_id, "text_sha256"))
        except ValueError as error:
            raise UserError(
                "The library's record of this document is damaged.", "Delete it, and add the document again."
            ) from error

    def _one_of_entry(self, entry_id: int, column: str) -> str | None:
        rows = self._store.rows(f"SELECT {column} FROM entries WHERE id = ?", (entry_id,))
        if not rows:
            raise UserError("The document is no longer in the library.", "It was deleted in another window or command.")
        value: str | None = rows[0][0]
        return value

"""The documents of the library as the window uses them: adding, compressing again, naming, copying in and out.

Knows the library, the queue and the process that reads files; knows nothing of models' weights or of widgets.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from gistdesk.core.errors import UserError
from gistdesk.folders import resource
from gistdesk.language.i18n import language, later
from gistdesk.library import Entry, Identity, Library, row_of
from gistdesk.models import STARTER, model_for
from gistdesk.protocol import (
    Describe,
    DescribeDone,
    Error,
    Event,
    Index,
    IndexDone,
    LookAtSources,
    LookAtSourcesDone,
    ModelInfo,
)
from gistdesk.session.calls import Calls
from gistdesk.session.dropped import Dropped
from gistdesk.session.estimates import Estimates
from gistdesk.session.file_jobs import CANCELLED, FileJobs
from gistdesk.session.files import Found, beginning, find_documents, with_library
from gistdesk.session.notices import Notice
from gistdesk.session.queue import Queue
from gistdesk.settings import Settings

READING_SAMPLE = "ferry-report.md"
"""For models that can read; the others are for the starter."""
SAMPLES = {"en": "alice-with-a-note.txt", "ko": "korean-with-a-note.txt"}


_LOOK_S = 60
"""A look may start a process and hash files."""


class Documents(QObject):
    """Signals: `changed`, which documents there are or what many of them are like; `one_changed` (a document's id);
    `measured`, a path with a `Measured` or a `Problem`; `notice`, a `Notice` to show."""

    changed = Signal()
    one_changed = Signal(int)
    measured = Signal(str, object)
    notice = Signal(object)

    def __init__(
        self,
        library: Library,
        queue: Queue,
        reader: Calls,
        watcher: Calls,
        file_jobs: FileJobs,
        estimates: Estimates,
        settings: Callable[[], Settings],
        revive: Callable[[], None],
        parent: QObject | None = None,
    ) -> None:
        """`reader` calls the process that reads files, `watcher` one that may hang in a disk that does not answer;
        `revive` starts even an engine that crashed too often."""
        super().__init__(parent)
        self._library, self._queue, self._file_jobs = library, queue, file_jobs
        self._reader, self._watcher = reader, watcher
        self._estimates, self._settings, self._revive = estimates, settings, revive
        self._looked_at = -float(_LOOK_S)
        self._dropped = Dropped(library, reader, settings, self)
        self._dropped.measured.connect(self.measured)
        queue.entry_changed.connect(self.one_changed)
        queue.text_kept.connect(self._on_text_kept)

    # before anything is decided

    def measure(self, paths: Sequence[Path], passwords: Mapping[Path, str] = {}) -> None:
        """Read documents before anything is decided; `measured` is emitted for each."""
        self._revive()
        self._dropped.measure(paths, passwords)

    def paste(self, text: str) -> Path:
        """Make a text a document -> its file, to be added or forgotten. Raises UserError: it cannot be kept."""
        return self._dropped.paste(text)

    def forget_measured(self) -> None:
        """Discard the documents that were read or pasted but not added."""
        self._dropped.forget()

    def find(self, folders: Sequence[Path], found: Callable[[Found], None]) -> None:
        """Search folders for readable documents; `found` is called with them unless the search is cancelled."""

        def ended(outcome: object) -> None:
            if isinstance(outcome, Found):
                found(outcome)

        names = ", ".join(folder.name for folder in folders)
        self._file_jobs.start(later("Looking for documents"), names, lambda: find_documents(folders), ended)

    # compressing

    def add(
        self,
        paths: Sequence[Path],
        ratio: float,
        passwords: Mapping[Path, str] = {},
        method: str = "auto",
        models: Mapping[Path, str] = {},
    ) -> list[int]:
        """Queue documents -> their entries' ids.

        `models`: where one was chosen; the others use the settings' model, or the one their language needs.
        """
        self._revive()
        ids = []
        for path in paths:
            entry = self._library.entries.add(
                source_path=path.absolute(), model=models.get(path, self._settings().model), ratio=ratio, method=method
            )
            if path not in models:
                self._queue.suit_language(entry.id)
            if path in passwords:
                self._queue.give_password(entry.id, passwords[path])
            if (read := self._dropped.take(path)) is not None:
                self._queue.set_extracted(entry.id, read)
            ids.append(entry.id)
        self.changed.emit()
        self._queue.wake()
        return ids

    def open_sample(self) -> int:
        """Queue the bundled sample document in the window's language -> its entry's id."""
        if language() == "en" and self._settings().model != STARTER:
            return self.add([resource("samples") / READING_SAMPLE], self._estimates.ratio)[0]
        sample = resource("samples") / SAMPLES.get(language(), SAMPLES["en"])
        return self.add([sample], self._settings().ratio, models={sample: STARTER})[0]

    def cancel(self, entry_id: int) -> None:
        self._queue.cancel([entry_id])

    def compress_next(self, entry_id: int) -> None:
        """Take a waiting entry before the others."""
        self._library.queue.put_first(entry_id)
        self.one_changed.emit(entry_id)

    def retry(self, entry_id: int, password: str | None = None, *, less_memory: bool = False) -> None:
        """Queue a failed or cancelled entry again, to continue where it stopped."""
        self._revive()
        if password is not None:
            self._queue.give_password(entry_id, password)
        if less_memory:
            self._queue.use_less_memory(entry_id)
        self._library.sources.read_again_if_changed(entry_id)
        self._library.entries.set_state(entry_id, "queued")
        self.one_changed.emit(entry_id)
        self._queue.wake()

    def recompress(self, entry_ids: Sequence[int], ratio: float | None = None, method: str | None = None) -> None:
        """Queue entries again, with the current model or the one their language needs, and read again what has changed;
        their gists stay usable until the new ones are ready."""
        self._revive()
        self._queue.drop(entry_ids)
        for entry_id in entry_ids:
            entry = self._library.entries.get(entry_id)
            model = model_for(beginning(self._library.texts.path(entry_id)), self._settings().model)
            self._library.sources.read_again_if_changed(entry_id)
            if self._library.entries.get(entry_id).read_again:
                self._queue.suit_language(entry_id)
            self._library.entries.set_job(
                entry_id, model=model, ratio=ratio or entry.ratio, method=method or entry.method
            )
            self.one_changed.emit(entry_id)
        self._queue.wake()

    def keep_gist(self, entry_id: int) -> None:
        """After another gist could not be made: the entry is again what its gist was made with."""
        self._library.entries.put_back(entry_id)
        self.one_changed.emit(entry_id)

    def eta_s(self, entry_id: int) -> float | None:
        """Seconds left for an entry being compressed, where known."""
        return self._queue.eta_s.get(entry_id)

    def made_with_others(self, model: str) -> list[Entry]:
        """Those that were compressed with a different model but could be compressed with this one."""
        others = [e for e in self._library.entries.all() if e.gist is not None and e.gist_model != model]
        return [e for e in others if e.text_sha256 and (e.model != model or e.state == "failed")]

    def mark_outdated(self, info: ModelInfo) -> None:
        """Mark the gists that this model made when it was another than it is now."""
        if self._library.gists.mark_outdated(row_of(Identity, info), info.model, is_base=not info.adapter_base):
            self.changed.emit()

    def move_model(self, old: str, new: str) -> None:
        """The model has another name now."""
        self._library.entries.move_model(old, new)
        self.changed.emit()

    # the list

    def rename(self, entry_id: int, title: str) -> None:
        self._library.entries.rename(entry_id, title)
        self.changed.emit()

    def collect(self, name: str, entry_ids: Sequence[int]) -> None:
        """Put entries into a new or existing collection."""
        self._library.collections.add(name, entry_ids)
        self.changed.emit()

    def take_out(self, name: str, entry_ids: Sequence[int]) -> None:
        """Take entries out of a collection."""
        self._library.collections.take_out(name, entry_ids)
        self.changed.emit()

    def trash(self, entry_ids: Sequence[int]) -> None:
        self._queue.drop(entry_ids)
        self._library.entries.trash(entry_ids)
        self.changed.emit()

    def restore(self, entry_ids: Sequence[int]) -> None:
        self._library.entries.restore(entry_ids)
        self.changed.emit()
        self._queue.wake()

    # source files

    def look_at_sources(self) -> None:
        """See which files have changed since they were read; at most once a minute."""
        if time.monotonic() - self._looked_at < _LOOK_S or self._watcher.n_waiting:
            return
        self._looked_at = time.monotonic()
        self._watcher.send(LookAtSources(folder=str(self._library.store.folder)), self._on_looked)

    def _on_looked(self, event: Event) -> None:
        if isinstance(event, LookAtSourcesDone) and event.n_changed:
            self.changed.emit()

    # gist files in and out

    def import_gist(self, path: Path) -> None:
        """Copy a gist file in once the engine has checked it."""
        self._reader.send(Describe(path=str(path)), partial(self._on_described, path))

    def export_gist(self, entry: Entry, target: Path, exported: Callable[[Path], None]) -> None:
        """Copy an entry's gist out; `exported` is called when it is written."""
        self._copy(
            *(later("Exporting"), entry.title),
            lambda own: own.gists.export(entry.id, target),
            lambda: exported(target),
        )

    def _on_described(self, path: Path, event: Event) -> None:
        if isinstance(event, Error):
            self.notice.emit(Notice(event.message, event.hint, event.details or ""))
        elif isinstance(event, DescribeDone) and event.description is None:
            self.notice.emit(Notice(event.problem or ""))
        elif isinstance(event, DescribeDone) and event.description is not None:
            self._import(path, asdict(event.description))

    def _import(self, path: Path, description: dict[str, Any]) -> None:
        self._copy(
            *(later("Importing"), path.name),
            lambda own: own.gists.import_file(path, description),
            self.changed.emit,
        )

    def _copy(
        self,
        words: str,
        title: str,
        work: Callable[[Library], Generator[float, None, object]],
        done: Callable[[], None],
    ) -> None:
        """Copy in a thread, with a library object of its own, wherever the library is by then."""

        def ended(outcome: object) -> None:
            if isinstance(outcome, UserError):
                self.notice.emit(Notice(outcome.message, outcome.hint))
            elif outcome is not CANCELLED:
                done()

        self._file_jobs.start(words, title, lambda: with_library(self._library.store.folder, work), ended)

    # searching in texts

    def index(self, *entry_ids: int) -> None:
        """Make these texts searchable, or all texts an earlier window left unindexed."""
        self._reader.send(Index(folder=str(self._library.store.folder), entry_ids=entry_ids), self._on_indexed)

    def _on_text_kept(self, entry_id: int) -> None:
        self.index(entry_id)
        self.changed.emit()

    def _on_indexed(self, event: Event) -> None:
        if isinstance(event, IndexDone) and event.n_indexed:
            self.changed.emit()

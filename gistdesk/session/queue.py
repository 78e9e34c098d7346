"""Works through the library's queue: the engine reads, indexes and compresses one document at a time.

An interrupted entry keeps what was compressed. Knows the library and the engine; knows nothing of widgets.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.core.errors import UserError
from gistdesk.core.methods import chosen_method, starting_method
from gistdesk.library import Entry, GistFigures, Library, Problem, TextFigures, row_of
from gistdesk.library.records import State
from gistdesk.models import model_for
from gistdesk.protocol import (
    Cancelled,
    Compress,
    CompressDone,
    CompressProgress,
    Error,
    Event,
    Extract,
    ExtractDone,
    ExtractProgress,
    ModelInfo,
)
from gistdesk.session.calls import Calls
from gistdesk.session.files import beginning
from gistdesk.session.models import model_choice
from gistdesk.settings import Settings

_OWNER = "queue"
_LOOK_MS = 2000
"""Another window or a command line may have queued something."""
_STORE_S = 0.3
_CRASHES = 2
_SMALLER_BATCH = 0.25


@dataclass
class _Work:
    """The entry being worked on. `ending` is what becomes of it once the engine has let go."""

    entry: Entry
    request_id: int = 0
    stored_at: float = 0.0
    ending: State | None = None


class Queue(QObject):
    """Signals: `entry_changed` (id), `text_kept` (id: its text should be indexed), `compressed` (id: its gist has just
    been made)."""

    entry_changed = Signal(int)
    text_kept = Signal(int)
    compressed = Signal(int)

    def __init__(
        self,
        library: Library,
        calls: Calls,
        settings: Callable[[], Settings],
        info: Callable[[str], ModelInfo | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._library, self._calls, self._settings, self._info = library, calls, settings, info
        self._work: _Work | None = None
        self._paused = False
        self._passwords: dict[int, str] = {}
        self._crashes: dict[int, int] = {}
        self._batch_shares: dict[int, float] = {}
        self._by_language: set[int] = set()
        self.eta_s: dict[int, float] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.wake)
        self._timer.start()

    @property
    def busy(self) -> bool:
        return self._work is not None

    def wake(self) -> None:
        """Start the next entry unless one is being worked on."""
        if self._work is not None or self._paused:
            return
        entry = self._library.queue.claim_next(_OWNER)
        if entry is None:
            return
        self._work = _Work(entry)
        try:
            if self._has_to_be_read(entry):
                self._extract(entry)
            else:
                self._compress(entry)
        except UserError as error:
            self._let_go("failed", Problem("user", error.message, error.hint))

    def pause(self, paused: bool) -> None:
        """While paused nothing runs: an answer must not wait for a long document. What was compressed is kept."""
        self._paused = paused
        if paused:
            self._end_as("queued")
        else:
            self.wake()

    def give_password(self, entry_id: int, password: str) -> None:
        self._passwords[entry_id] = password

    def use_less_memory(self, entry_id: int) -> None:
        """After an entry ran out of memory: use smaller batches next time."""
        self._batch_shares[entry_id] = _SMALLER_BATCH

    def suit_language(self, entry_id: int) -> None:
        """Nobody chose this entry's model: once its text is read, or read again, it gets the one its language needs."""
        self._by_language.add(entry_id)

    def set_extracted(self, entry_id: int, event: ExtractDone) -> None:
        """Record that an entry's text was read, by the queue or before it was queued."""
        self._library.entries.set_extracted(entry_id, row_of(TextFigures, event))
        if entry_id in self._by_language:
            self._by_language.discard(entry_id)
            text = beginning(self._library.texts.file(event.text_sha256))
            self._library.entries.set_model(entry_id, model_for(text, self._library.entries.get(entry_id).model))
        self._passwords.pop(entry_id, None)
        self.text_kept.emit(entry_id)

    def cancel(self, entry_ids: Iterable[int]) -> None:
        """Take entries out of the queue, including the one being worked on; one that has a gist keeps that."""
        for entry_id in entry_ids:
            if self._work is not None and self._work.entry.id == entry_id:
                self._end_as("cancelled")
            elif self._library.entries.get(entry_id).state == "queued":
                self._give_up(entry_id)
                self.entry_changed.emit(entry_id)

    def drop(self, entry_ids: Iterable[int]) -> None:
        """These went to the trash: stop working on them; they stay queued in case they are restored."""
        if self._work is not None and self._work.entry.id in set(entry_ids):
            self._end_as("queued")

    def _end_as(self, ending: State) -> None:
        if self._work is not None:
            self._work.ending = ending
            self._calls.cancel(self._work.request_id)

    # the two steps

    def _extract(self, entry: Entry) -> None:
        assert self._work is not None
        request = Extract(
            path=str(entry.source_path),
            texts_folder=str(self._library.store.texts_folder),
            password=self._passwords.get(entry.id),
        )
        self._work.request_id = self._calls.send(request, self._on_event)
        self.entry_changed.emit(entry.id)

    def _has_to_be_read(self, entry: Entry) -> bool:
        text = entry.next_text or entry
        return entry.read_again or text.text_sha256 is None or not self._library.texts.is_kept(text.text_sha256)

    def _compress(self, entry: Entry) -> None:
        text = entry.next_text or entry
        assert self._work is not None and text.text_sha256 is not None
        if self._known_already(entry):
            return
        self._library.entries.set_progress(entry.id, 0, 0)  # for reading
        self._library.entries.set_state(entry.id, "compressing")
        settings = self._settings()
        request = Compress(
            text_path=str(self._library.texts.file(text.text_sha256)),
            title=text.title,
            source_sha256=text.source_sha256 or "",
            page_label=text.page_label,
            target=str(self._library.gists.incoming_path(entry.id)),
            ratio=entry.ratio,
            choice=model_choice(settings, entry.model),
            batch_share=self._batch_shares.get(entry.id, 1.0),
            method=entry.method,
            kv_bits=settings.kv_bits,
        )
        self._work.request_id = self._calls.send(request, self._on_event)
        self.entry_changed.emit(entry.id)

    def _known_already(self, entry: Entry) -> bool:
        """Reuse the gist of the same text compressed by the same model at the same ratio; whether there is one."""
        info, text = self._info(entry.model), entry.next_text or entry
        if info is None or text.text_sha256 is None:
            return False
        method = chosen_method(entry.method, has_adapter=info.has_adapter)
        found = self._library.gists.find(
            text.text_sha256,
            info.model_fingerprint,
            info.tokenizer_fingerprint,
            info.adapter_fingerprint if starting_method(method, info.has_adapter) == "adapter" else "",
            entry.ratio,
            method,
            self._settings().kv_bits,
        )
        if found is None:
            return False
        self._library.gists.use(entry.id, found.id)
        if entry.next_text:
            self.text_kept.emit(entry.id)
        self._finished(entry.id)
        return True

    # events

    def _on_event(self, event: Event) -> None:
        try:
            self._heard(event)
        except UserError as error:  # the disk is full, or the entry was deleted for good: the next one goes on
            if self._work is not None:
                self._let_go("failed", Problem("user", error.message, error.hint))

    def _heard(self, event: Event) -> None:
        assert self._work is not None
        entry_id = self._work.entry.id
        if isinstance(event, ExtractProgress):
            self._progress(event.n_read, event.n_pages)
        elif isinstance(event, CompressProgress):
            if event.eta_s is not None:
                self.eta_s[entry_id] = event.eta_s
            self._progress(event.done, event.total)
        elif isinstance(event, ExtractDone):
            self._on_extracted(entry_id, event)
        elif isinstance(event, CompressDone):
            self._on_compressed(entry_id, event)
        elif isinstance(event, Cancelled):
            self._let_go(self._work.ending or "cancelled", None)
        elif isinstance(event, Error):
            self._on_error(entry_id, event)

    def _progress(self, done: int, total: int) -> None:
        assert self._work is not None
        if time.monotonic() - self._work.stored_at > _STORE_S:
            self._work.stored_at = time.monotonic()
            self._library.entries.set_progress(self._work.entry.id, done, total)
            self.entry_changed.emit(self._work.entry.id)

    def _on_extracted(self, entry_id: int, event: ExtractDone) -> None:
        assert self._work is not None
        self.set_extracted(entry_id, event)
        if self._work.ending:
            self._let_go(self._work.ending, None)
            return
        entry = self._library.entries.get(entry_id)
        if entry.trashed is not None:
            self._let_go("queued", None)
            return
        self._work = _Work(entry)
        self._compress(entry)

    def _on_compressed(self, entry_id: int, event: CompressDone) -> None:
        """This is the entry's gist, unless it was queued for another model, ratio or text at the last moment."""
        assert self._work is not None
        work = self._work.entry
        entry = self._library.entries.get(entry_id)
        if (entry.model, entry.method) == (work.model, work.method) and not entry.read_again:
            text = (work.next_text or work).text_sha256
            figures = row_of(GistFigures, event)
            self._library.gists.adopt(entry_id, Path(event.target), figures, ratio=work.ratio, text=text)
            if entry.next_text:
                self.text_kept.emit(entry_id)
            self.compressed.emit(entry_id)
        self._finished(entry_id)

    def _on_error(self, entry_id: int, event: Error) -> None:
        """After one crash the entry is retried from what was kept: something else may have caused the crash."""
        if event.kind == "crash":
            self._crashes[entry_id] = self._crashes.get(entry_id, 0) + 1
            if self._crashes[entry_id] < _CRASHES:
                self._let_go("queued", None)
                return
        self._let_go("failed", Problem(event.kind, event.message, event.hint))

    def _let_go(self, state: State, problem: Problem | None) -> None:
        assert self._work is not None
        entry_id = self._work.entry.id
        self._work = None
        if state == "queued":
            self._library.queue.release(_OWNER)
        elif state == "cancelled":
            self._give_up(entry_id)
        else:
            self._library.entries.set_state(entry_id, state, problem=problem)
        self.entry_changed.emit(entry_id)
        self.wake()

    def _give_up(self, entry_id: int) -> None:
        if self._library.entries.get(entry_id).gist is None:
            self._library.entries.set_state(entry_id, "cancelled")
        else:
            self._library.entries.put_back(entry_id)

    def _finished(self, entry_id: int) -> None:
        self._work = None
        for notes in (self._crashes, self._batch_shares, self.eta_s):
            notes.pop(entry_id, None)
        self.entry_changed.emit(entry_id)
        self.wake()

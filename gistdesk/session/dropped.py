"""Documents dropped or pasted but not yet accepted: read and counted once, their texts kept only if they are accepted.

Knows the engine that reads them and the library's folder of texts; knows nothing of the queue or of widgets.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from gistdesk.core.errors import UserError
from gistdesk.language.i18n import tr
from gistdesk.library import Library, Problem
from gistdesk.models import model_for
from gistdesk.protocol import Error, Event, Extract, ExtractDone
from gistdesk.session.calls import Calls
from gistdesk.session.files import beginning
from gistdesk.settings import Settings

_CHARACTERS_PER_TOKEN = 3.2
"""For when no tokenizer can count: measured on English with the starter's tokenizer; Korean has 1.3."""


@dataclass(frozen=True)
class Measured:
    """A dropped document that has been read; `n_tokens` is an estimate if the model's tokenizer is not available.

    Attributes:
        known_as: title of a document in the library with the same text; "" if there is none.
        model: the one for its language; see `models.model_for`.
    """

    title: str
    n_tokens: int
    n_pages: int
    n_chars: int
    known_as: str = ""
    model: str = ""


@dataclass
class _Reading:
    request_id: int
    stamp: tuple[int, int]
    done: ExtractDone | None = None


class Dropped(QObject):
    """Signals: measured (a path, and a `Measured` or a `Problem`)."""

    measured = Signal(str, object)

    def __init__(
        self, library: Library, calls: Calls, settings: Callable[[], Settings], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._library, self._calls, self._settings = library, calls, settings
        self._readings: dict[Path, _Reading] = {}
        self._pasted: list[Path] = []

    def paste(self, text: str) -> Path:
        """Make a text a document, to be dropped like any other. Raises UserError: it cannot be kept."""
        self._pasted.append(self._library.pasted.keep(text, tr("Pasted text")))
        return self._pasted[-1]

    def measure(self, paths: Sequence[Path], passwords: Mapping[Path, str]) -> None:
        """Read documents; `measured` is emitted for each."""
        for path in paths:
            request = Extract(
                path=str(path),
                texts_folder=str(self._library.store.texts_folder),
                password=passwords.get(path),
                model=self._settings().model,
            )
            reading = _Reading(0, _stamp(path))
            self._readings[path] = reading
            reading.request_id = self._calls.send(request, partial(self._on_event, path, reading))

    def take(self, path: Path) -> ExtractDone | None:
        """Hand over what was read from a document; None if it was not read, or its file has changed since."""
        reading = self._readings.get(path)
        if reading is None or reading.done is None or reading.stamp != _stamp(path):
            return None
        del self._readings[path]
        return reading.done

    def forget(self) -> None:
        """Discard the rest: reading stops and no text is left behind."""
        readings, self._readings = self._readings, {}
        for reading in readings.values():
            if reading.done is None:
                self._calls.cancel(reading.request_id)
            else:
                self._drop(reading.done)
        pasted, self._pasted = self._pasted, []
        for path in pasted:
            with suppress(UserError):  # cleaning up will find it
                self._library.disk.forget_pasted(path)

    def _on_event(self, path: Path, reading: _Reading, event: Event) -> None:
        is_wanted = self._readings.get(path) is reading
        if isinstance(event, ExtractDone):
            if not is_wanted:
                self._drop(event)
                return
            reading.done = event
            n_tokens = event.n_tokens or round(event.n_chars / _CHARACTERS_PER_TOKEN)
            known = self._library.entries.title_of_text(event.text_sha256)
            model = model_for(beginning(Path(event.text_path)), self._settings().model)
            found = Measured(event.title, n_tokens, event.n_pages, event.n_chars, known, model)
            self.measured.emit(str(path), found)
        elif isinstance(event, Error) and is_wanted:
            self.measured.emit(str(path), Problem(event.kind, event.message, event.hint))

    def _drop(self, read: ExtractDone) -> None:
        if any(
            other.done is not None and other.done.text_sha256 == read.text_sha256 for other in self._readings.values()
        ):
            return
        try:
            self._library.disk.forget_text(read.text_sha256)
        except UserError:  # the file is unused, and cleaning up will find it
            return


def _stamp(path: Path) -> tuple[int, int]:
    """Size and modification time of a file; zeros if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns

"""Documents that were dropped and not yet accepted: read once, counted, and their texts kept only if they are taken.

Knows the engine that reads, and the library's folder of texts; knows nothing of the queue or of widgets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from gistdesk.core.errors import UserError
from gistdesk.library import Library, Problem
from gistdesk.models import model_for
from gistdesk.protocol import Error, Event, Extract, ExtractDone
from gistdesk.session.calls import Calls
from gistdesk.session.files import beginning
from gistdesk.settings import Settings

_CHARACTERS_PER_TOKEN = 3.2
"""Where no tokenizer can count: English with the starter's tokenizer; Korean has 1.3."""


@dataclass(frozen=True)
class Measured:
    """A dropped document that was read; `n_tokens` is an estimate where the model's tokenizer cannot be had.

    Attributes:
        known_as: title of a document of the library that has the same text; "" where there is none.
        model: for its language; see `models.model_for`.
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
    """Signals: measured, a path with a `Measured` or a `Problem`."""

    measured = Signal(str, object)

    def __init__(
        self, library: Library, calls: Calls, settings: Callable[[], Settings], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._library, self._calls, self._settings = library, calls, settings
        self._readings: dict[Path, _Reading] = {}

    def measure(self, paths: Sequence[Path], passwords: Mapping[Path, str]) -> None:
        """Read documents; `measured` tells of each."""
        for path in paths:
            request = Extract(
                path=str(path),
                texts_folder=str(self._library.store.texts_folder),
                password=passwords.get(path),
                model=self._settings().model,
            )
            reading = _Reading(0, _stamp(path))
            self._readings[path] = reading
            reading.request_id = self._calls.send(request, lambda event, p=path, r=reading: self._on_event(p, r, event))

    def take(self, path: Path) -> ExtractDone | None:
        """What was read of a document, which is the caller's now; None where it was not, or the file has changed."""
        reading = self._readings.get(path)
        if reading is None or reading.done is None or reading.stamp != _stamp(path):
            return None
        del self._readings[path]
        return reading.done

    def forget(self) -> None:
        """Nobody wants the rest: reading stops, and no text stays behind."""
        readings, self._readings = self._readings, {}
        for reading in readings.values():
            if reading.done is None:
                self._calls.cancel(reading.request_id)
            else:
                self._drop(reading.done)

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
        except UserError:  # it is unused, and cleaning up finds it
            return


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file; zeros where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns

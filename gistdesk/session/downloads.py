"""Models on their way here: downloaded from the hub or prepared from a GGUF file; paused, resumed, given up.

A separate engine process does the work. A download stays in the settings until it is complete or given up, so that
the next start of the program continues it. Knows nothing of models' figures or of widgets.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from gistdesk.protocol import Download, DownloadDone, DownloadProgress, DropDownload, Error, Event
from gistdesk.session.calls import Calls


@dataclass(frozen=True)
class DownloadState:
    """A model that is not here yet.

    Attributes:
        share: how much has arrived, 0 to 1; None if only an earlier start of the program knew.
        is_paused: nothing is downloaded until it is resumed.
        problem, hint: why it has stopped, as sentences; or "".
    """

    share: float | None = 0.0
    is_paused: bool = False
    problem: str = ""
    hint: str = ""


class Downloads(QObject):
    """Signals: changed; arrived (a name); failed (message, hint, details); begun_changed (all unfinished downloads)."""

    changed = Signal()
    arrived = Signal(str)
    failed = Signal(str, str, str)
    begun_changed = Signal(tuple)

    def __init__(self, new_calls: Callable[[], Calls], begun: tuple[str, ...], parent: QObject | None = None) -> None:
        """
        Args:
            new_calls: starts a separate engine process, so that a download never waits for an answer.
            begun: downloads an earlier start of the program began and did not finish.
        """
        super().__init__(parent)
        self._new_calls = new_calls
        self._calls: Calls | None = None
        self._request_ids: dict[str, int] = {}
        self.states: dict[str, DownloadState] = {name: DownloadState(None, is_paused=True) for name in begun}

    @property
    def busy(self) -> bool:
        return bool(self._request_ids)

    def start(self, name: str) -> None:
        """Download "smollm2" or a model from the hub, or prepare a GGUF file; continues an earlier try."""
        if name in self._request_ids:
            return
        known = self.states.get(name)
        self.states[name] = DownloadState(known.share if known is not None else 0.0)
        calls = self._own_calls()
        self._request_ids[name] = calls.send(Download(hub_id=name), lambda event: self._on_event(name, event))
        self._tell_begun()
        self.changed.emit()

    def pause(self, name: str) -> None:
        """Stop downloading it; what has arrived is kept."""
        if name in self.states and not self.states[name].is_paused:
            self.states[name] = replace(self.states[name], is_paused=True)
            self._stop(name)
            self.changed.emit()

    def give_up(self, name: str) -> None:
        """Delete what has arrived."""
        if self.states.pop(name, None) is None:
            return
        self._stop(name)
        if not Path(name).is_absolute():  # a GGUF file leaves nothing behind
            self._own_calls().send(DropDownload(hub_id=name), lambda _: None)
        self._tell_begun()
        self.changed.emit()

    def _own_calls(self) -> Calls:
        if self._calls is None:
            self._calls = self._new_calls()
        return self._calls

    def _stop(self, name: str) -> None:
        request_id = self._request_ids.pop(name, None)
        if request_id is not None:
            self._own_calls().cancel(request_id)

    def _tell_begun(self) -> None:
        self.begun_changed.emit(tuple(name for name in self.states if not Path(name).is_absolute()))

    def _on_event(self, name: str, event: Event) -> None:
        known = self.states.get(name)
        if known is None or name not in self._request_ids:
            return  # given up or paused
        if isinstance(event, DownloadProgress):
            self.states[name] = replace(known, share=event.done_bytes / max(1, event.total_bytes))
        else:
            del self._request_ids[name]
            if isinstance(event, DownloadDone):
                del self.states[name]
                self._tell_begun()
                self.arrived.emit(name)
            elif isinstance(event, Error):
                self.states[name] = replace(known, is_paused=True, problem=event.message, hint=event.hint)
                self.failed.emit(event.message, event.hint, event.details or "")
        self.changed.emit()

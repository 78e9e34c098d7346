"""Requests to an engine process, each with the method that handles its events.

Knows requests and events; knows nothing of what they are for.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from gistdesk.protocol import Event, Request, is_last
from gistdesk.session.engine import Engine

Handler = Callable[[Event], None]


class Calls(QObject):
    """Attributes: `engine`. Signals: `unasked`, an event that belongs to none of this object's requests."""

    unasked = Signal(object)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self._waiting: dict[int, tuple[Request, Handler]] = {}
        engine.event.connect(self._on_event)

    def send(self, request: Request, handler: Handler) -> int:
        """Send a request; `handler` gets its events in order, including the last. Returns the request's id."""
        request_id = self.engine.send(request)
        self._waiting[request_id] = (request, handler)
        return request_id

    def cancel(self, request_id: int) -> None:
        if request_id in self._waiting:
            self.engine.cancel(request_id)

    @property
    def n_waiting(self) -> int:
        return len(self._waiting)

    def _on_event(self, request_id: int, event: Event) -> None:
        if request_id not in self._waiting:
            self.unasked.emit(event)
            return
        request, handler = self._waiting[request_id]
        if is_last(event, request):
            del self._waiting[request_id]
        handler(event)

"""The moment between two pieces of work: reports progress to the window and checks whether to continue.

Libraries that load and calculate offer callbacks, the core offers generators; both lead here, so that work stops
in only one place. Knows nothing of the work.
"""

import dataclasses
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from gistdesk.protocol import Event, Request
from gistdesk.worker.pipes import Inbox, Outlet

_PROGRESS_S = 0.05


class Stopped(BaseException):
    """The request is no longer wanted. Not an `Exception`, so that no library takes it for a failure of its own."""


class Pulse:
    """Called between two pieces of work, with an event or None; see `__call__`.

    Attributes:
        stage: current work, in the protocol's terms, for a possible error.
        device: of the loaded model, for the figures of an error; "" while none is loaded.
    """

    def __init__(self, inbox: Inbox, outlet: Outlet) -> None:
        self._inbox, self._outlet = inbox, outlet
        self._sent: dict[str, float] = {}
        self._request_id, self._request_name = 0, ""
        self.stage = self.device = ""

    def begin(self, request: Request) -> None:
        """Events from now on belong to this request."""
        self._request_id, self._request_name = request.id, request.name
        self.stage = request.name
        self._sent.clear()

    def __call__(self, event: Event | None = None) -> None:
        """Send an event, unless a similar one was sent within the last twentieth of a second.

        Raises:
            Stopped: the request is no longer wanted.
        """
        if event is not None:
            self.tell(event)
        if self.stopped():
            raise Stopped

    def stopped(self) -> bool:
        """Whether the request is no longer wanted."""
        return self._inbox.stopped()

    def tell(self, event: Event) -> None:
        """Send an event of the running request; progress of a kind at most twenty times a second."""
        kind, _, part = event.name.partition(".")
        self.stage = kind if part == "progress" else self._request_name
        if part == "progress" and not self._is_due(event.name, _PROGRESS_S):
            return
        self._outlet.send(dataclasses.replace(event, id=self._request_id))

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now - self._sent.get(name, -every_s) < every_s:
            return False
        self._sent[name] = now
        return True


_T = TypeVar("_T")


def run_to_end(steps: Generator[Any, None, _T], after_step: Callable[[Any], None]) -> _T:
    """A generator's return value; `after_step` is called with everything it yields, and may raise."""
    try:
        while True:
            after_step(next(steps))
    except StopIteration as finished:
        value: _T = finished.value
        return value
    finally:
        steps.close()

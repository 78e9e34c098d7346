"""The two pipes to the window: a thread always listens for requests; events are written line by line.

Knows which request is running, which are waiting and whether they are still wanted; knows nothing of their work.
"""

import os
import threading
from collections import deque

from gistdesk.core.sentences import Sentence
from gistdesk.protocol import Cancel, Cancelled, Error, Event, ProtocolError, Request, decode_request, encode

GIVE_UP_S = 3.0
"""Once the window is gone or wants to quit, work has this long to stop and save what is done."""
_READ_BYTES = 2**16


class Outlet:
    """Events to the window: whole lines, from any thread. A closed window is not an error; `Inbox` handles that."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, event: Event) -> None:
        """Write one event. Blocks while the window does not read."""
        line = memoryview(encode(event).encode())
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                return


class Inbox:
    """Requests in order of arrival. A cancel does not wait in line, nor does the end."""

    def __init__(self, descriptor: int, outlet: Outlet) -> None:
        self._descriptor, self._outlet = descriptor, outlet
        self._changed = threading.Condition()
        self._waiting: deque[Request] = deque()
        self._running = 0
        self._is_cancelled = self._is_over = False

    def take(self) -> Request | None:
        """The next request, which then is the running one; waits for it. None at the end."""
        with self._changed:
            self._running, self._is_cancelled = 0, False
            while not self._waiting and not self._is_over:
                self._changed.wait()
            if self._is_over:
                return None
            request = self._waiting.popleft()
            self._running = request.id
            return request

    def stopped(self) -> bool:
        """Whether the running request is no longer wanted."""
        return self._is_cancelled or self._is_over

    def is_over(self) -> bool:
        """Whether no more requests are wanted."""
        return self._is_over

    def end(self) -> None:
        """Accept no more requests. The process ends soon, and is forced to if its work does not stop in time."""
        with self._changed:
            if self._is_over:
                return
            self._is_over = True
            self._changed.notify_all()
        timer = threading.Timer(GIVE_UP_S, os._exit, (1,))
        timer.daemon = True
        timer.start()

    def listen(self) -> None:
        """Read requests until the window closes its end; runs in a thread of its own."""
        rest = b""
        try:
            while block := os.read(self._descriptor, _READ_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    self._accept(line)
        except OSError:  # a broken pipe counts as its end
            pass
        self.end()

    def _accept(self, line: bytes) -> None:
        try:
            request = decode_request(line)
        except ProtocolError as error:
            message = Sentence("The engine was sent a line that it does not understand: {reason}.", reason=error)
            self._outlet.send(Error("protocol", "protocol", message, "Install the window and the engine together."))
            return
        if isinstance(request, Cancel):
            self._cancel(request.target)
            return
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()

    def _cancel(self, target: int) -> None:
        with self._changed:
            self._is_cancelled |= target == self._running
            waiting = [request for request in self._waiting if request.id == target]
            for request in waiting:
                self._waiting.remove(request)
        for request in waiting:
            self._outlet.send(Cancelled(id=request.id))

"""A real engine process for tests: requests go in, the events of each come back, with the time at which they came."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

import psutil

from gistdesk.protocol import (
    Cancel,
    Error,
    Event,
    Hello,
    ModelChoice,
    ProtocolError,
    Request,
    decode_event,
    encode,
    is_last,
)

PATIENCE_S = 60.0
ONE_THREAD = ModelChoice(threads=1)
MODULE = (sys.executable, "-m", "gistdesk.worker")

_E = TypeVar("_E", bound=Event)


class EngineProcess:
    """Attributes: hello: the first event; hello_s: seconds from the start to it."""

    def __init__(self, command: Sequence[str] = MODULE, **environment: str) -> None:
        begun = time.perf_counter()
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment
        )
        self._last_id = 0
        self._events: queue.Queue[Event | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        hello = self.next()
        self.hello_s = time.perf_counter() - begun
        assert isinstance(hello, Hello)
        self.hello = hello

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            try:
                self._events.put(decode_event(line))
            except ProtocolError as error:
                self._events.put(Error("not the protocol", "", f"{error}: {line!r}", ""))
        self._events.put(None)

    def next(self, timeout_s: float = PATIENCE_S) -> Event | None:
        """The next event; None at the end."""
        return self._events.get(timeout=timeout_s)

    def write(self, text: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def send(self, request: Request) -> Request:
        """The request, with its id."""
        self._last_id += 1
        request = replace(request, id=self._last_id)
        self.write(encode(request))
        return request

    def cancel(self, request: Request) -> None:
        self.send(Cancel(request.id))

    def events_of(self, request: Request) -> Iterator[Event]:
        """Events of a request that was sent, up to its last."""
        while True:
            event = self.next()
            assert event is not None, f"the engine ended, with code {self.popen.wait()}"
            if event.id == request.id:
                yield event
                if is_last(event, request):
                    return

    def ask(self, request: Request) -> list[Event]:
        """Every event of a request."""
        return list(self.events_of(self.send(request)))

    def do(self, request: Request, expected: type[_E]) -> _E:
        """The last event of a request, which must be of this type."""
        event = self.ask(request)[-1]
        assert isinstance(event, expected), event
        return event

    def rss_bytes(self) -> int:
        """Of the process in the computer's memory."""
        n_bytes: int = psutil.Process(self.popen.pid).memory_info().rss
        return n_bytes

    def end(self) -> int:
        """Close stdin and wait; the exit code."""
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        return self.popen.wait(timeout=PATIENCE_S)


@contextmanager
def engine_process(command: Sequence[str] = MODULE, **environment: str) -> Iterator[EngineProcess]:
    """An engine process that does not outlive its test."""
    process = EngineProcess(command, **environment)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.wait()
        for pipe in (process.popen.stdin, process.popen.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

"""Requests to an engine over two pipes, answered in coroutines: to an engine process of its own, or to a window's.

Both speak the lines of `gistdesk.protocol`; the other end handles requests one after another. A thread
reads, as pipes cannot be awaited on every system. Knows nothing of HTTP and of what is asked.
"""

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import IO

from gistdesk.protocol import Cancel, Error, Event, ProtocolError, Request, decode_event, encode, is_last
from gistdesk.roles import command

_PATIENCE_S = 5.0
_GONE = Error("crash", "answer", "The engine has ended.", "Ask again: it is started anew.")


class Link:
    """Attributes: is_open: the other end is there."""

    def __init__(self, lines: IO[bytes], out: IO[bytes], on_end: Callable[[], object] = lambda: None) -> None:
        """Created in a running event loop, in which `on_end` is called when the other end has gone."""
        self._loop = asyncio.get_running_loop()
        self._lines, self._out, self._on_end = lines, out, on_end
        self._last_id = 0
        self._queues: dict[int, asyncio.Queue[Event]] = {}
        self.is_open = True
        threading.Thread(target=self._read, daemon=True).start()

    async def events(self, request: Request) -> AsyncIterator[Event]:
        """Send a request -> its events, the last one included. Closing the iterator cancels the request."""
        self._last_id += 1
        request = replace(request, id=self._last_id)
        queue = self._queues[request.id] = asyncio.Queue()
        ended = False
        try:
            self._send(request)
            while not ended:
                event = await queue.get()
                ended = is_last(event, request)
                yield event
        finally:
            del self._queues[request.id]
            if not ended:
                self._send(Cancel(request.id, id=request.id))

    def close(self) -> None:
        """Close the link, which ends an engine."""
        with suppress(OSError, ValueError):
            self._out.close()

    def _send(self, request: Request) -> None:
        try:
            self._out.write(encode(request).encode("ascii"))
            self._out.flush()
        except (OSError, ValueError):
            self._ended()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            for line in self._lines:
                self._call(self._heard, line)
        self._call(self._ended)

    def _call(self, method: Callable[..., object], *values: object) -> None:
        with suppress(RuntimeError):  # the loop ended before the other end did
            self._loop.call_soon_threadsafe(method, *values)

    def _heard(self, line: bytes) -> None:
        with suppress(ProtocolError):
            event = decode_event(line)
            if event.id in self._queues:
                self._queues[event.id].put_nowait(event)

    def _ended(self) -> None:
        was_open, self.is_open = self.is_open, False
        for queue in self._queues.values():
            queue.put_nowait(_GONE)
        if was_open:
            self._on_end()


class OwnEngine:
    """An engine process, started on the first request, and again after it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Link | None = None

    def link(self) -> Link:
        """The link to a living engine. Call it in a running event loop."""
        if self._link is None or not self._link.is_open:
            self.close()
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command("worker"), stdin=pipe, stdout=pipe)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._link = Link(self._process.stdout, self._process.stdin)
        return self._link

    def close(self) -> None:
        """End the process."""
        if self._process is None or self._link is None:
            return
        self._link.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

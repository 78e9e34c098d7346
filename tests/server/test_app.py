import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gistdesk.protocol import Answer, Cancel, decode_request
from gistdesk.server.app import make_app
from gistdesk.server.engine import Link
from gistdesk.server.gists import NamedGist, of_files


@pytest.mark.parametrize("streams", [False, True])
def test_who_hangs_up_before_the_first_word_stops_the_answer(streams: bool) -> None:
    """The engine may have minutes of reading before it."""
    body = {"model": "starter", "messages": [{"role": "user", "content": "?"}], "stream": streams}
    (heard, out), (lines, told) = os.pipe(), os.pipe()
    sent: list[Any] = []
    came = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Any:
        return came.pop() if came else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        with os.fdopen(out, "wb") as to_engine, os.fdopen(lines, "rb") as from_engine:
            link = Link(from_engine, to_engine)  # of an engine that never answers
            app = make_app(of_files([]), lambda: link, token="t", model="starter")
            headers = [(b"authorization", b"Bearer t"), (b"host", b"localhost")]
            scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
            await asyncio.wait_for(app({**scope, "query_string": b""}, receive, send), 30)
            os.close(told)

    asyncio.run(ask())
    requests = [decode_request(line) for line in Path(f"/dev/fd/{heard}").read_bytes().splitlines()]
    os.close(heard)
    assert [type(request) for request in requests] == [Answer, Cancel]
    assert sent[0]["status"] == 499


def test_the_library_is_looked_up_beside_the_answers() -> None:
    """On a slow disk an answer that streams goes on meanwhile."""
    begun, other_work = Event(), Event()
    found: list[bool] = []

    def catalog() -> Sequence[NamedGist]:
        begun.set()
        found.append(other_work.wait(10))
        return []

    async def work() -> None:
        while not begun.is_set():
            await asyncio.sleep(0.01)
        other_work.set()

    async def ask() -> None:
        app = make_app(catalog, lambda: pytest.fail("nothing was asked"), token="t", model="starter")
        headers = [(b"authorization", b"Bearer t"), (b"host", b"localhost")]
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": headers, "query_string": b""}

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            pass

        await asyncio.gather(app(scope, receive, send), work())

    asyncio.run(ask())
    assert found == [True]

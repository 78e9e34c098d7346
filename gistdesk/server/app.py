"""The server's two addresses, /v1/models and /v1/chat/completions, for holders of the token, on this computer only.

A web page in a browser cannot use it: it does not know the token, and no origin is allowed. Knows HTTP; `completions`
handles requests and replies, `engine` does the answering.
"""

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gistdesk.core.errors import UserError
from gistdesk.protocol import AnswerDelta, AnswerDone, Cancelled, Error, Event
from gistdesk.server.completions import Wanted, failure, listed, parse, piece, usage, whole
from gistdesk.server.engine import Link
from gistdesk.server.gists import Catalog

HOSTS = ("127.0.0.1", "localhost")
_MOST_BYTES = 4 * 2**20
_LOOK_S = 0.5
_HUNG_UP = 499
"""Nobody reads it."""

T = TypeVar("T")


class _AnswerError(Exception):
    """The engine could not answer. `status` is the HTTP status."""

    def __init__(self, error: UserError, status: int) -> None:
        super().__init__(error.message)
        self.error, self.status = error, status


def make_app(catalog: Catalog, link: Callable[[], Link], *, token: str, model: str) -> Starlette:
    """
    Args:
        catalog: the available gists, looked up anew for every request.
        link: the way to the engine.
        token: what a request must know.
        model: answers if a request names no gist.
    """

    async def models(_: Request) -> Response:
        return _reply(listed(await run_in_threadpool(catalog), model))

    async def completions(request: Request) -> Response:
        gists = await run_in_threadpool(catalog)
        try:
            wanted = parse(_unicode(json.loads(await _body(request))), gists, model)
        except (ValueError, RecursionError):
            return _refused(UserError("The request is no JSON.", "See OpenAI's chat completions."), 400)
        except UserError as error:
            return _refused(error, 404 if error.message.startswith("There is no gist") else 400)
        events = link().events(wanted.answer)
        made, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        if wanted.streams:
            return await _streamed(request, wanted, made, created, events)
        return await _whole(request, wanted, made, created, events)

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", completions, methods=["POST"])]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS)), Middleware(_Guard, token=token)]
    return Starlette(routes=routes, middleware=guards, exception_handlers={UserError: _on_user_error})


class _Guard:
    """Rejects requests without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            if not hmac.compare_digest(given, self._expected):
                error = UserError("The token is wrong.", "Send the header Authorization: Bearer TOKEN.")
                await JSONResponse(failure(error, "authentication_error"), 401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _body(request: Request) -> bytes:
    """Raises UserError: it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise UserError(
                "The request is too large.", "It may have {most_bytes} MB.", most_bytes=_MOST_BYTES // 2**20
            )
    return bytes(body)


def _unicode(value: Any) -> Any:
    """The same JSON without half surrogate pairs, which no answer could be encoded with."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


async def _pieces(events: AsyncIterator[Event]) -> AsyncIterator[str | AnswerDone]:
    """The answer's pieces, and finally how it ended. Raises _AnswerError."""
    async for event in events:
        if isinstance(event, AnswerDelta):
            yield event.text
        elif isinstance(event, AnswerDone):
            yield event
        elif isinstance(event, Error):
            is_users = event.kind == "user"
            raise _AnswerError(UserError(event.message, event.hint), 400 if is_users else 500)
        elif isinstance(event, Cancelled):
            raise _AnswerError(UserError("The answer was stopped.", "Ask again."), 503)


async def _awaited(request: Request, coming: Awaitable[T]) -> T | None:
    """None: the client hung up before it came."""
    task = asyncio.ensure_future(coming)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_S))[0]:
            if await request.is_disconnected():
                return None
        return task.result()
    finally:
        if task.cancel():
            with suppress(asyncio.CancelledError):
                await task


async def _whole(request: Request, wanted: Wanted, made: str, created: int, events: AsyncIterator[Event]) -> Response:
    async def collect() -> Response:
        text = ""
        async with aclosing(events):  # type: ignore[type-var]
            async for each in _pieces(events):
                if isinstance(each, AnswerDone):
                    return _reply(whole(wanted, made, created, text, each))
                text += each
        raise AssertionError("an answer ended without its last event")

    try:
        reply = await _awaited(request, collect())
    except _AnswerError as failed:
        return _refused(failed.error, failed.status)
    return Response(status_code=_HUNG_UP) if reply is None else reply


async def _streamed(
    request: Request, wanted: Wanted, made: str, created: int, events: AsyncIterator[Event]
) -> Response:
    """Waits for the first piece, so that an earlier failure gets an error status."""
    pieces = _pieces(events)
    try:
        first = await _awaited(request, anext(pieces))
    except _AnswerError as failed:
        return _refused(failed.error, failed.status)
    if first is None:
        return Response(status_code=_HUNG_UP)

    async def lines() -> AsyncIterator[str]:
        async with aclosing(events):  # type: ignore[type-var]
            yield _line(piece(wanted, made, created, {"role": "assistant", "content": ""}))
            each: str | AnswerDone = first
            try:
                while not isinstance(each, AnswerDone):
                    yield _line(piece(wanted, made, created, {"content": each}))
                    each = await anext(pieces)
            except _AnswerError as failed:
                yield _line(failure(failed.error, "server_error"))
                return
            yield _line(piece(wanted, made, created, {}, each))
            if wanted.with_usage:
                yield _line({**piece(wanted, made, created, {}), "choices": [], "usage": usage(each)})
            yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _line(row: dict[str, Any]) -> str:
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"


def _reply(row: dict[str, Any]) -> Response:
    return JSONResponse(row)


def _refused(error: UserError, status: int) -> Response:
    return JSONResponse(failure(error, "invalid_request_error" if status < 500 else "server_error"), status)


async def _on_user_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    return _refused(error, 400)

"""The base of every message, and those common to all work. Knows nothing of what can be requested."""

from dataclasses import dataclass, field, fields
from typing import ClassVar, TypeVar, dataclass_transform

from gistdesk.core.sentences import Sentence

PROTOCOL_VERSION = 3

Words = Sentence | str
"""Text for people; a sentence's values are sent with it."""


class ProtocolError(Exception):
    """A line is not what this module defines; the message says what is wrong with it."""


@dataclass(frozen=True, eq=False, repr=False)
class Message:
    """What both sides send. `id` is 0 if a message belongs to no request."""

    name: ClassVar[str]
    id: int = field(default=0, kw_only=True)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __repr__(self) -> str:
        shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
        return f"{type(self).__name__}({', '.join(shown)})"


_M = TypeVar("_M", bound=Message)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def message(kind: type[_M]) -> type[_M]:
    """A frozen dataclass with `Message`'s own comparison and repr.

    There are some fifty, and the window imports them all before it is drawn: generating such methods for each
    would take half as long again.
    """
    return dataclass(frozen=True, eq=False, repr=False)(kind)


@dataclass(frozen=True, eq=False, repr=False)
class Event(Message):
    """From the engine to the window."""


@dataclass(frozen=True, eq=False, repr=False)
class Request(Message):
    """From the window to the engine. `done` is the event that ends it when all goes well."""

    done: ClassVar[type[Event]]


@message
class Hello(Event):
    """The first line of every engine process, before it loads anything large."""

    name = "hello"
    protocol: int
    version: str
    pid: int


@message
class Cancelled(Event):
    """The request was cancelled and left nothing half done; a partial compression is kept and resumed later."""

    name = "cancelled"


@message
class Error(Event):
    """The request failed.

    Attributes:
        kind: "user" (something in the user's world), "password" (the document needs one, or a different one),
            "out_of_memory", "bug", "protocol" (a line was not understood), "crash" (the engine process died; sent by
            the window's side of it).
        stage: what was being done: "model_load", "context", "extract", "compress", "answer" and so on.
        message: one sentence that says what happened.
        hint: one sentence that says what to do about it; may be "".
        needed_bytes: memory last requested, if known; `free_bytes` is what was available.
        details: for a bug report: a traceback, or the engine's last output.
    """

    name = "error"
    kind: str
    stage: str
    message: Words
    hint: Words
    needed_bytes: int | None = None
    free_bytes: int | None = None
    details: str | None = None


@message
class Cancel(Request):
    """End the request `target`, running or waiting; does nothing if it has ended. Has no event of its own."""

    name = "cancel"
    done = Cancelled
    target: int


def is_last(event: Event, request: Request) -> bool:
    """Whether this event of a request ends it."""
    return isinstance(event, (request.done, Cancelled, Error))

"""Messages as lines of JSON, and back; incoming values are checked against the messages' own types.

Knows no message by name; knows nothing of pipes.
"""

import dataclasses
import json
import math
from contextlib import suppress
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from gistdesk.core.sentences import Sentence, packed, unpacked
from gistdesk.protocol.messages import Event, Message, ProtocolError, Request

_M = TypeVar("_M", bound=Message)
_D = TypeVar("_D")


def encode(message: Message) -> str:
    """One line, with its line end.

    Raises:
        ProtocolError: a number in it is not finite, or the type is neither a request nor an event.
    """
    key = "do" if isinstance(message, Request) else "event"
    body = {key: message.name, **packed(dataclasses.asdict(message))}
    if not message.id:
        del body["id"]
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")) + "\n"
    except ValueError as error:
        raise ProtocolError(f"{message.name} cannot be written: {error}") from error


def decode_event(line: str | bytes) -> Event:
    """Raises ProtocolError: the line is not an event of this version."""
    return _decode(line, "event", _known(Event))


def decode_request(line: str | bytes) -> Request:
    """Raises ProtocolError: the line is not a request of this version, or has no id."""
    request = _decode(line, "do", _known(Request))
    if request.id < 1:
        raise ProtocolError(f"{request.name} has no id")
    return request


def _known(base: type[_M]) -> dict[str, type[_M]]:
    return {kind.name: kind for kind in base.__subclasses__()}


def _decode(line: str | bytes, key: str, known: dict[str, type[_M]]) -> _M:
    try:
        body = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a line of JSON: {error}") from error
    if not isinstance(body, dict):
        raise ProtocolError("not an object")
    name = body.pop(key, None)
    if not isinstance(name, str) or name not in known:
        raise ProtocolError(f"{key} {json.dumps(name)} is not known")
    return _object(known[name], body, name)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _object(kind: type[_D], body: dict[str, Any], where: str) -> _D:
    types = _types_of(kind)  # type: ignore[arg-type]
    if unknown := body.keys() - types:
        raise ProtocolError(f"{where} has no {', '.join(sorted(unknown))}")
    values = {name: _value(types[name], value, f"{where}.{name}") for name, value in body.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ProtocolError(f"{where} is not complete: {error}") from error


@cache
def _types_of(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in dataclasses.fields(kind)}


def _value(wanted: Any, value: Any, where: str) -> Any:
    """The value as the wanted type, one of those that messages are made of."""
    if get_origin(wanted) is UnionType:
        kinds = set(get_args(wanted))
        if value is None and NoneType in kinds:
            return None
        if Sentence not in kinds:
            [kind] = kinds - {NoneType}
            return _value(kind, value, where)
        if isinstance(words := unpacked(value), str):
            return words
    if get_origin(wanted) is tuple and isinstance(value, list):
        inner = get_args(wanted)
        inner = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(inner) == len(value):
            return tuple(_value(kind, each, where) for kind, each in zip(inner, value, strict=True))
    elif dataclasses.is_dataclass(wanted) and isinstance(value, dict):
        return _object(wanted, value, where)  # type: ignore[arg-type]
    elif wanted is float and type(value) in (int, float):
        return _finite(value, where)
    elif type(value) is wanted:
        return value
    raise ProtocolError(f"{where} is {json.dumps(value)[:80]}, which is of the wrong type")


def _finite(value: int | float, where: str) -> float:
    with suppress(OverflowError):
        if math.isfinite(number := float(value)):
            return number
    raise ProtocolError(f"{where} is too large")

"""Files that were whole, spoilt: as bytes, as zip archives, as JSON with values that nobody expects.

All of it is decided by a `Random`, so that a case can be made again. Knows nothing of what the files mean.
"""

import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

_BYTES = (b"\x00", b"\xff", b"\x80", b"\x1b", b"\r", b"<", b"[" * 64, b"{" * 64, b"(" * 64, b"9" * 400, b"\xed\xa0\x80")
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 3e38, -0.0, 0.1),
    *(
        float("inf"),
        float("nan"),
        "",
        "x",
        "\ud800",
        "\x00",
        "../../../etc/passwd",
        "/dev/zero",
        "<b>x</b>",
        "9" * 5000,
    ),
    *([], {}, [[]], [None], [0] * 1000, {"": {}}, "a" * 100_000, "가" * 1000, [1e308, 1e308], ["x"], {"a": [1]}),
)


def bytes_of(data: bytes, random: Random) -> bytes:
    """Some bytes changed, cut out, doubled, moved or put in; now and then the file is cut short."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8, 30))):
        at = random.randrange(len(changed) + 1)
        span = random.choice((1, 1, 2, 4, 16, 100, 1000))
        match random.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                changed[at : at + span] = random.randbytes(span)
            case 2:
                del changed[at : at + span]
            case 3:
                changed[at:at] = changed[at : at + span] * random.choice((1, 2, 50))
            case 4:
                changed[at:at] = random.choice(_BYTES)
            case 5:
                other = random.randrange(len(changed) + 1)
                changed[at : at + span] = changed[other : other + span]
            case 6 if random.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def zip_of(data: bytes, random: Random) -> bytes:
    """An archive with one member spoilt, left out or doubled; or its bytes."""
    if random.random() < 0.4:
        return bytes_of(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    number = random.randrange(len(members))
    name, body = members[number]
    match random.randrange(8):
        case 0:
            del members[number]
        case 1:
            members[number] = (random.choice(("", "../x", name + "\x00", "x" * 300)), body)
        case _:
            members[number] = (name, bytes_of(body, random))
    out = io.BytesIO()
    kind = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in members:
            archive.writestr(zipfile.ZipInfo(name or "x"), body, kind)  # no time in it: a case is the same again
    return out.getvalue()


def value_of(value: Any, random: Random) -> Any:
    """A JSON value of which one part, anywhere in it, is another, is gone or is there twice."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        changed = dict(value)
        key = random.choice(list(changed))
        match random.randrange(6):
            case 0:
                del changed[key]
            case 1:
                changed[random.choice(("", "x", "\ud800", key + "2"))] = changed[key]
            case _:
                changed[key] = value_of(changed[key], random)
        return changed
    if isinstance(value, list) and value and random.random() < 0.7:
        items = list(value)
        number = random.randrange(len(items))
        match random.randrange(5):
            case 0:
                del items[number]
            case 1:
                items += items[number : number + 1] * random.choice((1, 100))
            case _:
                items[number] = value_of(items[number], random)
        return items
    return nested(random) if random.random() < 0.05 else random.choice(VALUES)


def nested(random: Random) -> Any:
    """Lists in lists, deeper than a parser's stack."""
    value: Any = 0
    for _ in range(random.choice((50, 500))):
        value = [value] if random.random() < 0.5 else {"a": value}
    return value


def json_of(data: bytes, random: Random) -> bytes:
    """A JSON text: its bytes, or its values."""
    if random.random() < 0.3:
        return bytes_of(data, random)
    return dumped(value_of(json.loads(data), random))


def dumped(value: Any) -> bytes:
    """JSON as others write it: with numbers that are none, and half characters."""
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="surrogatepass")
    except (RecursionError, ValueError):  # numbers of more digits than Python writes out
        return b"[" * 3000


def lines_of(data: bytes, random: Random) -> bytes:
    """Lines of JSON: bytes, or the values of one of them."""
    if random.random() < 0.3:
        return bytes_of(data, random)
    lines = data.splitlines()
    number = random.randrange(len(lines))
    lines[number] = json_of(lines[number], random)
    return b"\n".join(lines) + b"\n"


Mutation = Callable[[bytes, Random], bytes]

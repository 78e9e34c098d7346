"""Every message comes back as it was sent; anything else is refused in words, and never half understood."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gistdesk.protocol import (
    Answer,
    Cancelled,
    Error,
    Event,
    Extract,
    Hello,
    Load,
    Message,
    ModelChoice,
    ModelInfo,
    ModelLoadDone,
    ProtocolError,
    Request,
    decode_event,
    decode_request,
    encode,
    is_last,
)

_TEXT = st.text(st.characters(codec=None), max_size=20)
"""Lone surrogates included: that is how Python spells a file name that is no Unicode."""

st.register_type_strategy(str, _TEXT)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def _messages(kind: type[Message], ids: Any) -> Any:
    return st.one_of([st.builds(each, id=ids) for each in kind.__subclasses__()])


@given(_messages(Request, st.integers(1, 2**53)))
@settings(max_examples=300, deadline=None)
def test_a_request_comes_back_as_it_was(request_: Request) -> None:
    line = encode(request_)
    assert line.isascii() and line.index("\n") == len(line) - 1
    assert decode_request(line) == request_
    assert decode_request(line.encode()) == request_


def test_a_password_is_not_shown() -> None:
    assert repr(Extract("/a.pdf", "/texts", "hunter2", id=1)) == (
        "Extract(id=1, path='/a.pdf', texts_folder='/texts', model=None)"
    )


@given(_messages(Event, st.integers(0, 2**53)))
@settings(max_examples=300, deadline=None)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    line = encode(event)
    assert decode_event(line) == event
    assert ("id" in json.loads(line)) == (event.id > 0)


def test_the_lines_are_those_of_the_description() -> None:
    assert json.loads(encode(Hello(1, "0.1.0", 123))) == {
        "event": "hello",
        "protocol": 1,
        "version": "0.1.0",
        "pid": 123,
    }
    assert json.loads(encode(Load(ModelChoice("starter", "cpu", 2), id=7))) == {
        "do": "load",
        "id": 7,
        "choice": {"model": "starter", "device": "cpu", "threads": 2, "precision": "auto"},
    }
    asked = decode_request('{"do":"answer","id":1,"turns":[["a","b"],["c",null]],"gists":["x.gistkv"]}')
    assert asked == Answer((("a", "b"), ("c", None)), ("x.gistkv",), id=1)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "Loading weights: 100%",
        "null",
        "[]",
        "{}",
        '{"do":"load"}',
        '{"do":"load","id":1}',
        '{"do":"load","id":0,"choice":{}}',
        '{"do":"load","id":true,"choice":{}}',
        '{"do":"load","id":1,"choice":7}',
        '{"do":"load","id":1,"choice":{"model":null}}',
        '{"do":"load","id":1,"choice":{"quantize":true}}',
        '{"do":["load"],"id":1}',
        '{"do":"rm","id":1}',
        '{"event":"hello","protocol":1,"version":"","pid":1}',
        '{"do":"answer","id":1,"turns":[["a"]]}',
        '{"do":"answer","id":1,"turns":["ab"]}',
        '{"do":"answer","id":1,"turns":[],"top_p":NaN}',
        '{"do":"answer","id":1,"turns":[],"top_p":1e999}',
        '{"do":"answer","id":1,"turns":[],"top_p":1' + "0" * 400 + "}",
        '{"do":"answer","id":1,"turns":[],"seed":1.5}',
        '{"do":"answer","id":1,"turns":[[' + "[" * 100_000,
    ],
)
def test_rubbish_is_refused(line: str) -> None:
    with pytest.raises(ProtocolError, match=r"\w"):
        decode_request(line)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_bytes_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_event(line)


def test_a_figure_that_is_no_number_is_not_sent() -> None:
    with pytest.raises(ProtocolError):
        encode(Answer((), temperature=float("nan"), id=1))


def test_a_request_ends_once() -> None:
    load, answer = Load(ModelChoice(), id=1), Answer((("q", None),), id=2)
    info = ModelInfo("starter", "starter", "llama", 1, 2, 3, 4, 5, 6, 7, True, *[""] * 9, trained_ratios=(8.0, 64.0))
    assert decode_event(encode(ModelLoadDone(info, id=1))) == ModelLoadDone(info, id=1)
    assert is_last(ModelLoadDone(info), load) and not is_last(ModelLoadDone(info), answer)
    for event in (Cancelled(), Error("bug", "load", "", "")):
        assert is_last(event, load) and is_last(event, answer)


def test_the_window_can_import_it_without_anything_large() -> None:
    code = "import sys, gistdesk.protocol; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    modules = set(out.stdout.split())
    assert not {"torch", "PySide6", "transformers", "numpy"} & modules
    assert {name for name in modules if name.startswith("gistdesk.core.")} == {"gistdesk.core.sentences"}

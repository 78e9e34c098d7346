"""`gistdesk serve` as a process, asked over HTTP as other programs ask it, with the real engine and starter."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from gistdesk.cli.jobs import compress_file
from gistdesk.folders import resource
from tests.starter import loaded_starter

pytestmark = pytest.mark.release

TOKEN = "for-tests"
QUESTION = {"role": "user", "content": "What is the passkey?"}


@dataclass
class Served:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and what came back, as JSON where it is some."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=240)
        own = {"Authorization": f"Bearer {TOKEN}", **headers}
        connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body), own)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        try:
            return reply.status, json.loads(data)
        except ValueError:
            return reply.status, data.decode()

    def complete(self, **body: Any) -> tuple[int, Any]:
        return self.ask("POST", "/v1/chat/completions", {"model": "book", "messages": [QUESTION], **body})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    text = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")
    (folder / "book.txt").write_text(text, "utf-8")
    *_, _ = compress_file(loaded_starter(), folder / "book.txt", folder / "book.gistkv")
    given = [str(folder / "book.gistkv"), "--text", str(folder / "book.txt")]
    words = [sys.executable, "-m", "gistdesk", "serve", *given, "--port", "0", "--token", TOKEN]
    environment = {
        **os.environ, "GISTDESK_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)
    }  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        port = re.search(r"http://127\.0\.0\.1:(\d+)/v1", first)
        assert port is not None, first
        yield Served(process, int(port[1]), folder)
        children = psutil.Process(process.pid).children()
        process.terminate()
        assert process.wait(30) is not None
        assert psutil.wait_procs(children, 30)[1] == []  # its engine ends with it
        assert not list(folder.glob("gistdesk-serve-*"))  # nor is a text left behind


def test_a_gist_answers_in_openais_form(served: Served) -> None:
    status, models = served.ask("GET", "/v1/models")
    assert (status, [row["id"] for row in models["data"]]) == (200, ["book", "starter"])
    status, answer = served.complete()
    assert status == 200
    assert answer["choices"][0]["message"]["content"].strip() == "58203"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens_details"]["gist_slots"] == 33
    assert served.complete(model="anything", gist="book")[1]["choices"] == answer["choices"]


def test_passages_are_looked_up_unless_a_request_says_no(served: Served) -> None:
    summary = {"role": "user", "content": "Summarise this text in two sentences."}
    text = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")
    told = served.complete(messages=[summary])[1]["choices"][0]["message"]["content"]
    assert all(line.removeprefix("- ") in " ".join(text.split()) for line in told.split("\n")[-2:])
    usage = [served.complete(**kept)[1]["usage"] for kept in ({}, {"look_up": False})]
    assert usage[0]["prompt_tokens"] > usage[1]["prompt_tokens"] + 50


def test_a_document_of_none_of_the_gists(served: Served, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Another text.", "utf-8")
    gist = served.folder / "book.gistkv"
    words = [sys.executable, "-m", "gistdesk", "serve", str(gist), "--text", str(other), "--port", "0"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 2 and "not the document that was compressed" in ended.stderr
    ended = subprocess.run([*words[:4], *words[5:]], capture_output=True, text=True, timeout=240)
    assert ended.returncode == 2 and "--text is for gist files" in ended.stderr


def test_a_model_that_is_not_here_is_told_at_once(served: Served) -> None:
    words = [
        sys.executable,
        "-m",
        "gistdesk",
        "serve",
        str(served.folder / "book.gistkv"),
        "-m",
        "nosuch",
        "--port",
        "0",
    ]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 2 and 'no model "nosuch"' in ended.stderr and "Listening" not in ended.stdout


def test_half_a_character_is_answered(served: Served) -> None:
    status, reply = served.ask("POST", "/v1/chat/completions", b'{"model": "\\ud800", "messages": []}')
    assert (status, "There is no gist" in reply["error"]["message"]) == (404, True)


def test_a_library_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    library = tmp_path / "data" / "library"
    library.mkdir(parents=True)
    (library / "library.sqlite3").write_bytes(b"no library" * 999)
    ended = subprocess.run(
        [sys.executable, "-m", "gistdesk", "serve", "--port", "0"],
        capture_output=True, text=True, timeout=240, env={**os.environ, "GISTDESK_HOME": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 2 and "Listening" not in ended.stdout and "Traceback" not in ended.stderr


def test_an_answer_streams(served: Served) -> None:
    whole = served.complete()[1]["choices"][0]["message"]["content"]
    status, stream = served.complete(stream=True, stream_options={"include_usage": True})
    lines = [line.removeprefix("data: ") for line in stream.split("\n\n") if line]
    assert (status, lines[-1]) == (200, "[DONE]")
    chunks = [json.loads(line) for line in lines[:-1]]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]]
    assert "".join(pieces) == whole and len([piece for piece in pieces if piece]) > 1
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] > 0


def test_nobody_else_gets_in(served: Served) -> None:
    assert served.ask("GET", "/v1/models", Authorization="Bearer wrong")[0] == 401
    assert served.ask("GET", "/v1/models", Authorization="")[0] == 401
    assert served.ask("GET", "/v1/models", Host="evil.example")[0] == 400  # a name that was pointed at 127.0.0.1
    addresses = {connection.laddr.ip for connection in psutil.Process(served.process.pid).net_connections("inet")}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b"x" * (5 * 2**20), 400, "too large"),
        (b'{"model": "lost", "messages": [{"role": "user", "content": "?"}]}', 404, "no gist lost"),
        (b'{"model": "book", "messages": []}', 400, "no messages"),
    ],
    ids=["broken", "deep", "large", "unknown", "empty"],
)
def test_bad_requests_are_told_what_is_wrong(served: Served, body: bytes, status: int, said: str) -> None:
    got, reply = served.ask("POST", "/v1/chat/completions", body)
    assert (got, said in reply["error"]["message"]) == (status, True), reply


def test_who_hangs_up_stops_the_answer(served: Served) -> None:
    """The engine is free for the next one at once, not after 4,000 tokens."""
    sock = socket.create_connection(("127.0.0.1", served.port))
    body = json.dumps(
        {"model": "book", "messages": [QUESTION], "stream": True, "temperature": 9, "max_tokens": 4000}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    sock.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    received = b""
    while received.count(b"data: ") < 5:
        received += sock.recv(4096)
    sock.close()
    begun = time.monotonic()
    assert served.complete()[0] == 200
    assert time.monotonic() - begun < 60


def test_two_at_once_are_both_answered(served: Served) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(served.complete())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert [status for status, _ in answers] == [200, 200]


def test_a_dead_engine_is_told_and_started_again(served: Served) -> None:
    served.complete()
    [engine] = [p for p in psutil.Process(served.process.pid).children() if "worker" in " ".join(p.cmdline())]
    engine.kill()
    status, reply = served.complete()
    assert status == 200 or "ended" in reply["error"]["message"]
    assert served.complete()[0] == 200


def test_a_port_that_is_taken(served: Served, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "gistdesk", "serve", "--port", str(served.port)]
    environment = {**os.environ, "GISTDESK_HOME": str(tmp_path)}
    ended = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240)
    assert ended.returncode == 2
    assert f"Port {served.port} cannot be used" in ended.stderr and "Traceback" not in ended.stderr
    token = tmp_path / "config" / "server-token"
    assert token.stat().st_mode & 0o077 == 0 and len(token.read_text("ascii")) > 20

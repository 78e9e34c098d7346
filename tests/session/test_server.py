"""The window's local server: off by itself, switched on by a setting, answered by the engine of the window."""

import gc
import json
import socket
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.folders import folders, resource
from gistdesk.library import Library
from gistdesk.session.desk import Desk
from gistdesk.settings import Settings

pytestmark = pytest.mark.release

WAIT_MS = 240_000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def asked(port: int, token: str, body: dict[str, Any]) -> Callable[[], tuple[int, Any] | None]:
    """Send a request in another thread, as the window's own has to answer it; what came back, once it has."""
    replies: list[tuple[int, Any]] = []

    def send() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_MS / 1000)
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        reply = connection.getresponse()
        replies.append((reply.status, json.loads(reply.read())))
        connection.close()

    gc.disable()  # or widgets of tests before this one may be deleted in that thread, and Qt crash: see file_jobs
    threading.Thread(target=send, daemon=True).start()
    return lambda: replies[0] if replies else None


@pytest.mark.timeout(600)
def test_a_document_of_the_library_answers_other_programs(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    desk = Desk(
        Library(folders().data / "library"),
        Settings(threads=1, server_port=free_port()),
        folders().config / "settings.toml",
    )
    try:
        [entry_id] = desk.documents.add([resource("samples") / "alice-with-a-note.txt"], 100.0)
        assert desk.server.port == 0 and desk.server._child is None  # off
        desk.change_settings(server=True)
        qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state == "ready", timeout=WAIT_MS)
        qtbot.waitUntil(lambda: desk.server.port == desk.settings.server_port, timeout=WAIT_MS)
        question = {"role": "user", "content": "What is the passkey?"}
        body = {"model": desk.library.entries.get(entry_id).title, "messages": [question]}
        reply = asked(desk.server.port, desk.server.token, body)
        qtbot.waitUntil(lambda: desk.server.busy or reply() is not None, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: reply() is not None, timeout=WAIT_MS)
        status, answer = reply() or (0, {})
        assert status == 200 and answer["choices"][0]["message"]["content"].strip() == "58203"
        assert not desk.server.busy and desk.engine_state.model == "starter"  # the window's own engine
        port = desk.server.port
        desk.change_settings(server=False)
        assert desk.server.port == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    finally:
        gc.enable()
        desk.close()


@pytest.mark.timeout(300)
def test_a_port_that_is_taken_is_told(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        desk = Desk(Library(folders().data / "library"), Settings(threads=1), folders().config / "settings.toml")
        try:
            desk.change_settings(server=True, server_port=port)
            qtbot.waitUntil(lambda: bool(desk.server.problem), timeout=WAIT_MS)
            assert f"Port {port} cannot be used" in desk.server.problem
        finally:
            desk.close()

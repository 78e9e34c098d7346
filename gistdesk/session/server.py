"""The window's local server: a process that takes requests from other programs, which the window's engine answers.

Runs while the settings say so. Its requests wait behind the window's chats, and compressing waits for both. Knows
the server's command and the engine's requests; knows no HTTP.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from gistdesk.language.i18n import later
from gistdesk.protocol import Answer, Cancel, Event, ProtocolError, decode_request, encode, is_last
from gistdesk.session.calls import Calls
from gistdesk.session.child import Child, End
from gistdesk.session.models import model_choice
from gistdesk.settings import Settings

TOKEN_FILE = "server-token"


class LocalServer(QObject):
    """Attributes: port (0 while it is not listening), problem (why it is not, in English).

    Signals: changed; busy_changed: whether an answer is being written for another program.
    """

    changed = Signal()
    busy_changed = Signal(bool)

    def __init__(self, calls: Calls, settings: Callable[[], Settings], config: Path, parent: QObject) -> None:
        """`config` is the folder where the token is kept."""
        super().__init__(parent)
        self._calls, self._settings, self._config = calls, settings, config
        self._child: Child | None = None
        self._asked = (0, "")
        self._answering: dict[int, int] = {}
        self.port, self.problem = 0, ""

    @property
    def busy(self) -> bool:
        return bool(self._answering)

    @property
    def token(self) -> str:
        """The access token; "" until the server is first started."""
        try:
            return (self._config / TOKEN_FILE).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def follow_settings(self) -> None:
        """Start, end or restart, as the settings say."""
        settings = self._settings()
        wanted = (settings.server_port, settings.model) if settings.server else (0, "")
        if wanted == self._asked:
            return
        self.close()
        self._asked = wanted
        if settings.server:
            words = ("serve", "--window", "--port", str(settings.server_port), "--model", settings.model)
            self._child = Child(self, "gistdesk", *words)
            self._child.said.connect(self._on_said)
            self._child.ended.connect(self._on_ended)
            self._child.start()
        self.changed.emit()

    def close(self) -> None:
        """End the process and the requests it made."""
        if self._child is not None:
            self._child.close_input()
            self._child.stop()
            self._child = None
        for request_id in self._answering.values():
            self._calls.cancel(request_id)
        self._asked, self.port, self.problem = (0, ""), 0, ""

    def _on_said(self, row: dict[str, Any]) -> None:
        if "listening" in row:
            self.port, self.problem = int(row["listening"]), ""
            self.changed.emit()
            return
        try:
            request = decode_request(json.dumps(row))
        except ProtocolError:
            return
        if isinstance(request, Cancel) and request.target in self._answering:
            self._calls.cancel(self._answering[request.target])
        elif isinstance(request, Answer):
            self._answer(request)

    def _answer(self, request: Answer) -> None:
        """Answer with the window's precision, device and threads."""
        child, theirs = self._child, request.id
        own = replace(request, id=0, choice=model_choice(self._settings(), request.choice.model))

        def heard(event: Event) -> None:
            if child is self._child and child is not None:
                child.tell(json.loads(encode(replace(event, id=theirs))))
            if is_last(event, own):
                del self._answering[theirs]
                if not self._answering:
                    self.busy_changed.emit(False)

        self._answering[theirs] = self._calls.send(own, heard)
        if len(self._answering) == 1:
            self.busy_changed.emit(True)

    def _on_ended(self, end: End) -> None:
        self._child, self.port = None, 0
        self.problem = end.said or later("The server stopped unexpectedly.")
        self.changed.emit()

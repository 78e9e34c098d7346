"""One running window per library: a second start hands its files over and ends.

Knows a lock and a local socket; knows nothing of what is opened.
"""

import json
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from gistdesk.folders import make_private, write_private

_ANSWER_MS = 3000
_CLOSING_MS = 10_000
"""A window just closed may take this long to end its engines."""
_MOST_BYTES = 1 << 20
_TAKEN = b"taken\n"


class Instance(QObject):
    """Signals: `opened`, with the paths (list of Path, possibly empty) that another start handed over.

    Attributes:
        first: no other window has this folder.
    """

    opened = Signal(list)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        """Raises UserError: the folder cannot be made or written to."""
        super().__init__(parent)
        try:
            make_private(folder)
        except OSError as error:
            raise _not_usable(folder, error.strerror or "") from error
        self._note = folder / "window.socket"
        self._lock = QLockFile(str(folder / "window.lock"))
        self._lock.setStaleLockTime(0)  # a lock goes stale when its process is gone, never by age
        self._server = QLocalServer(self)
        self._received: dict[QLocalSocket, bytearray] = {}
        self.first = False
        if not self.become_first(0) and self._lock.error() != QLockFile.LockError.LockFailedError:
            raise _not_usable(folder, Sentence("no file can be created in it"))

    def become_first(self, patience_ms: int = _CLOSING_MS) -> bool:
        """Wait for another window that is already closing; returns whether this is now the first one."""
        if not self.first and self._lock.tryLock(patience_ms):
            self.first = True
            self._listen()
        return self.first

    def _listen(self) -> None:
        """Listen under a random name, written only to the private folder: whoever could predict it might listen in this
        window's place and learn what is opened. If this fails, a second start says that the window does not answer."""
        if left := _noted(self._note):
            QLocalServer.removeServer(left)  # left by a killed window
        name = f"gistdesk-{secrets.token_hex(16)}"
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        with suppress(OSError):
            self._note.unlink(missing_ok=True)
            if self._server.listen(name):
                write_private(self._note, name.encode())

    def hand_over(self, paths: Sequence[Path], patience_ms: int = _ANSWER_MS) -> bool:
        """Give paths to the open window; False if it does not confirm that it took them."""
        name = _noted(self._note)
        if name is None:
            return False
        socket = QLocalSocket()
        socket.connectToServer(name)
        if not socket.waitForConnected(patience_ms):
            return False
        socket.write(json.dumps([str(path.absolute()) for path in paths]).encode() + b"\n")
        taken = socket.waitForReadyRead(patience_ms) and socket.readAll().data() == _TAKEN
        socket.disconnectFromServer()
        return bool(taken)

    def refuse(self) -> None:
        """The window is closing: have whoever starts now wait and open a new one."""
        self._server.close()
        for socket in self._received:
            socket.abort()

    def close(self) -> None:
        self.refuse()
        if self.first:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)
        self._lock.unlock()

    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            self._received[socket] = bytearray()
            socket.readyRead.connect(self._on_ready)
            socket.disconnected.connect(self._on_disconnected)
            self._read(socket)

    def _on_ready(self) -> None:
        for socket in list(self._received):
            self._read(socket)

    def _read(self, socket: QLocalSocket) -> None:
        received = self._received[socket]
        received += socket.readAll().data()
        if len(received) > _MOST_BYTES:
            socket.abort()
        elif b"\n" in received:
            line, _, rest = received.partition(b"\n")
            self._received[socket] = rest
            socket.write(_TAKEN)
            socket.flush()
            if (paths := _paths(bytes(line))) is not None:
                self.opened.emit(paths)

    def _on_disconnected(self) -> None:
        gone = [s for s in self._received if s.state() == QLocalSocket.LocalSocketState.UnconnectedState]
        for socket in gone:
            del self._received[socket]
            socket.deleteLater()


def _noted(note: Path) -> str | None:
    """The name a window listens under; None if there is none, or it is not such a name."""
    with suppress(OSError, UnicodeDecodeError):
        name = note.read_text("ascii")
        return name if re.fullmatch("gistdesk-[0-9a-f]{32}", name) else None
    return None


def _paths(line: bytes) -> list[Path] | None:
    """The paths handed over; None for garbage."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    is_list = isinstance(said, list) and all(isinstance(each, str) for each in said)
    return [Path(each) for each in said] if is_list else None


def _not_usable(folder: Path, reason: str) -> UserError:
    return UserError(
        "The library's folder {folder} cannot be used ({reason}).",
        "Check that its disk is there, is not full, and that you may write to it.",
        folder=folder,
        reason=reason,
    )

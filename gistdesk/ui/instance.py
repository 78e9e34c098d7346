"""One running window per library: a second start hands its files over and ends.

Knows a lock and a local socket; knows nothing of what is opened.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from gistdesk.core.errors import UserError

_CONNECT_MS = 3000
_MOST_BYTES = 1 << 20


class Instance(QObject):
    """Signals: `opened`, with the paths (list of Path) that another start handed over; it may be empty.

    Attributes:
        first: no other window has this folder.
    """

    opened = Signal(list)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        """Raises UserError: the folder cannot be made or written to."""
        super().__init__(parent)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_usable(folder, error.strerror or "") from error
        self._name = "gistdesk-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        self._lock = QLockFile(str(folder / "window.lock"))
        self._lock.setStaleLockTime(0)  # a lock is given up when its process is gone, however long it was held
        self.first = self._lock.tryLock(0)
        if not self.first and self._lock.error() != QLockFile.LockError.LockFailedError:
            raise _not_usable(folder, "no file can be made in it")
        self._server = QLocalServer(self)
        self._received: dict[QLocalSocket, bytearray] = {}
        if self.first:
            QLocalServer.removeServer(self._name)  # what a killed window left
            self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
            self._server.newConnection.connect(self._on_connection)
            self._server.listen(self._name)

    def hand_over(self, paths: Sequence[Path]) -> bool:
        """Give paths to the window that is open; False when it does not answer."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(_CONNECT_MS):
            return False
        socket.write(json.dumps([str(path.absolute()) for path in paths]).encode())
        sent = socket.waitForBytesWritten(_CONNECT_MS)
        socket.disconnectFromServer()
        return bool(sent)

    def close(self) -> None:
        self._server.close()
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
        self._received[socket] += socket.readAll().data()
        if len(self._received[socket]) > _MOST_BYTES:
            socket.abort()

    def _on_disconnected(self) -> None:
        gone = [s for s in self._received if s.state() == QLocalSocket.LocalSocketState.UnconnectedState]
        for socket in gone:
            self._read(socket)
            said = bytes(self._received.pop(socket))
            socket.deleteLater()
            with suppress(ValueError, TypeError):
                self.opened.emit([Path(path) for path in json.loads(said)])


def _not_usable(folder: Path, reason: str) -> UserError:
    return UserError(
        f"The library's folder {folder} cannot be used ({reason}).",
        "Check that its disk is there, is not full, and that you may write to it.",
    )

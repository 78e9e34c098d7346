"""One of the program's commands in its own process: what it prints as lines of JSON, and how it ended.

The process ends with the window. The engine, which has a protocol of its own, is in `engine`. Knows no command.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from gistdesk.complaints import FOR_A_WINDOW, said_in
from gistdesk.core.sentences import unpacked
from gistdesk.roles import Role, command

_KILL_MS = 1000


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: its exit code; -1 when it was never started.
        said: the last line it wrote to stderr, without the program's name; "" if there is none.
        is_bug: whether it printed a traceback.
    """

    code: int
    said: str
    is_bug: bool


class Child(QObject):
    """Signals: said, with every object it writes, each item of a list too; ended, with an `End`, unless stopped."""

    said = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject, role: Role, *words: str, threads: int = 0) -> None:
        """
        Args:
            role: see `gistdesk.roles`.
            threads: number of compute threads; 0 leaves it to the process.
        """
        super().__init__(parent)
        self._lines = b""
        self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        for name, value in {"PYTHONUTF8": "1", **FOR_A_WINDOW}.items():
            environment.insert(name, value)
        if threads:
            environment.insert("OMP_NUM_THREADS", str(threads))
        self._process.setProcessEnvironment(environment)
        program, *arguments = command(role, *words)
        self._process.setProgram(program)
        self._process.setArguments(arguments)
        self._process.started.connect(self._on_started)
        self._process.readyReadStandardOutput.connect(self._on_output)
        self._process.finished.connect(self._on_finished)
        self._process.errorOccurred.connect(self._on_error)

    def start(self) -> None:
        """Start the process; call it once the signals are connected."""
        self._process.start()

    def tell(self, row: Mapping[str, Any]) -> None:
        """Write an object to the process's stdin."""
        self._process.write(json.dumps(row).encode() + b"\n")

    def close_input(self) -> None:
        """Close stdin, which a command takes as a request to end."""
        self._process.closeWriteChannel()

    def stop(self, patience_ms: int = 0) -> None:
        """Wait up to `patience_ms` for it to end, then kill it. No more signals are emitted."""
        self.blockSignals(True)
        if not (patience_ms and self._process.waitForFinished(patience_ms)):
            self._process.kill()
            self._process.waitForFinished(_KILL_MS)
        self.deleteLater()

    def _on_started(self) -> None:
        if sys.platform == "win32":  # elsewhere there is nothing to import
            from gistdesk.session.process_job import end_with_this_process

            end_with_this_process(self._process.processId())

    def _on_output(self) -> None:
        self._lines += bytes(self._process.readAllStandardOutput().data())
        *whole, self._lines = self._lines.split(b"\n")
        for line in whole:
            with suppress(ValueError):
                said = json.loads(line)
                for row in said if isinstance(said, list) else [said]:
                    if isinstance(row, dict):
                        self.said.emit(unpacked(row))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(End(-1, self._process.errorString(), is_bug=False))

    def _on_finished(self) -> None:
        self._on_output()
        lines = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
        said = said_in(lines[-1]) if lines else ""
        self._end(End(self._process.exitCode(), said, any(line.startswith("Traceback") for line in lines)))

    def _end(self, end: End) -> None:
        self.ended.emit(end)
        self.deleteLater()

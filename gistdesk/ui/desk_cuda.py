"""Setting CUDA up from the window: `gistdesk cuda ...` in a process of its own, with what it says as signals.

Nothing runs, and the network is not used, unless it is asked for. Knows the command's lines; knows nothing of widgets.
"""

import json
from contextlib import suppress
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from gistdesk.roles import command
from gistdesk.ui.process_job import end_with_this_process

_INTERRUPTED = 130
_END_MS = 3000


class CudaSetUp(QObject):
    """Attributes: facts (what `gistdesk cuda status` says; {} while it is not known), phase (what is under way: "look",
    "remove" or one of the installer's; ""), done_bytes, total_bytes, problem (of the last try, as a sentence; "").

    Signals: changed; used_changed: from the next engine process on there is another PyTorch.
    """

    changed = Signal()
    used_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.facts: dict[str, Any] = {}
        self.phase = self.problem = ""
        self.done_bytes = self.total_bytes = 0
        self._process: QProcess | None = None
        self._lines, self._job = b"", ""

    @property
    def busy(self) -> bool:
        """Whether something is being set up or removed."""
        return self._process is not None and self._job != "status"

    def look(self) -> None:
        """Find out what there is, in a second or two."""
        self._start("look", "status", "--json")

    def install(self) -> None:
        """Fetch it, try it and use it; goes on where an earlier try stopped."""
        self.problem = ""
        self._start("asking", "install", "--events")

    def remove(self) -> None:
        self.problem = ""
        self._start("remove", "remove")

    def cancel(self) -> None:
        """Give up what is under way; what was fetched is kept."""
        if self._process is not None:
            self._process.closeWriteChannel()

    def close(self) -> None:
        """`cancel`, and wait until the process is gone."""
        if self._process is not None:
            process, self._process = self._process, None
            process.finished.disconnect(self._on_finished)
            process.closeWriteChannel()
            if self._job == "status" or not process.waitForFinished(_END_MS):
                process.kill()
                process.waitForFinished(1000)
            process.deleteLater()

    def _start(self, phase: str, job: str, *words: str) -> None:
        if self.busy:
            return
        self.close()  # whoever looks is no longer waited for
        self.phase, self._job, self._lines = phase, job, b""
        self.done_bytes = self.total_bytes = 0
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUTF8", "1")
        process.setProcessEnvironment(environment)
        program, *arguments = command("gistdesk", "cuda", job, *words)
        process.setProgram(program)
        process.setArguments(arguments)
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._on_output)
        process.finished.connect(self._on_finished)
        self._process = process
        process.start()
        self.changed.emit()

    def _on_started(self) -> None:
        if self._process is not None:
            end_with_this_process(self._process.processId())

    def _on_output(self) -> None:
        if self._process is None:
            return
        self._lines += bytes(self._process.readAllStandardOutput().data())
        *whole, self._lines = self._lines.split(b"\n")
        for line in whole:
            with suppress(ValueError):
                row = json.loads(line)
                if "card" in row:
                    self.facts = row
                elif row.get("phase") != "done":
                    self.phase, self.done_bytes, self.total_bytes = row["phase"], row["done"], row["total"]
        self.changed.emit()

    def _on_finished(self) -> None:
        process, job = self._process, self._job
        if process is None:
            return
        self._on_output()
        said = bytes(process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
        code = process.exitCode()
        self._process, self.phase = None, ""
        process.deleteLater()
        if code not in (0, _INTERRUPTED) and job != "status":
            self.problem = (said or [f"exit code {code}"])[-1].removeprefix("gistdesk: ")
        if job != "status":
            self.look()
        if job != "status" and code == 0:
            self.used_changed.emit()
        self.changed.emit()

"""Setting up CUDA from the window: `gistdesk cuda ...` in its own process, its output turned into signals.

Nothing runs, and the network is not used, unless asked. Knows the command's output; knows nothing of widgets.
"""

from typing import Any

from PySide6.QtCore import QObject, Signal

from gistdesk.session.child import Child, End

_INTERRUPTED = 130
_END_MS = 3000


class CudaSetUp(QObject):
    """Attributes: facts (what `gistdesk cuda status` says; {} until known), phase (what is under way: "look",
    "remove", one of the installer's, or ""), done_bytes, total_bytes, problem (of the last try, as a sentence; or "").

    Signals: changed; used_changed: the next engine process will use a different PyTorch.
    """

    changed = Signal()
    used_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.facts: dict[str, Any] = {}
        self.phase = self.problem = ""
        self.done_bytes = self.total_bytes = 0
        self._process: Child | None = None
        self._job = ""

    @property
    def busy(self) -> bool:
        """Whether something is being set up or removed."""
        return self._process is not None and self._job != "status"

    def look(self) -> None:
        """Find out what is installed; takes a second or two."""
        self._start("look", "status", "--json")

    def install(self) -> None:
        """Download it, try it and use it; continues where an earlier try stopped."""
        self.problem = ""
        self._start("asking", "install", "--events")

    def remove(self) -> None:
        self.problem = ""
        self._start("remove", "remove")

    def cancel(self) -> None:
        """Give up what is under way; what has been downloaded is kept."""
        if self._process is not None:
            self._process.close_input()

    def close(self) -> None:
        """`cancel`, and wait until the process is gone."""
        if self._process is not None:
            process, self._process = self._process, None
            process.close_input()
            process.stop(0 if self._job == "status" else _END_MS)

    def _start(self, phase: str, job: str, *words: str) -> None:
        if self.busy:
            return
        self.close()  # whoever asked to look no longer waits for it
        self.phase, self._job = phase, job
        self.done_bytes = self.total_bytes = 0
        self._process = Child(self, "gistdesk", "cuda", job, *words)
        self._process.said.connect(self._on_said)
        self._process.ended.connect(self._on_ended)
        self._process.start()
        self.changed.emit()

    def _on_said(self, row: dict[str, Any]) -> None:
        if "card" in row:
            self.facts = row
        elif row.get("phase") != "done":
            self.phase, self.done_bytes, self.total_bytes = row["phase"], row["done"], row["total"]
        self.changed.emit()

    def _on_ended(self, end: End) -> None:
        job, self._process, self.phase = self._job, None, ""
        if end.code not in (0, _INTERRUPTED) and job != "status":
            self.problem = end.said or f"exit code {end.code}"
        if job != "status":
            self.look()
        if job != "status" and end.code == 0:
            self.used_changed.emit()
        self.changed.emit()

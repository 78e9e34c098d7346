"""A window that works all the time, to be killed: it compresses document after document and asks while it does.

    python -m tests.end2end.busy_window             until it is killed
    python -m tests.end2end.busy_window finish      until the queue is empty and a last question is answered

Opens the library of $GISTDESK_HOME and prints what it does, one JSON object per line; a question is printed after the
window has taken it, so it must never be lost.
"""

import json
import random
import sys
import time

from PySide6.QtCore import QObject, QTimer

from gistdesk.folders import folders, resource
from gistdesk.settings import Settings, write_settings
from gistdesk.ui.app.instance import Instance
from gistdesk.ui.app.start import Application, Program

_WORKING = ("queued", "extracting", "compressing")
_QUESTION = "What is the passkey?"
_TICK_MS = 50
_BETWEEN_QUESTIONS_S = 5.0
"""On average; compressing goes on meanwhile."""


def tell(what: str, **more: object) -> None:
    print(json.dumps({"what": what, **more}), flush=True)


class Worker(QObject):
    """Keeps the program's queue full and its chat busy."""

    def __init__(self, program: Program, *, finish: bool) -> None:
        super().__init__()
        self._program, self._desk, self._finish = program, program.desk, finish
        self._chance = random.Random()
        self._answer: int | None = None
        self._n_asked = 0
        self._ask_at = time.monotonic() if finish else self._later()
        self._desk.documents.one_changed.connect(self._on_entry)
        self._desk.chats.done.connect(self._on_answer)
        self._desk.engine_changed.connect(self._on_engine)
        self._timer = QTimer(self, interval=_TICK_MS)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start()

    def _later(self) -> float:
        return time.monotonic() + self._chance.uniform(0.0, 2 * _BETWEEN_QUESTIONS_S)

    def _on_tick(self) -> None:
        entries = self._desk.library.entries.all()
        working = [entry for entry in entries if entry.state in _WORKING]
        if len(working) < 2 and not (self._finish and entries):
            self._add()
        ready = [entry.id for entry in entries if entry.gist is not None]
        if self._finish and (working or not ready):
            return
        if self._answer is None and ready and time.monotonic() > self._ask_at:
            self._ask(ready)

    def _add(self) -> None:
        """A document that is not in the library yet: some ten seconds of work for a slow machine."""
        paragraphs = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8").split("\n\n")
        note = next(paragraph for paragraph in paragraphs if "58203" in paragraph)
        rest = [paragraph for paragraph in paragraphs if paragraph is not note] * 4
        self._chance.shuffle(rest)
        path = folders().data / f"document-{time.time_ns()}.txt"
        path.write_text("\n\n".join([*rest, note]), "utf-8")
        self._desk.documents.add([path], 100.0)

    def _ask(self, ready: list[int]) -> None:
        """Every second question is answered at length, so that there is something to interrupt."""
        self._n_asked += 1
        chat_id = self._desk.chats.new([ready[0]])
        if not self._finish and self._n_asked % 2:
            sampling = {"temperature": 5.0, "top_p": 1.0, "max_tokens": 300}
            self._desk.library.chats.change(chat_id, sampling=sampling)
        text = _QUESTION if self._finish else f"{_QUESTION} ({time.time_ns()})"
        self._answer = self._desk.chats.ask(chat_id, text)
        tell("asked", text=text)

    def _on_answer(self, message_id: int) -> None:
        message = self._desk.library.chats.message(message_id)
        tell("answered", state=message.state, text=message.text.strip())
        self._answer, self._ask_at = None, self._later()
        if self._finish:
            self._program.window.quit_now()

    def _on_entry(self, entry_id: int) -> None:
        entry = self._desk.library.entries.get(entry_id)
        problem = entry.problem.message if entry.problem else ""
        tell("entry", id=entry_id, state=entry.state, done=entry.done, problem=problem)

    def _on_engine(self) -> None:
        tell("engine", state=self._desk.engine_state.state, pid=self._desk._engine.process_id)


def main() -> None:
    write_settings(folders().config / "settings.toml", Settings(first_run=False, threads=1, language="en"))
    app = Application(sys.argv[:1])
    instance = Instance(folders().data)
    if not instance.first:
        sys.exit("another window has this library")
    program = Program(app, instance)
    program.show([])
    worker = Worker(program, finish="finish" in sys.argv[1:])
    tell("open")
    app.exec()
    worker.deleteLater()
    program.close()


if __name__ == "__main__":
    main()

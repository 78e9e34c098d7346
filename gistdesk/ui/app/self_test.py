"""The program tests itself: the real window opens, the real engine compresses the sample and answers a question.

A role of the program, so that a frozen build, which cannot be inspected from outside, can be tested where it is
installed. Prints one line of JSON per step, with seconds since this process started. Uses the library at
$GISTDESK_HOME.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence

import psutil
from PySide6.QtCore import QEventLoop, QTimer

from gistdesk.core.errors import UserError
from gistdesk.folders import folders
from gistdesk.ui.app.instance import Instance
from gistdesk.ui.app.start import Application, Program

_QUESTION = "What is the passkey?"
_LIMIT_S = 300.0
_LOOK_MS = 50


def main(words: Sequence[str]) -> int:
    """With the word "start" only the window is opened. Returns the exit code: 1 when a step did not happen."""
    app = Application(sys.argv[:1])
    app.setQuitOnLastWindowClosed(False)
    program = Program(app, Instance(folders().data))
    try:
        program.show([])
        QTimer.singleShot(0, lambda: _tell("window", visible=program.window.isVisible()))
        _wait(lambda: program.window.isVisible())
        if list(words) != ["start"]:
            _use(program)
    except UserError as error:
        _tell("failed", problem=str(error))
        return 1
    finally:
        program.window.quit_now()
        program.close()
    _tell("closed")
    return 0


def _use(program: Program) -> None:
    desk = program.desk
    entry_id = desk.documents.open_sample()
    _wait(lambda: desk.library.entries.get(entry_id).state in ("ready", "failed"))
    entry = desk.library.entries.get(entry_id)
    if entry.gist is None:
        raise UserError("The sample is not compressed: {problem}.", "See the log.", problem=entry.problem)
    _tell("compressed", n_tokens=entry.gist.n_tokens, n_slots=entry.gist.n_slots)
    message_id = desk.chats.ask(desk.chats.new([entry_id]), _QUESTION)
    _wait(lambda: desk.library.chats.message(message_id).state != "writing")
    answer = desk.library.chats.message(message_id)
    if answer.state != "complete":
        raise UserError("The question is not answered: {figures}.", "See the log.", figures=answer.figures)
    _tell("answered", answer=answer.text.strip())


def _wait(done: Callable[[], bool]) -> None:
    """Run the window's event loop until `done` is true; raises UserError when that does not happen."""
    loop, timer = QEventLoop(), QTimer()
    until = time.monotonic() + _LIMIT_S
    timer.timeout.connect(lambda: loop.quit() if done() or time.monotonic() > until else None)
    timer.start(_LOOK_MS)
    loop.exec()
    if not done():
        raise UserError("Nothing has come about in {limit_s:.0f} seconds.", "See the log.", limit_s=_LIMIT_S)


def _tell(step: str, **figures: object) -> None:
    since_s = time.time() - psutil.Process().create_time()
    print(json.dumps({"step": step, "s": round(since_s, 3), **figures}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

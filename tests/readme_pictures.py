"""The README's pictures of the window: `python -m tests.readme_pictures FOLDER`.

The real window, engine and models (SmolLM2 has to be there) at work on the bundled samples; nothing is made up.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QDeadlineTimer, QEventLoop
from PySide6.QtWidgets import QApplication

from gistdesk.folders import folders, resource
from gistdesk.settings import Settings, write_settings
from gistdesk.ui.app.instance import Instance
from gistdesk.ui.app.start import Application, Program
from gistdesk.ui.window.main import CHAT, LIBRARY

WAIT_MS = 300_000
REPORT, KOREAN = "ferry-report.md", "korean-with-a-note.txt"
ASKED = "Who is the chief executive officer?", "Who is the external auditor?"


def wait_for(condition: Callable[[], bool]) -> None:
    """Let the window live until something is so."""
    deadline = QDeadlineTimer(WAIT_MS)
    while not condition():
        if deadline.hasExpired():
            raise TimeoutError("the engine did not come so far")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)
        time.sleep(0.02)  # the engine stands back behind whatever else is at work


def settle() -> None:
    deadline = QDeadlineTimer(1500)
    while not deadline.hasExpired():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)


def take(folder: Path, documents: Path) -> None:
    """Save library.png and chat.png.

    Args:
        documents: empty folder to take the documents from; its name is in the picture.
    """
    program = Program(Application(["gistdesk"]), Instance(folders().data))
    desk, window = program.desk, program.window
    window.resize(1280, 720)
    program.show([])
    files = [Path(shutil.copy(resource("samples") / name, documents)) for name in (REPORT, KOREAN, "harbour-day.md")]
    model = {files[0]: "smollm2", files[1]: "starter", files[2]: "smollm2"}
    ids = [desk.documents.add([f], 100.0 if model[f] == "starter" else 8.0, models=model)[0] for f in files]
    wait_for(lambda: all(desk.library.entries.get(i).state == "ready" for i in ids))
    window.show_place(LIBRARY)
    window.library.choose(ids[:1])
    settle()
    window.grab().save(str(folder / "library.png"))
    korean, chat_id = desk.chats.new(ids[1:2]), desk.chats.new(ids[:1])
    for chat, question in ((korean, "패스키는 무엇입니까?"), *((chat_id, question) for question in ASKED)):
        answer = desk.chats.ask(chat, question)
        wait_for(lambda answer=answer: desk.library.chats.message(answer).state != "writing")
    window.show_place(CHAT)
    window.chat.open(chat_id)
    settle()
    window.grab().save(str(folder / "chat.png"))
    window.quit_now()
    program.close()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("GISTDESK_MODELS", str(folders().models))  # those at hand, in a library of its own
        os.environ["GISTDESK_HOME"] = home
        config = folders().config
        config.mkdir(parents=True, exist_ok=True)
        write_settings(config / "settings.toml", Settings(language="en", theme="light", first_run=False))
        documents = Path(home) / "Documents"
        documents.mkdir()
        take(folder, documents)


if __name__ == "__main__":
    main()

"""A process at work on a library, for tests that kill it: `python -m tests.library.at_work FOLDER`.

Claims entries and takes each from "queued" to "ready", with a chat on the way. Says every step on stdout, after it
is done.
"""

import sys
import time
from pathlib import Path

from gistdesk.library import Library
from tests.library.made import extract, figures


def main(folder: Path) -> None:
    library = Library(folder)
    print("open", flush=True)
    library.queue.recover()
    while (entry := library.queue.claim_next("worker")) is not None:
        print("claimed", entry.id, flush=True)
        extract(library, entry.id, [f"The text of {entry.title}. " * 40, "second page"])
        chat = library.chats.add([entry.id])
        question = library.chats.add_message(chat.id, parent_id=None, role="user", text=f"What is {entry.title}?")
        print("turn", question.id, flush=True)
        answer = library.chats.add_message(chat.id, parent_id=question.id, role="assistant", text="", state="writing")
        for _ in library.texts.index(entry.id):
            pass
        library.entries.set_state(entry.id, "compressing")
        for done in range(5):
            library.entries.set_progress(entry.id, done, 5)
            library.chats.set_message(answer.id, text="word " * done)
            time.sleep(0.002)
        target = library.gists.incoming_path(entry.id)
        target.write_bytes(content_of(entry.title))
        library.gists.adopt(entry.id, target, figures())
        library.chats.set_message(answer.id, text="all of it", state="complete")
        print("ready", entry.id, flush=True)
    library.close()


def content_of(title: str) -> bytes:
    """What stands for the gist of a document."""
    return f"gist of {title}".encode() * 100


if __name__ == "__main__":
    main(Path(sys.argv[1]))

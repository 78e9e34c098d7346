"""Chats as the window uses them: asking, answering, renaming, pinning and deleting, each with a signal.

Knows the library and what writes answers; knows nothing of engines, models or widgets.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from gistdesk.library import Grounded, Library, Passage
from gistdesk.session.answers import Answers


class Chats(QObject):
    """Signals: `changed`, the set of chats or their order; `one_changed` (a chat's id); for an answer (by its id)
    `phase`, `delta` (the next piece) and `done`; `device_wanted`, an answer is waiting for a run.

    `phase` is "queued", "run" (a run has the device), "loading model 40", "looking up 40", "reciting 40",
    "loading gist", "reading text" or "writing".
    """

    changed = Signal()
    one_changed = Signal(int)
    phase = Signal(int, str)
    delta = Signal(int, str)
    done = Signal(int)
    device_wanted = Signal()

    def __init__(
        self,
        library: Library,
        answers: Answers,
        revive: Callable[[], None],
        waits_for_run: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        """`revive` starts even an engine that crashed too often; `waits_for_run` says whether a run has the device."""
        super().__init__(parent)
        self._library, self._answers = library, answers
        self._revive, self._waits_for_run = revive, waits_for_run
        answers.phase.connect(self._on_phase)
        answers.delta.connect(self.delta)
        answers.done.connect(self.done)
        answers.chat_changed.connect(self._on_chat)

    def new(self, entry_ids: Sequence[int]) -> int:
        chat = self._library.chats.add(entry_ids)
        self.changed.emit()
        return chat.id

    def change(self, chat_id: int, **changes: Any) -> None:
        """See `gistdesk.library.chats.Chats.change`."""
        self._library.chats.change(chat_id, **changes)
        self._on_chat(chat_id)

    def pin(self, chat_id: int, pinned: bool) -> None:
        self._library.chats.pin(chat_id, pinned)
        self.changed.emit()

    def trash(self, chat_id: int) -> None:
        self._library.chats.trash(chat_id)
        self.changed.emit()

    def restore(self, chat_id: int) -> None:
        self._library.chats.restore(chat_id)
        self.changed.emit()

    def choose_version(self, message_id: int) -> None:
        """Show this version of a message; nobody but the caller needs to know."""
        self._library.chats.choose_version(message_id)

    def branch(self, message_id: int) -> int:
        """Start a new chat that continues from a message -> its id."""
        chat = self._library.chats.branch(message_id)
        self.changed.emit()
        return chat.id

    def ask(self, chat_id: int, text: str) -> int:
        """Ask a question -> its answer's id, as the next three methods return."""
        self._revive()
        return self._answers.ask(chat_id, text)

    def edit(self, message_id: int, text: str) -> int:
        self._revive()
        return self._answers.edit(message_id, text)

    def regenerate(self, message_id: int) -> int:
        self._revive()
        return self._answers.regenerate(message_id)

    def compare(self, message_id: int) -> int:
        self._revive()
        return self._answers.compare(message_id)

    def stop(self, message_id: int) -> None:
        self._answers.stop(message_id)

    def verify(self, message_id: int) -> tuple[Grounded | None, list[Passage]]:
        """See `Answers.verify`."""
        return self._answers.verify(message_id)

    def _on_phase(self, message_id: int, phase: str) -> None:
        waits = phase == "queued" and self._waits_for_run()
        self.phase.emit(message_id, "run" if waits else phase)
        if waits:
            self.device_wanted.emit()

    def _on_chat(self, chat_id: int) -> None:
        self.one_changed.emit(chat_id)
        self.changed.emit()

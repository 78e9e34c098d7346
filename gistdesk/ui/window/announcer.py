"""Tells screen readers what has finished out of sight: documents, and answers in chats that are not open.

An open chat announces its own answers, and banners and runs announce themselves. Each end is announced once,
progress never.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from gistdesk.core.errors import UserError
from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.ui.library.states import WORKING, state_words
from gistdesk.ui.widgets.speech import announce


class Announcer(QObject):
    """Listens to the desk."""

    def __init__(self, window: QWidget, desk: Desk, open_chat: Callable[[], int | None]) -> None:
        """`open_chat` gives the open chat, or None."""
        super().__init__(window)
        self._window, self._desk, self._open_chat = window, desk, open_chat
        self._working = {entry.id for entry in self._desk.library.entries.all(states=WORKING)}
        self._desk.documents.one_changed.connect(self._on_entry)
        self._desk.chats.done.connect(self._on_answer)

    def _on_entry(self, entry_id: int) -> None:
        try:
            entry = self._desk.library.entries.get(entry_id)
        except UserError:  # deleted in another window
            self._working.discard(entry_id)
            return
        if entry.state in WORKING:
            self._working.add(entry_id)
        elif entry_id in self._working:
            self._working.discard(entry_id)
            announce(self._window, f"{entry.title}: {state_words(entry)}", urgent=entry.state == "failed")

    def _on_answer(self, message_id: int) -> None:
        try:
            message = self._desk.library.chats.message(message_id)
            chat = self._desk.library.chats.get(message.chat_id)
        except UserError:
            return
        if message.chat_id != self._open_chat():
            failed = message.state == "failed"
            words = tr("The answer failed") if failed else tr("The answer is complete")
            announce(self._window, f"{chat.title}: {words}", urgent=failed)

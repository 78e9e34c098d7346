"""The Chat place: a list of chats, the open one with its composer, and its inspector.

Passes user actions to the desk, and the desk's signals to the widgets. Knows nothing of the engine.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from gistdesk.core.errors import UserError
from gistdesk.library import Chat, Entry, Message, Passage
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.ui.chat.inspector import ChatInspector
from gistdesk.ui.chat.list import ChatList
from gistdesk.ui.chat.message import MessageView
from gistdesk.ui.chat.page import ChatPage
from gistdesk.ui.chat.pills import DocumentPicker

_COMING = ("queued", "extracting", "compressing")
"""A document without a gist may be put into a chat in these states."""

T = TypeVar("T")


class ChatPlace(QObject):
    """The Chat place of the window.

    Attributes:
        list_widget, main_widget, inspector_widget: for the window's columns.
        chat_id: the open chat; None when there is none.

    Signals:
        source_requested: a `Passage`, to be shown in the reader.
        documents_requested: new files should be added to the library.
        models_requested: another model should be chosen.
    """

    source_requested = Signal(object)
    documents_requested = Signal()
    models_requested = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.chat_id: int | None = None
        self._writing: dict[int, _Writing] = {}
        self._drafts: dict[int, str] = {}
        self._edited: dict[int, dict[int, str]] = {}
        self.list_widget = ChatList(desk)
        self.main_widget = ChatPage()
        self.inspector_widget = ChatInspector(desk)
        self.transcript = self.main_widget.transcript
        self.composer = self.main_widget.composer
        self._refresh_timer = QTimer(self, singleShot=True, interval=0)
        self._connect()
        chats = self.list_widget.chats()
        self._open(chats[0].id if chats else None)

    def _connect(self) -> None:
        self._refresh_timer.timeout.connect(self._refresh)
        self.list_widget.opened.connect(self._on_opened)
        self.list_widget.activated.connect(self.focus_composer)
        self.list_widget.new_pressed.connect(self.new_chat)
        self.inspector_widget.failed.connect(self.main_widget.tell)
        self.main_widget.new_pressed.connect(self.new_chat)
        self.main_widget.add_pressed.connect(self.add_documents)
        self.main_widget.stop_pressed.connect(self.stop)
        self.main_widget.regenerate_pressed.connect(self.regenerate)
        self.main_widget.verify_pressed.connect(self.verify)
        self.transcript.focus_chain_changed.connect(self._order_focus)
        self.transcript.acted.connect(self._on_acted)
        self.transcript.edited.connect(self._on_edited)
        self.transcript.passage_chosen.connect(self._on_passage_chosen)
        self.composer.look_up_chosen.connect(self._on_look_up_chosen)
        self.composer.presets.kept.connect(self._on_prompt_kept)
        self.composer.presets.dropped.connect(self._on_prompt_dropped)
        self.composer.sent.connect(self._on_sent)
        self.composer.stop_pressed.connect(self.stop)
        self.composer.pills.removed.connect(self._on_document_removed)
        self.composer.pills.add_pressed.connect(self.add_documents)
        self._desk.chats.one_changed.connect(self._on_chat_changed)
        self._desk.chats.changed.connect(self._on_chats_changed)
        self._desk.documents.one_changed.connect(self._on_entry_changed)
        self._desk.documents.changed.connect(self._refresh_timer.start)
        self._desk.models_changed.connect(self._refresh_timer.start)
        self._desk.settings_changed.connect(self._refresh_timer.start)
        self._desk.chats.phase.connect(self._on_phase)
        self._desk.chats.delta.connect(self._on_delta)
        self._desk.chats.done.connect(self._on_done)

    # called by the window

    def focus_find(self) -> None:
        """Focus the list's search field (Ctrl+F)."""
        self.list_widget.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.list_widget.search.selectAll()

    def focus_composer(self) -> None:
        """Focus the question field (Ctrl+L)."""
        self.composer.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def open_new(self, entry_ids: Sequence[int]) -> int | None:
        """Start a chat about these documents -> its id; None if that failed, and a banner says why."""
        chat_id = self._tried(lambda: self._desk.chats.new(entry_ids))
        if chat_id is not None:
            self.open(chat_id)
            self.focus_composer()
        return chat_id

    def new_chat(self) -> None:
        """Start a chat about the open one's documents (Ctrl+N), unless the open chat is still empty."""
        entry_ids: tuple[int, ...] = ()
        if self.chat_id is not None:
            chat = self._desk.library.chats.get(self.chat_id)
            if chat.leaf_id is None:
                self.focus_composer()
                return
            entry_ids = chat.entry_ids
        self.open_new(entry_ids)

    def open(self, chat_id: int) -> None:
        """Show this chat."""
        self.list_widget.show_all()
        self._open(chat_id)

    def stop(self) -> None:
        """Stop the answer being written in the open chat (Esc); its text so far is kept."""
        for message_id in self._written_here():
            self._desk.chats.stop(message_id)

    def regenerate(self) -> None:
        """Start another version of the last answer (Ctrl+R)."""
        if (view := self.transcript.last_answer()) is not None:
            view.act("regenerate")

    def verify(self) -> None:
        """Look up the current answer, else the last one, in the documents (Ctrl+Shift+F)."""
        view = self.transcript.focused()
        if view is None or view.message.role != "assistant":
            view = self.transcript.last_answer()
        if view is not None:
            view.act("verify")

    def toggle_look_up(self) -> None:
        """Switch passage lookup on or off for the next answers in the open chat."""
        if self.chat_id is not None:
            self.composer.look_up.click()

    def add_documents(self) -> None:
        """Choose documents from the library for the open chat; if there are none, ask the window for new ones."""
        if self.chat_id is None and self.open_new([]) is None:
            return
        shown = set(self._desk.library.chats.get(self._open_id()).entry_ids)
        entries = [
            e for e in self._desk.library.entries.all() if e.id not in shown and (e.can_answer or e.state in _COMING)
        ]
        if not entries and not shown:
            self.documents_requested.emit()
            return
        picker = DocumentPicker(entries, self.main_widget)
        picker.picked.connect(self.use_documents)
        picker.files_wanted.connect(self.documents_requested)
        button = self.composer.pills.add_button
        picker.move(button.mapToGlobal(button.rect().topLeft()) - picker.rect().bottomLeft())
        picker.show()

    def use_documents(self, entry_ids: Sequence[int]) -> None:
        """Add these documents to the open chat."""
        chat = self._desk.library.chats.get(self._open_id())
        self._set_documents([*chat.entry_ids, *(i for i in entry_ids if i not in chat.entry_ids)])
        self.focus_composer()

    # the open chat

    def _open_id(self) -> int:
        assert self.chat_id is not None
        return self.chat_id

    def _open(self, chat_id: int | None) -> None:
        if self.chat_id is not None:
            self._drafts[self.chat_id] = self.composer.field.toPlainText()
            if chat_id != self.chat_id:
                self._edited[self.chat_id] = self.transcript.being_edited()
        changed = chat_id != self.chat_id
        self.chat_id = chat_id
        self.list_widget.choose(chat_id)
        if changed:
            self.inspector_widget.save()
            self.composer.field.setPlainText(self._drafts.pop(chat_id, "") if chat_id is not None else "")
            self.composer.field.moveCursor(self.composer.field.textCursor().MoveOperation.End)
            self.main_widget.banners_gone()
            self.transcript.show_path([], busy=False)
            self.transcript.go_on_editing(self._edited.pop(chat_id, {}) if chat_id is not None else {})
        self._refresh()

    def _refresh(self) -> None:
        """Show the open chat as the library has it; only what changed is redrawn."""
        self._refresh_timer.stop()
        chat = self._chat()
        self.inspector_widget.show_chat(chat)
        if chat is None:
            self.chat_id = None
            self.main_widget.show_none()
            return
        path = [self._as_written(message) for message in self._desk.library.chats.path(chat.id)]
        self.main_widget.show_ability(self._desk.ability)
        self.main_widget.show_chat(has_documents=bool(chat.entry_ids), has_messages=bool(path))
        busy = any(message.state == "writing" for message in path) or bool(self._written_here())
        self.transcript.show_path(path, busy=busy)
        self.composer.set_busy(busy)
        self.composer.show_entries(self._entries(chat))
        self.composer.show_look_up(chat.look_up)
        self.composer.presets.show_prompts(self._desk.settings.prompts)
        self._order_focus()
        for message_id in self._written_here():
            self._show_phase(message_id)

    def _order_focus(self) -> None:
        """Have Tab go from list to current message, documents and composer, in whatever order they were created."""
        chain = [self.list_widget.view, *self.transcript.focus_chain(), *self.composer.focus_chain()]
        if chain[0].window() is chain[-1].window():
            for before, after in pairwise(chain):
                QWidget.setTabOrder(before, after)

    def _chat(self) -> Chat | None:
        """The open chat, unless it was deleted in another window."""
        if self.chat_id is None:
            return None
        try:
            chat = self._desk.library.chats.get(self.chat_id)
        except UserError:
            return None
        return None if chat.trashed else chat

    def _entries(self, chat: Chat) -> list[Entry]:
        return [self._desk.library.entries.get(entry_id) for entry_id in chat.entry_ids]

    def _set_documents(self, entry_ids: Sequence[int]) -> None:
        self._desk.chats.change(self._open_id(), entry_ids=entry_ids)
        self._refresh()

    def _as_written(self, message: Message) -> Message:
        """A message with all its text so far; the library may lack the last half second."""
        written = self._writing.get(message.id)
        if written is None or message.state != "writing":
            return message
        return replace(message, text=written.text())

    def _written_here(self) -> list[int]:
        return [message_id for message_id, written in self._writing.items() if written.chat_id == self.chat_id]

    # user actions

    def _on_opened(self, chat_id: int) -> None:
        self._open(chat_id or None)

    def _on_look_up_chosen(self, wanted: bool) -> None:
        self._desk.chats.change(self._open_id(), look_up=wanted)

    def _on_prompt_kept(self, prompt: str) -> None:
        self._desk.change_settings(prompts=(*self._desk.settings.prompts, prompt))

    def _on_prompt_dropped(self, prompt: str) -> None:
        self._desk.change_settings(prompts=tuple(each for each in self._desk.settings.prompts if each != prompt))

    def _on_sent(self, text: str) -> None:
        self.inspector_widget.save()
        chat_id = self._open_id()
        if self._begin(lambda: self._desk.chats.ask(chat_id, text)) is not None:
            self.composer.field.clear()
            self._drafts.pop(chat_id, None)

    def _on_edited(self, message_id: int, text: str) -> None:
        self._begin(lambda: self._desk.chats.edit(message_id, text))
        self.focus_composer()

    def _begin(self, start: Callable[[], int]) -> int | None:
        """Start an answer and scroll to it."""
        message_id = self._tried(start)
        if message_id is not None:
            self._note_writing(message_id)
            self._refresh()
            self.transcript.scroll_to_end()
        return message_id

    def _note_writing(self, message_id: int) -> None:
        if message_id in self._writing:
            return
        message = self._desk.library.chats.message(message_id)
        if message.state == "writing":
            self._writing[message_id] = _Writing(message.chat_id)

    def _on_acted(self, message_id: int, action: str) -> None:
        view = self.transcript.view(message_id)
        if view is None:
            return
        if action in ("regenerate", "retry"):
            self._begin(lambda: self._desk.chats.regenerate(message_id))
        elif action in ("older", "newer"):
            self._choose_version(view, -1 if action == "older" else 1)
        elif action == "branch":
            branched = self._tried(lambda: self._desk.chats.branch(message_id))
            if branched is not None:
                self.open(branched)
                self.focus_composer()
        elif action == "verify":
            self._verify(view)
        elif action == "models":
            self.models_requested.emit()
        elif action == "recompress":
            self._recompress()
        elif action in ("compare", "compare again"):
            self._compare(view, again=action == "compare again")

    def _recompress(self) -> None:
        """Recompress all of the chat's documents with the current model, so that the answer can be retried."""
        chat = self._desk.library.chats.get(self._open_id())
        self._tried(lambda: self._desk.documents.recompress(chat.entry_ids))

    def _choose_version(self, view: MessageView, step: int) -> None:
        versions = self._desk.library.chats.versions(view.id)
        index = view.message.version - 1 + step
        if 0 <= index < len(versions):
            self._desk.chats.choose_version(versions[index].id)
            self._refresh()
            chosen = self.transcript.view(versions[index].id)
            if chosen is not None:
                chosen.setFocus(Qt.FocusReason.OtherFocusReason)

    def _verify(self, view: MessageView) -> None:
        if view.shows_passages():
            view.hide_passages()
            return
        verified = self._tried(lambda: self._desk.chats.verify(view.id))
        if verified is not None:
            grounded, passages = verified
            self.transcript.hold(view)
            view.show_passages(passages, self._searched(view.message), grounded)
            self.transcript.reveal(view)

    def _searched(self, answer: Message) -> str:
        question = "" if answer.parent_id is None else self._desk.library.chats.message(answer.parent_id).text
        return f"{answer.text} {question}"

    def _compare(self, view: MessageView, *, again: bool) -> None:
        if view.compared_id() is not None and not again:
            view.show_comparison(None)
            return
        known = self._desk.library.chats.comparison(view.id)
        if known is None or known.state in ("failed", "stopped") or again:
            message_id = self._tried(lambda: self._desk.chats.compare(view.id))
            if message_id is None:
                return
            self._note_writing(message_id)
            known = self._desk.library.chats.message(message_id)
        self.transcript.hold(view)
        view.show_comparison(self._as_written(known))
        self._refresh()

    def _on_passage_chosen(self, passage: Passage) -> None:
        self.source_requested.emit(passage)

    def _on_document_removed(self, entry_id: int) -> None:
        chat = self._desk.library.chats.get(self._open_id())
        self._set_documents([i for i in chat.entry_ids if i != entry_id])

    def _tried(self, call: Callable[[], T]) -> T | None:
        """The call's result; on a UserError, a banner shows it and the result is None."""
        try:
            return call()
        except UserError as error:
            self.main_widget.tell(Notice(error.message, error.hint))
            return None

    # session signals

    def _on_chat_changed(self, chat_id: int) -> None:
        if chat_id == self.chat_id:
            self._refresh_timer.start()

    def _on_chats_changed(self) -> None:
        if self.chat_id is not None and self._chat() is None:
            self._refresh_timer.start()

    def _on_entry_changed(self, entry_id: int) -> None:
        chat = self._chat()
        if chat is not None and entry_id in chat.entry_ids:
            self.composer.show_entries(self._entries(chat))

    def _on_phase(self, message_id: int, phase: str) -> None:
        self._note_writing(message_id)
        if message_id in self._writing:
            self._writing[message_id].phase = phase
            self._show_phase(message_id)

    def _show_phase(self, message_id: int) -> None:
        answer = self.transcript.answer(message_id)
        if answer is not None:
            answer.set_phase(self._writing[message_id].phase)

    def _on_delta(self, message_id: int, delta: str) -> None:
        self._note_writing(message_id)
        if message_id in self._writing:
            self._writing[message_id].pieces.append(delta)
            self.transcript.add_delta(message_id, delta)

    def _on_done(self, message_id: int) -> None:
        self._writing.pop(message_id, None)
        message = self._desk.library.chats.message(message_id)
        for view in self.transcript.views:
            if view.id == message_id:
                view.set_message(message)
            elif view.compared_id() == message_id:
                view.show_comparison(message)
        if message.chat_id == self.chat_id:
            self._refresh_timer.start()


class _Writing:
    """An answer being written: its chat, its phase, and the pieces of its text."""

    def __init__(self, chat_id: int) -> None:
        self.chat_id = chat_id
        self.phase = "queued"
        self.pieces: list[str] = []

    def text(self) -> str:
        return "".join(self.pieces)

"""Chats: trees of messages; one path, from the root to the chat's leaf, is shown.

An edited question or a regenerated answer is a sibling of the old one; nothing is overwritten. Knows nothing of how
answers are made.
"""

import json
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_args

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import packed, unpacked
from gistdesk.core.title import shown_title
from gistdesk.library.records import Chat, Kind, Message, MessageState, Role
from gistdesk.library.rows import id_of, one_of, text_of, time_of
from gistdesk.library.store import Store, now
from gistdesk.library.text_index import like, quoted

_ENGLISH: Mapping[str, str] = MappingProxyType({})
_MESSAGES = (
    "SELECT messages.*, "
    "(SELECT count(*) FROM messages AS other WHERE other.chat_id = messages.chat_id AND other.parent_id IS "
    "messages.parent_id AND other.role = messages.role AND other.kind = messages.kind) AS n_versions, "
    "(SELECT count(*) FROM messages AS other WHERE other.chat_id = messages.chat_id AND other.parent_id IS "
    "messages.parent_id AND other.role = messages.role AND other.kind = messages.kind AND other.id <= messages.id) "
    "AS version FROM messages"
)
# UNION, not UNION ALL: in a damaged table, messages that answer each other would loop forever
_PATH = (
    "WITH RECURSIVE path(id, parent_id) AS (SELECT id, parent_id FROM messages WHERE id = ? UNION "
    "SELECT messages.id, messages.parent_id FROM messages JOIN path ON messages.id = path.parent_id) "
    f"{_MESSAGES} WHERE messages.id IN (SELECT id FROM path) ORDER BY messages.id"
)
_NEWEST_BELOW = (
    "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT messages.id FROM messages JOIN below "
    "ON messages.chat_id = ? AND messages.parent_id = below.id AND messages.kind = 'gist') SELECT max(id) FROM below"
)


class Chats:
    """Chats and their messages."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        entry_ids: Sequence[int],
        *,
        title: str = "",
        system: str | None = None,
        sampling: dict[str, Any] | None = None,
    ) -> Chat:
        """Begin a chat about entries, in this order; passages are looked up where their texts are kept."""
        time = now()
        with self._store.write() as db:
            chat_id = db.execute(
                "INSERT INTO chats(title, system, sampling, look_up, created, updated) VALUES (?, ?, ?, 1, ?, ?)",
                (shown_title(title), system, _packed(sampling), time, time),
            ).lastrowid
            assert chat_id is not None
            _set_entries(db, chat_id, entry_ids)
            return self.get(chat_id)

    def get(self, chat_id: int) -> Chat:
        """Raises UserError: it was permanently deleted."""
        found = self._chats("WHERE id = ?", (chat_id,))
        if not found:
            raise UserError("The chat is no longer in the library.", "It was deleted in another window.")
        return found[0]

    def all(self, *, search: str = "", trashed: bool = False) -> list[Chat]:
        """Pinned ones first, each group with the most recently changed first.

        Args:
            search: words that must all be found, each in the title or in a message, on the path or not.
            trashed: those in the trash instead of the others.
        """
        order = "ORDER BY pinned DESC, updated DESC, id DESC"
        found = self._chats(f"WHERE trashed IS {'NOT ' if trashed else ''}NULL {order}", ())
        for word in unicodedata.normalize("NFC", search).split():
            in_messages = self._chats_with(word)
            folded = word.casefold()
            found = [c for c in found if folded in c.title.casefold() or c.id in in_messages]
        return found

    def change(
        self,
        chat_id: int,
        *,
        title: str | None = None,
        system: str | None = None,
        sampling: dict[str, Any] | None = None,
        entry_ids: Sequence[int] | None = None,
        look_up: bool | None = None,
    ) -> None:
        """Change what is given; an empty system prompt means none."""
        short = None if title is None else shown_title(title)
        with self._store.write() as db:
            db.execute(
                "UPDATE chats SET title = coalesce(?, title), sampling = coalesce(?, sampling), "
                "system = CASE WHEN ? IS NULL THEN system ELSE nullif(?, '') END, look_up = coalesce(?, look_up), "
                "updated = ? WHERE id = ?",
                (short, None if sampling is None else _packed(sampling), system, system, look_up, now(), chat_id),
            )
            if entry_ids is not None:
                db.execute("DELETE FROM chat_entries WHERE chat_id = ?", (chat_id,))
                _set_entries(db, chat_id, entry_ids)

    def pin(self, chat_id: int, pinned: bool) -> None:
        """Put a chat before the others, or back among them."""
        with self._store.write() as db:
            db.execute("UPDATE chats SET pinned = ? WHERE id = ?", (pinned, chat_id))

    def trash(self, chat_id: int) -> None:
        with self._store.write() as db:
            db.execute("UPDATE chats SET trashed = coalesce(trashed, ?) WHERE id = ?", (now(), chat_id))

    def restore(self, chat_id: int) -> None:
        with self._store.write() as db:
            db.execute("UPDATE chats SET trashed = NULL WHERE id = ?", (chat_id,))

    # messages

    def add_message(
        self,
        chat_id: int,
        *,
        parent_id: int | None,
        role: Role,
        text: str,
        state: MessageState = "complete",
        kind: Kind = "gist",
        figures: dict[str, Any] | None = None,
    ) -> Message:
        """Add a turn below `parent_id` (None: the first). It becomes the end of the shown path, unless it is "full".

        One that is "writing" becomes "stopped" if this process dies (see `WorkQueue.recover`).

        Raises:
            UserError: the chat was permanently deleted.
        """
        self.get(chat_id)
        time = now()
        with self._store.write() as db:
            message_id = db.execute(
                "INSERT INTO messages(chat_id, parent_id, role, text, state, kind, figures, owner, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (chat_id, parent_id, role, text, state, kind, _packed(figures), self._writer(state), time),
            ).lastrowid
            if kind == "gist":
                db.execute("UPDATE chats SET leaf_id = ? WHERE id = ?", (message_id, chat_id))
            db.execute("UPDATE chats SET updated = ? WHERE id = ?", (time, chat_id))
            assert message_id is not None
            return self.message(message_id)

    def message(self, message_id: int) -> Message:
        """Raises UserError: it was permanently deleted."""
        rows = self._store.rows(f"{_MESSAGES} WHERE messages.id = ?", (message_id,))
        if not rows:
            raise UserError("The message is no longer in the library.", "Its chat was deleted in another window.")
        return _message(rows[0])

    def set_message(
        self,
        message_id: int,
        *,
        text: str | None = None,
        state: MessageState | None = None,
        figures: dict[str, Any] | None = None,
    ) -> None:
        """Change what is given."""
        with self._store.write() as db:
            db.execute(
                "UPDATE messages SET text = coalesce(?, text), figures = coalesce(?, figures) WHERE id = ?",
                (text, None if figures is None else _packed(figures), message_id),
            )
            if state is not None:
                db.execute(
                    "UPDATE messages SET state = ?, owner = ? WHERE id = ?", (state, self._writer(state), message_id)
                )
                db.execute(
                    "UPDATE chats SET updated = ? WHERE id = (SELECT chat_id FROM messages WHERE id = ?)",
                    (now(), message_id),
                )

    def path(self, chat_id: int) -> list[Message]:
        """The messages shown, from the first to the chat's leaf."""
        return self._path_to(self.get(chat_id).leaf_id)

    def lineage(self, message_id: int) -> list[Message]:
        """A message with everything before it, from the chat's first message on, whatever is currently shown."""
        return self._path_to(message_id)

    def choose_version(self, message_id: int) -> None:
        """Show this sibling, and below it the branch that was written last."""
        with self._store.write() as db:
            row = db.execute("SELECT chat_id FROM messages WHERE id = ?", (message_id,)).fetchone()
            if row is None:
                return
            leaf_id = db.execute(_NEWEST_BELOW, (message_id, row["chat_id"])).fetchone()[0]
            db.execute("UPDATE chats SET leaf_id = ? WHERE id = ?", (leaf_id, row["chat_id"]))

    def versions(self, message_id: int) -> list[Message]:
        """A message and its siblings of the same role and kind, oldest first."""
        message = self.message(message_id)
        rows = self._store.rows(
            f"{_MESSAGES} WHERE chat_id = ? AND parent_id IS ? AND role = ? AND kind = ? ORDER BY id",
            (message.chat_id, message.parent_id, message.role, message.kind),
        )
        return [_message(row) for row in rows]

    def branch(self, message_id: int) -> Chat:
        """A new chat with a copy of the path up to and including this message.

        Raises:
            UserError: the message was permanently deleted.
        """
        message = self.message(message_id)
        old = self.get(message.chat_id)
        copied = self._path_to(message_id)
        time = now()
        with self._store.write() as db:
            chat_id = db.execute(
                "INSERT INTO chats(title, system, sampling, look_up, created, updated) VALUES (?, ?, ?, ?, ?, ?)",
                (old.title, old.system, _packed(old.sampling), old.look_up, time, time),
            ).lastrowid
            assert chat_id is not None
            _set_entries(db, chat_id, old.entry_ids)
            parent_id = None
            for turn in copied:
                state = "stopped" if turn.state == "writing" else turn.state
                parent_id = db.execute(
                    "INSERT INTO messages(chat_id, parent_id, role, text, state, kind, figures, created) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (chat_id, parent_id, turn.role, turn.text, state, turn.kind, _packed(turn.figures), turn.created),
                ).lastrowid
            db.execute("UPDATE chats SET leaf_id = ? WHERE id = ?", (parent_id, chat_id))
            return self.get(chat_id)

    def comparison(self, message_id: int) -> Message | None:
        """The newest answer from the full text to the question that this message answers."""
        message = self.message(message_id)
        rows = self._store.rows(
            f"{_MESSAGES} WHERE chat_id = ? AND parent_id IS ? AND kind = 'full' ORDER BY id DESC LIMIT 1",
            (message.chat_id, message.parent_id),
        )
        return _message(rows[0]) if rows else None

    def export(self, chat_id: int, form: str, words: Mapping[str, str] = _ENGLISH) -> str:
        """The shown path as "markdown", with headings in `words` (see `as_markdown`), or everything as "json".

        Raises:
            ValueError: any other form.
        """
        from gistdesk.library.chat_export import as_json, as_markdown  # not needed to draw the window

        chat = self.get(chat_id)
        titles = self._store.rows(
            "SELECT title FROM chat_entries JOIN entries ON entries.id = entry_id WHERE chat_id = ? ORDER BY position",
            (chat_id,),
        )
        documents = [text_of(row["title"]) for row in titles]
        if form == "markdown":
            return as_markdown(chat, documents, self.path(chat_id), words)
        if form == "json":
            rows = self._store.rows(f"{_MESSAGES} WHERE chat_id = ? ORDER BY id", (chat_id,))
            return as_json(chat, documents, [_message(row) for row in rows])
        raise ValueError(f"a chat is not exported as {form}")

    def _path_to(self, message_id: int | None) -> list[Message]:
        return [] if message_id is None else [_message(row) for row in self._store.rows(_PATH, (message_id,))]

    def _chats(self, condition: str, values: Sequence[Any]) -> list[Chat]:
        with self._store.read() as db:
            rows = db.execute(f"SELECT * FROM chats {condition}", values).fetchall()
            pairs = db.execute("SELECT chat_id, entry_id FROM chat_entries ORDER BY chat_id, position").fetchall()
        entry_ids: dict[int, list[int]] = {}
        for pair in pairs:
            if id_of(pair["entry_id"]) is None:
                continue
            entry_ids.setdefault(pair["chat_id"], []).append(pair["entry_id"])
        return [
            Chat(
                row["id"],
                text_of(row["title"]),
                tuple(entry_ids.get(row["id"], ())),
                None if row["system"] is None else text_of(row["system"]),
                _unpacked(row["sampling"]),
                id_of(row["leaf_id"]),
                time_of(row["created"]),
                time_of(row["updated"]),
                None if row["trashed"] is None else time_of(row["trashed"]),
                bool(row["look_up"]),
                bool(row["pinned"]),
            )
            for row in rows
        ]

    def _chats_with(self, word: str) -> set[int]:
        """The chats with a message that contains a word. Trigrams cannot find words of two characters."""
        if len(word) >= 3:
            condition, value = "id IN (SELECT rowid FROM message_index WHERE text MATCH ?)", quoted(word)
        else:
            condition, value = "text LIKE ? ESCAPE '\\'", like(word)
        rows = self._store.rows(f"SELECT DISTINCT chat_id FROM messages WHERE {condition}", (value,))
        return {row["chat_id"] for row in rows}

    def _writer(self, state: str) -> str | None:
        return self._store.owner.name if state == "writing" else None


def _set_entries(db: sqlite3.Connection, chat_id: int, entry_ids: Sequence[int]) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO chat_entries(chat_id, entry_id, position) VALUES (?, ?, ?)",
        [(chat_id, entry_id, position) for position, entry_id in enumerate(entry_ids)],
    )


def _packed(values: dict[str, Any] | None) -> str:
    return json.dumps(packed(values or {}), ensure_ascii=False)


def _unpacked(packed: object) -> dict[str, Any]:
    """Empty if it is damaged: the chat can still be read."""
    try:
        values = json.loads(packed) if isinstance(packed, str) else None
    except (ValueError, RecursionError):
        values = None
    return unpacked(values) if isinstance(values, dict) else {}


def _message(row: sqlite3.Row) -> Message:
    return Message(
        row["id"],
        row["chat_id"],
        id_of(row["parent_id"]),
        one_of(row["role"], get_args(Role), "assistant"),
        text_of(row["text"]),
        one_of(row["state"], get_args(MessageState), "failed"),
        one_of(row["kind"], get_args(Kind), "gist"),
        _unpacked(row["figures"]),
        time_of(row["created"]),
        row["version"],
        row["n_versions"],
    )

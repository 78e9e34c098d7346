"""A chat as a file for people (Markdown) or for programs (JSON). Knows nothing of the library it came from."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from gistdesk.library.records import Chat, Message

_SPEAKER = {"user": "Question", "assistant": "Answer"}


def as_markdown(chat: Chat, documents: Sequence[str], path: Sequence[Message]) -> str:
    """Title, documents and the turns of one path; an answer that was cut short says so."""
    lines = [f"# {chat.title or 'Chat'}", ""]
    lines += [f"- {title}" for title in documents]
    if documents:
        lines.append("")
    for message in path:
        note = "" if message.state == "complete" else f" ({message.state})"
        lines += [f"## {_SPEAKER[message.role]}{note}", "", message.text.strip(), ""]
    return "\n".join(lines)


def as_json(chat: Chat, documents: Sequence[str], messages: Sequence[Message]) -> str:
    """Everything: also the versions that are not on the path."""
    return json.dumps(
        {**asdict(chat), "documents": list(documents), "messages": [asdict(m) for m in messages]},
        ensure_ascii=False,
        indent=2,
    )

"""A chat as a file for people (Markdown) or for programs (JSON). Knows nothing of the library it came from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from gistdesk.library.records import Chat, Message

_SPEAKER = {"user": "Question", "assistant": "Answer"}


def as_markdown(chat: Chat, documents: Sequence[str], path: Sequence[Message], words: Mapping[str, str]) -> str:
    """Title, documents and the turns of one path; an answer that was cut short says so.

    Args:
        words: another language's for "Chat", "Question", "Answer" and a message's states; what is missing is English.
    """
    lines = [f"# {chat.title or words.get('Chat', 'Chat')}", ""]
    lines += [f"- {title}" for title in documents]
    if documents:
        lines.append("")
    for message in path:
        speaker = _SPEAKER[message.role]
        note = "" if message.state == "complete" else f" ({words.get(message.state, message.state)})"
        lines += [f"## {words.get(speaker, speaker)}{note}", "", message.text.strip(), ""]
    return "\n".join(lines)


def as_json(chat: Chat, documents: Sequence[str], messages: Sequence[Message]) -> str:
    """Everything: also the versions that are not on the path."""
    return json.dumps(
        {**asdict(chat), "documents": list(documents), "messages": [asdict(m) for m in messages]},
        ensure_ascii=False,
        indent=2,
    )

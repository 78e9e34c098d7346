"""A chat as a file for people (Markdown) or for programs (JSON). Knows nothing of the library it came from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from gistdesk.library.records import Chat, Message, Passage

_SPEAKER = {"user": "Question", "assistant": "Answer"}
PLACES = {"page": "{title}, page {n}", "section": "{title}, section {n}", None: "{title}"}
"""Where a passage is, by what its document's pages are called."""


def as_markdown(chat: Chat, documents: Sequence[str], path: Sequence[Message], words: Mapping[str, str]) -> str:
    """Title, documents and the turns of one path, with the passages that were read for each answer; a truncated answer
    says so.

    Args:
        words: translations of "Chat", "Question", "Answer", "Passages read", of `PLACES` and of a message's
            states; missing ones are in English.
    """
    lines = [f"# {chat.title or words.get('Chat', 'Chat')}", ""]
    lines += [f"- {title}" for title in documents]
    if documents:
        lines.append("")
    for message in path:
        speaker = _SPEAKER[message.role]
        note = "" if message.state == "complete" else f" ({words.get(message.state, message.state)})"
        lines += [f"## {words.get(speaker, speaker)}{note}", "", message.text.strip(), ""]
        if message.passages:
            lines += [f"### {words.get('Passages read', 'Passages read')}", ""]
            lines += [f"- {_place(passage, words)}: “{' '.join(passage.text.split())}”" for passage in message.passages]
            lines.append("")
    return "\n".join(lines)


def _place(passage: Passage, words: Mapping[str, str]) -> str:
    words_of_place = PLACES[passage.page_label]
    return words.get(words_of_place, words_of_place).format(title=passage.title, n=passage.page)


def as_json(chat: Chat, documents: Sequence[str], messages: Sequence[Message]) -> str:
    """Everything, including the versions that are not on the path."""
    return json.dumps(
        {**asdict(chat), "documents": list(documents), "messages": [asdict(m) for m in messages]},
        ensure_ascii=False,
        indent=2,
    )

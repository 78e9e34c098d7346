"""The library: documents, gists, chats and the queue, in one folder. Knows nothing of models, tensors and windows."""

from gistdesk.library.library import Library
from gistdesk.library.records import (
    Chat,
    Entry,
    GistFigures,
    GistRow,
    Grounded,
    Identity,
    Message,
    Passage,
    Problem,
    State,
    Storage,
    TextFigures,
    Verdict,
    row_of,
)

__all__ = [
    "Chat",
    "Entry",
    "GistFigures",
    "GistRow",
    "Grounded",
    "Identity",
    "Library",
    "Message",
    "Passage",
    "Problem",
    "State",
    "Storage",
    "TextFigures",
    "Verdict",
    "row_of",
]

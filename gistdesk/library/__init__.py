"""The library: documents, gists, chats and the queue, in one folder. Knows nothing of models, tensors and windows."""

from gistdesk.library.chats import Chats
from gistdesk.library.collections import Collections
from gistdesk.library.moving import Move, Moving
from gistdesk.library.recalls import Recalls
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
    "Move",
    "Passage",
    "Problem",
    "State",
    "Storage",
    "TextFigures",
    "Verdict",
    "row_of",
]


class Library(Moving, Chats, Collections, Recalls):
    """One library folder, open.

    Calls take a few milliseconds; what takes longer is a generator. An object belongs to the thread that made it;
    for another thread or process, open another one on the same folder. A `UserError` comes out of any call when the
    disk is full, the database is damaged or another program holds it.

    The classes it is made of share one connection: `Store` (the folder and its database), `Texts` (what was read),
    `Entries` (the table and the queue), `Gists` (the files), `Recalls` (what was measured of them), `Upkeep` and
    `Moving` (the disk), `Chats`, `Collections`.
    """

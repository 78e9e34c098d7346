"""One open library folder: the parts that make up a library and share one connection to its database."""

from pathlib import Path

from gistdesk.library.chats import Chats
from gistdesk.library.collections import Collections
from gistdesk.library.disk import Disk
from gistdesk.library.entries import Entries
from gistdesk.library.gists import Gists
from gistdesk.library.pasted import Pasted
from gistdesk.library.recalls import Recalls
from gistdesk.library.sources import Sources
from gistdesk.library.store import Store
from gistdesk.library.text_index import TextIndex
from gistdesk.library.texts import Texts
from gistdesk.library.work_queue import WorkQueue


class Library:
    """Documents, gists, chats and the queue of one folder.

    Calls take a few milliseconds; anything slower is a generator. An object belongs to the thread that made it;
    for another thread or process, open another one on the same folder. Any call can raise a `UserError` if the
    disk is full, the database is damaged or another program holds it.

    Attributes:
        store: the folder and its database.
        texts: what was read from the documents.
        sources: the users' files, which may change.
        pasted: documents that were pasted as text.
        entries: the table of documents.
        queue: which of them is next, and which process is working on it.
        gists: the files of gists.
        recalls: measurements of gists.
        chats: conversations about entries.
        collections: named sets of entries.
        disk: the space it takes, and deleting what nobody needs.
    """

    def __init__(self, folder: Path) -> None:
        """Open the library in `folder`, or create one there.

        Raises:
            UserError: the folder cannot be used, or the database is damaged or of a newer version.
        """
        self.store = Store(folder)
        try:
            self._index = TextIndex(self.store.folder)
        except BaseException:
            self.store.close()
            raise
        self.texts = Texts(self.store, self._index)
        self.pasted = Pasted(self.store)
        self.entries = Entries(self.store, self._index)
        self.sources = Sources(self.store, self.entries)
        self.queue = WorkQueue(self.store, self.entries)
        self.gists = Gists(self.store, self.entries)
        self.recalls = Recalls(self.store)
        self.chats = Chats(self.store)
        self.collections = Collections(self.store)
        self.disk = Disk(self.store, self._index, self.gists)

    def close(self) -> None:
        """May be called twice."""
        self._index.close()
        self.store.close()

    def reopen(self) -> None:
        """Use the library at its new place after a move. Raises UserError, as opening does."""
        self.close()
        self.store.open()
        self._index.open(self.store.folder)

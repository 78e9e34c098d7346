"""Documents on their way into the library: reading one, making kept texts searchable. Knows nothing of gists."""

from dataclasses import field

from gistdesk.protocol.messages import Event, Request, message


@message
class ExtractProgress(Event):
    """Pages read. Tokens are counted after the last one."""

    name = "extract.progress"
    n_read: int
    n_pages: int


@message
class ExtractDone(Event):
    """A document's text was kept.

    Attributes:
        text_sha256: of the kept text file's bytes, as hex; also the file's name.
        page_label: what its pages are called, "page" or "section"; null for a format without pages.
        n_tokens: by the tokenizer of the named model, else of the loaded one; null without either.
    """

    name = "extract.done"
    title: str
    text_sha256: str
    text_path: str
    source_sha256: str
    source_bytes: int
    n_chars: int
    n_pages: int
    page_label: str | None
    n_tokens: int | None


@message
class Extract(Request):
    """Read a document and keep its text as `texts_folder/<text_sha256>.txt`: UTF-8, a form feed between pages.

    Attributes:
        model: whose tokenizer counts the tokens, without loading the model; null: the loaded one's.
    """

    name = "extract"
    done = ExtractDone
    path: str
    texts_folder: str
    password: str | None = field(default=None, repr=False)
    model: str | None = None


@message
class IndexProgress(Event):
    """`fraction` of one kept text can be searched."""

    name = "index.progress"
    entry_id: int
    fraction: float


@message
class IndexDone(Event):
    """All requested texts can be searched; `n_indexed` of them could not before."""

    name = "index.done"
    n_indexed: int


@message
class Index(Request):
    """Make kept texts of the library in `folder` searchable: those of `entry_ids`, or, if empty, all that are not."""

    name = "index"
    done = IndexDone
    folder: str
    entry_ids: tuple[int, ...] = ()


@message
class LookAtSourcesDone(Event):
    """`n_changed` entries have become "source changed", or "ready" again."""

    name = "look_at_sources.done"
    n_changed: int


@message
class LookAtSources(Request):
    """Compare the files that the library in `folder` was made from with what was read of them."""

    name = "look_at_sources"
    done = LookAtSourcesDone
    folder: str

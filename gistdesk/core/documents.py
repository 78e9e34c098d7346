"""Turns a file a person chose into a Document: its text, page by page, or one sentence that says why not.

It is read in a separate process (`document_process`), so that no file can exhaust the program's memory or time.
Knows nothing of tokens or windows.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gistdesk.core.document_formats import PageLabel, PasswordError
from gistdesk.core.document_parse import MAX_FILE_BYTES, Facts, Page
from gistdesk.core.document_process import reading

__all__ = ["MAX_FILE_BYTES", "Document", "PagesRead", "PasswordError", "extract", "gathered", "read_document"]

_PAGE_BREAK = "\n\n"


@dataclass(frozen=True)
class Document:
    """The content of one file.

    Attributes:
        title: the book's or web page's own title, else the file's name without its ending.
        pages: text of each page, in order; a page without text is "". A format without pages has one entry.
        page_label: "page" (PDF), "section" (EPUB: an item of its reading order, mostly a chapter), or None.
        source: the file.
        source_sha256: of the file's bytes, in hexadecimal.
        source_bytes: the file's size; 0 if it was not read from a file.
    """

    title: str
    pages: tuple[str, ...]
    page_label: PageLabel
    source: Path
    source_sha256: str
    source_bytes: int = 0

    @cached_property
    def text(self) -> str:
        """All pages, with a blank line between them."""
        return _PAGE_BREAK.join(self.pages)


@dataclass(frozen=True)
class PagesRead:
    """Progress of `extract`: pages read so far, and pages in all."""

    n_read: int
    n_pages: int


def read_document(path: Path, *, password: str | None = None) -> Document:
    """Read a PDF, DOCX, EPUB, HTML, Markdown or plain text file.

    Args:
        path: the file; its content decides the format, its ending only where the content cannot.
        password: opens an encrypted PDF; ignored for everything else.

    Raises:
        PasswordError: it is encrypted, and `password` is None or wrong.
        UserError: it cannot be read, is damaged, holds no text, or its format is not supported.
    """
    steps = extract(path, password=password)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            document: Document = finished.value
            return document


def extract(path: Path, *, password: str | None = None) -> Generator[PagesRead | None, None, Document]:
    """`read_document` in steps of one page, with None every fifth of a second in between, so that it can be stopped.

    The document is the generator's return value.
    """
    return (yield from gathered(path, reading(path, password)))


def gathered(path: Path, steps: Generator[Page | None, None, Facts]) -> Generator[PagesRead | None, None, Document]:
    """Build a document from the pages as they are yielded."""
    pages: list[str] = []
    try:
        while True:
            page = next(steps)
            if page is None:
                yield None
                continue
            pages.append(page.text)
            yield PagesRead(len(pages), page.n_pages)
    except StopIteration as finished:
        facts: Facts = finished.value
    finally:
        steps.close()
    return Document(facts.title, tuple(pages), facts.page_label, path, facts.source_sha256, facts.source_bytes)

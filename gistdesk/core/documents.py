"""A file a person chose becomes a Document: its text, page by page, or one sentence that says why not.

Decides what a file is and tidies what the formats deliver. Knows nothing of tokens or windows.
"""

import bisect
import hashlib
import itertools
import re
import stat
import unicodedata
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gistdesk.core.document_formats import (
    CONVERT_HINT,
    Opened,
    PageLabel,
    PasswordError,
    open_archive,
    open_html,
    open_pdf,
    open_text,
)
from gistdesk.core.errors import UserError
from gistdesk.core.title import printable, shown_title

__all__ = ["MAX_FILE_BYTES", "Document", "PagesRead", "PasswordError", "extract", "read_document"]

MAX_FILE_BYTES = 512 * 2**20
"""A file is in memory as a whole while it is read, beside a model. Scanned books, the largest files that hold
any text, stay below this."""

_PAGE_BREAK = "\n\n"


@dataclass(frozen=True)
class Document:
    """What was read from one file.

    Attributes:
        title: the book's or web page's own title, else the file's name without its ending.
        pages: text of each page, in order; a page without text is "". A format without pages has one entry.
        page_label: "page" (PDF), "section" (EPUB: an item of its reading order, mostly a chapter), or None.
        source: the file.
        source_sha256: of the file's bytes, in hexadecimal.
    """

    title: str
    pages: tuple[str, ...]
    page_label: PageLabel
    source: Path
    source_sha256: str

    @cached_property
    def text(self) -> str:
        """All pages, with a blank line between them."""
        return _PAGE_BREAK.join(self.pages)

    @cached_property
    def _page_starts(self) -> list[int]:
        lengths = (len(page) + len(_PAGE_BREAK) for page in self.pages[:-1])
        return list(itertools.accumulate(lengths, initial=0))

    def page_at(self, offset: int) -> int:
        """The page, counted from 1, of character `offset` of `text`; a break belongs to the page before."""
        if not 0 <= offset <= len(self.text):
            raise ValueError(f"offset {offset} is outside a text of {len(self.text)} characters")
        return bisect.bisect_right(self._page_starts, offset)


@dataclass(frozen=True)
class PagesRead:
    """Progress of `extract`: pages read so far, and pages in all."""

    n_read: int
    n_pages: int


def read_document(path: Path, *, password: str | None = None) -> Document:
    """Read a PDF, DOCX, EPUB, HTML, Markdown or plain text file.

    Args:
        path: the file; its content decides what it is, its ending only where content cannot.
        password: opens an encrypted PDF, and is ignored by everything else.

    Raises:
        PasswordError: it is encrypted, and `password` is None or wrong.
        UserError: it cannot be read, is damaged, holds no text, or is not of a supported format.
    """
    steps = extract(path, password=password)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            document: Document = finished.value
            return document


def extract(path: Path, *, password: str | None = None) -> Generator[PagesRead, None, Document]:
    """`read_document` in steps of one page; the document is the generator's return value."""
    name = shown_title(path.name or str(path))
    data = _bytes_of(path, name)
    pages: list[str] = []
    try:
        opened = _open(name, path.suffix.lower(), data, password)
        for raw in opened.pages:
            pages.append(_tidy(raw))
            yield PagesRead(len(pages), opened.n_pages)
    except RecursionError as error:
        raise UserError(f"{name} is nested too deeply to be read.", CONVERT_HINT) from error
    if not any(pages):
        raise opened.if_empty
    title = shown_title(_tidy(opened.title or "")) or shown_title(path.stem)
    return Document(title, tuple(pages), opened.page_label, path, hashlib.sha256(data).hexdigest())


def _bytes_of(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{name} is a folder.", "Choose the files in it instead.")
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{name} is a device or a pipe, not a file.", "Choose a file.")
        if status.st_size > MAX_FILE_BYTES:
            size_mb, limit_mb = status.st_size >> 20, MAX_FILE_BYTES >> 20
            raise UserError(
                f"{name} is {size_mb:,} MB, more than the {limit_mb} MB that can be read.",
                "Split it into smaller files and add those.",
            )
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a zero in the path
        raise UserError(
            f"{name} is not there.", f"Check whether {printable(str(path))} was moved or renamed."
        ) from error
    except PermissionError as error:
        raise UserError(f"{name} may not be read by you.", "Change its permissions, or copy it elsewhere.") from error
    except OSError as error:
        reason = error.strerror or "the disk gave no reason"
        raise UserError(f"{name} cannot be read: {reason}.", "Copy it to a local disk and add that copy.") from error
    if not data:
        raise UserError(f"{name} is empty.", "Add a file that has text in it.")
    return data


_TEXT_ENDINGS = (".txt", ".text", ".md", ".markdown")
_HTML_ENDINGS = (".html", ".htm", ".xhtml")
_BINARY_ENDINGS = (".pdf", ".docx", ".epub")
_HTML_OPENING = re.compile(rb"(\xef\xbb\xbf)?\s{0,99}<(!doctype html|html)\b", re.IGNORECASE)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")


def _open(name: str, ending: str, data: bytes, password: str | None) -> Opened:
    """By content where the content is unmistakable, else by the file's ending."""
    if data.startswith(b"%PDF-") or (ending == ".pdf" and b"%PDF-" in data[:1024]):
        return open_pdf(name, data, password)
    if data.startswith(b"PK\x03\x04"):
        return open_archive(name, data)
    if data.startswith(_OLE) and _ENCRYPTED_OFFICE in data:
        raise UserError(f"{name} is protected with a password.", "Remove the password in Word and save it again.")
    if data.startswith((_OLE, rb"{\rtf")):
        raise UserError(f"{name} is in an older Office, HWP or RTF format, which is not supported.", CONVERT_HINT)
    if ending in _TEXT_ENDINGS:
        return open_text(name, data)
    if ending in _HTML_ENDINGS or _HTML_OPENING.match(data):
        return open_html(name, data)
    if ending in _BINARY_ENDINGS:
        raise UserError(f"{name} is no {ending[1:].upper()} file, whatever its name says.", CONVERT_HINT)
    raise UserError(f"{name} is of a kind that is not supported.", CONVERT_HINT)


_LINE_ENDS = re.compile("\r\n|[\r\f\v\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\xad\ufeff\ufffe\uffff]")
"""Control characters, soft hyphens, stray byte order marks: nothing to see, but tokens of their own."""


def _tidy(text: str) -> str:
    """One kind of line end, nothing invisible, no spaces at line ends, at most two blank lines in a row.

    Hangul that is stored letter by letter (macOS) is composed, because models know syllables.
    """
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", unicodedata.normalize("NFC", text)))
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    return re.sub("\n{4,}", "\n\n\n", text).strip()

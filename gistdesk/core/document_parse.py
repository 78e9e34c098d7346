"""Reads a file's pages in this very process: detects the format, extracts the text, tidies it.

Takes as much time and memory as the file demands; `document_process` stops what takes too much. Knows nothing of
tokens or windows.
"""

import functools
import hashlib
import re
import stat
import unicodedata
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from gistdesk.core.document_archive import MAX_TEXT_BYTES, too_much_text
from gistdesk.core.document_formats import CONVERT_HINT, Opened, PageLabel, open_html
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from gistdesk.core.title import printable, shown_title, valid
from gistdesk.formats import FORMATS, Format

MAX_FILE_BYTES = 512 * 2**20
"""A file is held in memory whole while it is read, alongside a model. Scanned books, the largest files that hold
any text, stay below this."""
MAX_PAGES = 100_000
"""The largest books have a few thousand; a file of a few kilobytes can claim a billion."""


@dataclass(frozen=True)
class Page:
    """One page as read. Attributes: text; n_pages, the number of pages in the document."""

    text: str
    n_pages: int


@dataclass(frozen=True)
class Facts:
    """What is known of a file once its last page is read; as in `Document`."""

    title: str
    page_label: PageLabel
    source_sha256: str
    source_bytes: int


def parse(path: Path, password: str | None = None) -> Generator[Page, None, Facts]:
    """Yield the pages of a file, then return what else is known about it.

    Raises:
        PasswordError: it is encrypted, and `password` is None or wrong.
        UserError: it cannot be read, is damaged, holds no text or too much, or its format is not supported.
    """
    name = shown_name(path)
    data = _bytes_of(path, name)
    n_chars, is_empty = 0, True
    try:
        opened = _open(name, path.suffix.lower(), data, password)
        if opened.n_pages > MAX_PAGES:
            raise UserError(
                "{name} has {n:,} pages, more than the {limit:,} that can be read.",
                "Split it into smaller files and add those.",
                name=name,
                n=opened.n_pages,
                limit=MAX_PAGES,
            )
        for raw in opened.pages:
            text = _tidy(raw)
            n_chars += len(text)
            if n_chars > MAX_TEXT_BYTES:
                raise too_much_text(name)
            is_empty = is_empty and not text
            yield Page(text, opened.n_pages)
    except RecursionError as error:
        raise UserError("{name} is nested too deeply to be read.", CONVERT_HINT, name=name) from error
    if is_empty:
        raise opened.if_empty
    title = shown_title(_tidy((opened.title or "")[:2000])) or shown_title(path.stem)
    return Facts(title, opened.page_label, hashlib.sha256(data).hexdigest(), len(data))


def shown_name(path: Path) -> str:
    """A file's name, or its path if it has none, fit for a message."""
    return shown_title(path.name or str(path)) or "_"


def check(path: Path) -> int:
    """Check that a file can be read; returns its size.

    Raises:
        UserError: it cannot.
    """
    name = shown_name(path)
    with _explained(path, name):
        size = _checked_size(path, name)
        with path.open("rb"):
            return size


def _bytes_of(path: Path, name: str) -> bytes:
    with _explained(path, name):
        _checked_size(path, name)
        data = path.read_bytes()
    if not data:
        raise UserError("{name} is empty.", "Add a file that has text in it.", name=name)
    return data


def _checked_size(path: Path, name: str) -> int:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise UserError("{name} is a folder.", "Choose the files in it instead.", name=name)
    if not stat.S_ISREG(status.st_mode):
        raise UserError("{name} is a device or a pipe, not a file.", "Choose a file.", name=name)
    if status.st_size > MAX_FILE_BYTES:
        size_mb, limit_mb = status.st_size >> 20, MAX_FILE_BYTES >> 20
        raise UserError(
            "{name} is {size:,} MB, more than the {limit} MB that can be read.",
            "Split it into smaller files and add those.",
            name=name,
            size=size_mb,
            limit=limit_mb,
        )
    return status.st_size


@contextmanager
def _explained(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null byte in the path
        raise UserError(
            "{name} cannot be found.",
            "Check whether {path} was moved or renamed.",
            name=name,
            path=printable(str(path)),
        ) from error
    except PermissionError as error:
        raise UserError(
            "{name} cannot be read: you do not have permission.",
            "Change its permissions, or copy it elsewhere.",
            name=name,
        ) from error
    except OSError as error:
        reason = error.strerror or Sentence("the disk gave no reason")
        raise UserError(
            "{name} cannot be read: {reason}.", "Copy it to a local disk and add that copy.", name=name, reason=reason
        ) from error


_LATEST_BEGINNING = 1024
_HTML_OPENING = re.compile(rb"(\xef\xbb\xbf)?\s{0,99}<(!doctype html|html)\b", re.IGNORECASE)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")


def _open(name: str, ending: str, data: bytes, password: str | None) -> Opened:
    """By content if that is unambiguous, else by the file's ending."""
    for each in FORMATS:
        if each.first_bytes and _begins(each, ending, data):
            return _opened(each, name, data, password)
    if data.startswith(_OLE) and _ENCRYPTED_OFFICE in data:
        raise UserError(
            "{name} is protected with a password.", "Remove the password in Word and save it again.", name=name
        )
    if data.startswith((_OLE, rb"{\rtf")):
        raise UserError(
            "{name} is in an older Office, HWP or RTF format, which is not supported.", CONVERT_HINT, name=name
        )
    named = next((each for each in FORMATS if ending in each.endings), None)
    if named is not None and not named.first_bytes:
        return _opened(named, name, data, password)
    if _HTML_OPENING.match(data):
        return open_html(name, data)
    if named is not None:
        raise UserError(
            "{name} is not in {kind} format, whatever its name says.", CONVERT_HINT, name=name, kind=named.name
        )
    raise UserError("{name} is a kind of file that is not supported.", CONVERT_HINT, name=name)


def _begins(which: Format, ending: str, data: bytes) -> bool:
    is_late = which.may_begin_late and ending in which.endings and which.first_bytes in data[:_LATEST_BEGINNING]
    return is_late or data.startswith(which.first_bytes)


def _opened(which: Format, name: str, data: bytes, password: str | None) -> Opened:
    read: Callable[[str, bytes, str | None], Opened] = resolve_name(which.opened_by)
    return read(name, data, password)


_LINE_ENDS = re.compile("\r\n|[\r\f\v\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\xad\ufeff\ufffe\uffff]")
"""Control characters, soft hyphens, stray byte order marks: invisible, but tokens of their own."""


def _tidy(text: str) -> str:
    """Uniform line ends, nothing invisible, no spaces at line ends, at most two blank lines in a row.

    Hangul stored letter by letter (macOS) is composed, because models know syllables.
    """
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", _composed(valid(text))))
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    return re.sub("\n{4,}", "\n\n\n", text).strip()


def _composed(text: str) -> str:
    """In Unicode's composed form (NFC). Beyond 30 marks on one character the rest are dropped, as in Unicode's
    stream-safe format: sorting them takes time quadratic in their number."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _too_many_marks().sub(r"\1", text))


@functools.cache
def _too_many_marks() -> re.Pattern[str]:
    marks = "".join(char for char in map(chr, range(0x300, 0x1E94B)) if unicodedata.combining(char))
    return re.compile(f"([{marks}]{{30}})[{marks}]+")

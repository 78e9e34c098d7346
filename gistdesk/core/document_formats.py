"""One function per file format: name, bytes and a password in, pages of raw text out; see `gistdesk.formats`.

Knows nothing of paths or hashes, and does not tidy what it finds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY  # type: ignore[import-untyped]

from gistdesk.core.document_archive import MAX_TEXT_BYTES, Archive, cut_short, damaged, local, resolve, too_much_text
from gistdesk.core.document_encoding import decode_text
from gistdesk.core.document_html import declared_encoding, html_title_and_text
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from gistdesk.core.title import valid

PageLabel = Literal["page", "section"] | None
"""What a document's pages are called; None if a format has no pages."""

CONVERT_HINT = "Save it as PDF, DOCX, EPUB, HTML, Markdown or plain text, and add that."


class PasswordError(UserError):
    """The document needs a password, and none or a wrong one was given: ask and try again."""


@dataclass(frozen=True)
class Opened:
    """A document whose pages are still to be read.

    Attributes:
        title: its own title, None if the format has no trustworthy one.
        page_label: what its pages are called.
        n_pages: number of pages that `pages` yields.
        pages: the text of each, in order; reading is the slow part.
        if_empty: the error to raise if all of them turn out empty.
    """

    title: str | None
    page_label: PageLabel
    n_pages: int
    pages: Iterator[str]
    if_empty: UserError


def open_text(name: str, data: bytes, password: str | None = None) -> Opened:
    """Plain text and Markdown, in any encoding."""
    return _one_page(name, None, _decoded(name, data))


def open_html(name: str, data: bytes, password: str | None = None) -> Opened:
    """A web page without its scripts and styles."""
    title, text = html_title_and_text(_decoded(name, data, declared_encoding(data)))
    return _one_page(name, title, text)


def open_pdf(name: str, data: bytes, password: str | None) -> Opened:
    """A PDF's text layer, page by page. Titles in PDFs are mostly leftovers from templates and not used.

    Raises:
        PasswordError: it is encrypted.
        UserError: it is damaged.
    """
    try:
        pdf = pdfium.PdfDocument(data, password=None if password is None else valid(password))
    except pdfium.PdfiumError as error:
        raise _pdf_refusal(name, error.err_code, password) from error
    if_empty = UserError(
        "{name} has no text: its pages are only pictures, as in a scan.",
        "Run OCR on it and add the result.",
        name=name,
    )
    return Opened(None, "page", len(pdf), _pdf_pages(name, pdf), if_empty)


def open_archive(name: str, data: bytes, password: str | None = None) -> Opened:
    """The two formats that are zip files, DOCX and EPUB.

    Raises:
        UserError: it is damaged, too large, locked, or another kind of zip file.
    """
    archive = Archive(name, data)
    if "META-INF/container.xml" in archive:
        return _open_epub(name, archive)
    if "_rels/.rels" in archive:
        return _open_docx(name, archive)
    raise _foreign_archive(name)


def _foreign_archive(name: str) -> UserError:
    return UserError(
        "{name} is neither a Word document nor an EPUB book, though it is packed like one.", CONVERT_HINT, name=name
    )


def _no_text(name: str) -> UserError:
    return UserError("{name} contains no text.", "Add a file that has text in it.", name=name)


def _one_page(name: str, title: str | None, text: str) -> Opened:
    return Opened(title, None, 1, iter([text]), _no_text(name))


def _decoded(name: str, data: bytes, declared: str | None = None) -> str:
    if len(data) > MAX_TEXT_BYTES:
        raise too_much_text(name)
    text = decode_text(data, declared)
    if text is None:
        raise UserError("{name} is not text, whatever its name says.", CONVERT_HINT, name=name)
    return text


# --- PDF


def _pdf_refusal(name: str, code: int | None, password: str | None) -> UserError:
    if code == FPDF_ERR_PASSWORD and password is None:
        return PasswordError("{name} is protected with a password.", "Enter the password to open it.", name=name)
    if code == FPDF_ERR_PASSWORD:
        return PasswordError("{name} does not open with this password.", "Check it and enter it again.", name=name)
    if code == FPDF_ERR_SECURITY:
        return UserError(
            "{name} is encrypted in a way that cannot be read.", "Save it without protection first.", name=name
        )
    return cut_short(name)


def _pdf_pages(name: str, pdf: pdfium.PdfDocument) -> Iterator[str]:
    with pdf:
        for index in range(len(pdf)):
            try:
                page = pdf[index]
                text_page = page.get_textpage()
            except pdfium.PdfiumError as error:
                raise damaged(
                    Sentence("{name} is damaged: page {n} of {of} cannot be read.", name=name, n=index + 1, of=len(pdf))
                ) from error
            text = text_page.get_text_bounded()
            text_page.close()  # now: an open page keeps its fonts and pictures in memory
            page.close()
            yield _without_line_end_hyphens(text)


def _without_line_end_hyphens(text: str) -> str:
    r"""PDFium writes \x02 for a line-end hyphen, which is part of the word unless a small letter follows."""
    return re.sub(r"(?<=[^\W\d_])\x02(?=[a-zß-ÿ])", "", text).replace("\x02", "-")


# --- DOCX

_WORD_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_WORD_REPEATED = frozenset({"Fallback", "moveFrom", "rt", "tabs"})
"""A text box for older programs, a passage at the place it was moved from, the reading above a character, and
definitions of tab stops, whose elements are named like tabs."""


def _open_docx(name: str, archive: Archive) -> Opened:
    """Paragraphs and tables in order, then footnotes and endnotes.

    Read from the XML, because python-docx leaves out tracked insertions and whatever is in content controls.
    """
    main = _word_main(archive)
    root = archive.xml(main) if main else None
    if main is None or root is None or local(root) != "document":
        raise _foreign_archive(name)
    notes = [resolve(main, part) for part in ("footnotes.xml", "endnotes.xml")]
    roots = [root, *(archive.xml(note) for note in notes if note in archive)]
    return _one_page(name, None, "".join(map(_word_text, roots)))


def _word_main(archive: Archive) -> str | None:
    """Where the text is: usually word/document.xml, but some programs number it."""
    for relation in archive.xml("_rels/.rels"):
        if relation.get("Type", "").endswith("/officeDocument"):
            return resolve("", relation.get("Target", ""))
    return None


def _word_text(element: Element) -> str:
    """The text of an element: one line per paragraph, one per table row with tabs between its cells."""
    name = local(element)
    if name == "t":
        return element.text or ""
    if name in _WORD_SIGNS:
        return _WORD_SIGNS[name]
    if name in _WORD_REPEATED:
        return ""
    inner = "".join([_word_text(child) for child in element])
    if name == "p":
        return inner + "\n"
    if name == "tc":
        return " ".join(inner.split("\n")).strip() + "\t"
    return inner.removesuffix("\t") + "\n" if name == "tr" else inner


# --- EPUB


def _open_epub(name: str, archive: Archive) -> Opened:
    """One page per item of the spine, which gives the reading order."""
    package_path = _epub_package(name, archive)
    package = archive.xml(package_path)
    hrefs = {item.get("id"): item.get("href", "") for item in package.iter() if local(item) == "item"}
    idrefs = [item.get("idref") for item in package.iter() if local(item) == "itemref"]
    spine = [resolve(package_path, unquote(hrefs.get(idref, ""))) for idref in idrefs]
    if _encrypted_members(archive) & set(spine):
        raise UserError(
            "{name} is locked by copy protection (DRM).", "Add a copy that has no such protection.", name=name
        )
    title = next((item.text for item in package.iter() if local(item) == "title"), None)
    bodies = (archive.read(member) for member in spine)
    pages = (html_title_and_text(_decoded(name, body, declared_encoding(body)))[1] for body in bodies)
    return Opened(title, "section", len(spine), pages, _no_text(name))


def _epub_package(name: str, archive: Archive) -> str:
    """Where the book's package document is. Other formats have a container too, with another media type."""
    for item in archive.xml("META-INF/container.xml").iter():
        if local(item) == "rootfile" and item.get("media-type") == "application/oebps-package+xml":
            return resolve("", unquote(item.get("full-path", "")))
    raise _foreign_archive(name)


def _encrypted_members(archive: Archive) -> set[str]:
    """What META-INF/encryption.xml lists. Fonts alone are often listed and harmless: that is not protection."""
    if "META-INF/encryption.xml" not in archive:
        return set()
    items = archive.xml("META-INF/encryption.xml").iter()
    return {resolve("", unquote(item.get("URI", ""))) for item in items if local(item) == "CipherReference"}

"""Small files that once took a reader's memory, its time or its life."""

import io
import zipfile
import zlib
from collections.abc import Callable


def many_marks(n: int = 120_000) -> bytes:
    """Combining marks of two classes in turn, on one letter: putting them in order takes quadratic time."""
    return ("a" + "\u0301\u0316" * (n // 2)).encode()


def nested_divs(n: int = 1_000_000) -> bytes:
    return b"<!doctype html><body>" + b"<div>" * n + b"text"


def many_attributes(n: int = 500_000) -> bytes:
    return b"<!doctype html><p " + b" ".join(b"a%d=1" % i for i in range(n)) + b">text"


def distinct_tags(n: int = 3_000_000) -> bytes:
    """A DOCX of elements that are all named differently: a parsed tree of gigabytes."""
    body = b"".join(b"<t%d/>" % i for i in range(n))
    return _zip(
        {
            "_rels/.rels": b'<Rels><Relationship Type="x/officeDocument" Target="word/d.xml"/></Rels>',
            "word/d.xml": b'<document xmlns="w">' + body + b"</document>",
        }
    )


def repeated_chapter(n: int = 1_000_000) -> bytes:
    """An EPUB whose reading order is one chapter, again and again."""
    package = (
        b'<package><manifest><item id="a" href="a.xhtml"/></manifest><spine>'
        + b'<itemref idref="a"/>' * n
        + b"</spine></package>"
    )
    container = (
        b'<container><rootfiles><rootfile full-path="p.opf" media-type="application/oebps-package+xml"/></rootfiles>'
        b"</container>"
    )
    return _zip(
        {"META-INF/container.xml": container, "p.opf": package, "a.xhtml": b"<html><body><p>text</p></body></html>"}
    )


def pdf_of(objects: list[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _stream(data: bytes, filters: bytes) -> bytes:
    return b"<< /Length %d /Filter [%s] >>\nstream\n%s\nendstream" % (len(data), filters, data)


_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
)


def twice_deflated(n: int = 1 << 29) -> bytes:
    """A PDF of a few kilobytes, with a page of half a gigabyte behind two filters."""
    inner = zlib.compressobj(1)
    body = b"".join(inner.compress(b" " * (1 << 24)) for _ in range(n >> 24)) + inner.flush()
    content = _stream(zlib.compress(body, 9), b"/FlateDecode /FlateDecode")
    return pdf_of(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", _PAGE, content, _FONT]
    )


def one_page_a_million_times(n: int = 1_000_000) -> bytes:
    kids = b"3 0 R " * n
    content = _stream(zlib.compress(b"BT /F1 12 Tf (text) Tj ET"), b"/FlateDecode")
    pages = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (n, kids)
    return pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", pages, _PAGE, content, _FONT])


def page_tree_of_leaves(n: int = 150_000) -> bytes:
    """Every page an object of its own, all under one node."""
    leaf = b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R >>"
    kids = b" ".join(b"%d 0 R" % number for number in range(5, n + 5))
    pages = (
        b"<< /Type /Pages /Count %d /Kids [%s] /MediaBox [0 0 600 800] /Resources << /Font << /F1 4 0 R >> >> >>"
        % (n, kids)
    )
    content = _stream(zlib.compress(b"BT /F1 12 Tf (text) Tj ET"), b"/FlateDecode")
    return pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", pages, content, _FONT, *[leaf] * n])


def large_pages(n: int = 2_000, n_bytes: int = 1 << 20) -> bytes:
    """Pages of a megabyte of text, all from one stream."""
    shown = b"BT /F1 12 Tf " + b"(word word word word) Tj " * (n_bytes // 20) + b"ET"
    pages = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (n, b"3 0 R " * n)
    content = _stream(zlib.compress(shown, 9), b"/FlateDecode")
    return pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", pages, _PAGE, content, _FONT])


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return out.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "marks.txt": many_marks,
    "divs.html": nested_divs,
    "attributes.html": many_attributes,
    "tags.docx": distinct_tags,
    "chapters.epub": repeated_chapter,
    "deflated.pdf": twice_deflated,
    "pages.pdf": one_page_a_million_times,
    "leaves.pdf": page_tree_of_leaves,
    "large.pdf": large_pages,
}

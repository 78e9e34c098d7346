"""Which documents can be read: one row per format, for the window's file lists and the engine's reading.

A row names its reader as "module:function", imported when a file of that format comes up. Knows no format itself.
"""

from dataclasses import dataclass

_CORE = "gistdesk.core.document_formats"


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: for people.
        endings: of file names, in lower case.
        opened_by: returns an `Opened` for the file's name, its bytes, and a password or None.
        first_bytes: unique to this format: they decide whatever the file's name says. If empty, the name decides.
        may_begin_late: in a file with such a name, the first bytes may come after others.
    """

    name: str
    endings: tuple[str, ...]
    opened_by: str
    first_bytes: bytes = b""
    may_begin_late: bool = False


FORMATS = (
    Format("PDF", (".pdf",), f"{_CORE}:open_pdf", b"%PDF-", may_begin_late=True),
    Format("DOCX", (".docx",), f"{_CORE}:open_archive", b"PK\x03\x04"),
    Format("EPUB", (".epub",), f"{_CORE}:open_archive", b"PK\x03\x04"),
    Format("HTML", (".html", ".htm", ".xhtml"), f"{_CORE}:open_html"),
    Format("Markdown", (".md", ".markdown"), f"{_CORE}:open_text"),
    Format("text", (".txt", ".text", ".log", ".rst", ".csv"), f"{_CORE}:open_text"),
)

ENDINGS = tuple(ending for each in FORMATS for ending in each.endings)

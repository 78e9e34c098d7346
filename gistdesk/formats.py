"""Which documents can be read: one row for each format, for the window's lists of files and for the engine's reading.

What reads a format is named as "module:function", and looked up when a file of it comes. Knows no format itself.
"""

from dataclasses import dataclass

_CORE = "gistdesk.core.document_formats"


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: for people.
        endings: of file names, in small letters.
        opened_by: what gives an `Opened` for the file's name, its bytes, and a password or None.
        first_bytes: that no other kind of file begins with: they decide whatever its name says. Empty where there are
            none: its name decides.
        may_begin_late: in a file that is named so, the first bytes may stand behind others.
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

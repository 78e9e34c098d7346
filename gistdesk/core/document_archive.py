"""The XML and HTML inside DOCX and EPUB files, read without trusting the zip or the XML.

Knows nothing of what the members mean.
"""

import io
import posixpath
import struct
import zipfile
import zlib
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence

MAX_TEXT_BYTES = 64 * 2**20
"""Most bytes of text or markup in one document: about 16 million tokens of plain text, or 4,000 pages of
Word's XML. The parsed tree takes several times its size in memory, alongside the model."""

_CHUNK_BYTES = 2**16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What the DOCX and EPUB standards allow; the others cannot be inflated in bounded steps."""
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    ValueError,
    RuntimeError,
)
"""What `zipfile` raises for damaged archives; RuntimeError means an encrypted member."""


def damaged(what: Sentence) -> UserError:
    """The error for a file that begins like its format and then breaks it; `what` says how."""
    return UserError(what, "Open it in the program it came from, save it again, and add that copy.")


def cut_short(name: str) -> UserError:
    """The same when nothing more is known."""
    return damaged(Sentence("{name} is damaged or cut short.", name=name))


def too_much_text(name: str) -> UserError:
    """The error for a document, or a zip bomb, that holds more than `MAX_TEXT_BYTES`."""
    return UserError(
        "{name} holds more than {n} MB of text, which is too much for one document.",
        "Split it into smaller files and add those.",
        name=name,
        n=MAX_TEXT_BYTES >> 20,
    )


class Archive:
    """A zip file that inflates at most `MAX_TEXT_BYTES`, whatever its directory claims.

    Pictures and fonts are never read, so their sizes do not matter.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._left = MAX_TEXT_BYTES
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS as error:
            raise cut_short(name) from error

    def __contains__(self, member: str) -> bool:
        return member in self._zip.NameToInfo

    def read(self, member: str) -> bytes:
        """One member's bytes.

        Raises:
            UserError: it is missing, damaged or encrypted, or the archive holds too much.
        """
        if member not in self:
            raise damaged(
                Sentence("{name} is incomplete: {member} is missing from it.", name=self._name, member=member[:80])
            )
        info = self._zip.getinfo(member)
        if info.file_size > self._left:
            raise too_much_text(self._name)
        if info.compress_type not in _METHODS:
            raise damaged(Sentence("{name} is packed in a way that its format does not allow.", name=self._name))
        chunks: list[bytes] = []
        try:
            with self._zip.open(info) as file:
                # In pieces: otherwise `zipfile` inflates up to 2 GB before it checks the declared size.
                while chunk := file.read(_CHUNK_BYTES):
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise too_much_text(self._name)
                    chunks.append(chunk)
        except _ZIP_ERRORS as error:
            raise cut_short(self._name) from error
        return b"".join(chunks)

    def xml(self, member: str) -> Element:
        """The root element of one member; entity declarations are refused, since they can grow without bound.

        Raises:
            UserError: as `read`, or the XML is not well-formed.
        """
        data = self.read(member)

        def refuse_entity(*_: object) -> None:
            raise damaged(Sentence("{name} is not safe to open: it defines its own XML entities.", name=self._name))

        guard = expat.ParserCreate()
        guard.EntityDeclHandler = refuse_entity
        try:
            guard.Parse(data, True)
            return ElementTree.fromstring(data)
        except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
            raise cut_short(self._name) from error


def local(element: Element) -> str:
    """An element's name without its namespace, which differs between the editions of a standard."""
    return element.tag.rpartition("}")[2]


def resolve(base: str, target: str) -> str:
    """The member that `target`, found in `base`, refers to; a leading slash means the archive's root."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(base), target)).lstrip("/")

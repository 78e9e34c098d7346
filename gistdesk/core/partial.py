"""The result of an interrupted compression: the gist so far, sealed so that no other can be substituted for it.

A partial file lies beside the document, where someone else's archive may have put one; its contents would go into
the gist unseen. So it ends with an HMAC under a key that never leaves this user's folder. Knows nothing of what is
compressed.
"""

import hmac
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import GistRecord, gist_from, gist_pieces, write_pieces
from gistdesk.folders import folders, make_private, write_private

PARTIAL_SUFFIX = ".part"
_KEY_FILE = "partial.key"
_KEY_BYTES = _SEAL_BYTES = 32
_GENERATION = b"6"
"""Sealed with the contents; another one where the steps from a partial result to a whole one have become others."""
_own_key = os.urandom(_KEY_BYTES)
"""If the folder is not writable: only this process can resume what it leaves."""


def partial_path(path: Path) -> Path:
    """The path of a gist file's unfinished beginning."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def write_partial(path: Path, record: GistRecord) -> None:
    """Raises UserError: see `write_gist`."""
    pieces, n_bytes = gist_pieces(record)
    write_pieces(path, _sealed(pieces), n_bytes + _SEAL_BYTES)


def _sealed(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    seal = hmac.new(_key(), _GENERATION, "sha256")
    for piece in pieces:
        seal.update(piece)
        yield piece
    yield seal.digest()


def read_partial(path: Path) -> GistRecord | None:
    """The gist so far; None if there is none, or none written by this user's programs."""
    try:
        content = bytearray(path.read_bytes()) if path.is_file() else bytearray()
        n_bytes = len(content) - _SEAL_BYTES
        seal = hmac.new(_key(), _GENERATION, "sha256")
        seal.update(memoryview(content)[: max(0, n_bytes)])
        if not hmac.compare_digest(seal.digest(), bytes(content[n_bytes:])):
            return None
        return gist_from(content[:n_bytes], path)
    except (UserError, OSError, MemoryError):
        return None


def _key() -> bytes:
    """The user's own; created when first needed."""
    path = folders().data / _KEY_FILE
    with suppress(OSError):
        if path.is_file() and len(key := path.read_bytes()) == _KEY_BYTES:
            return key
        make_private(path.parent)
        write_private(path, os.urandom(_KEY_BYTES))
        return path.read_bytes()
    return _own_key

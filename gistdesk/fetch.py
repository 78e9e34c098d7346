"""Fetches one file over the network: resumes earlier attempts, retries broken connections, computes the checksum.

Knows nothing of what the file is, nor what its checksum should be.
"""

import hashlib
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2

_BLOCK_BYTES = 2**20
_N_TRIES = 5
_RETRY_S = 1.0

Open = Callable[[Mapping[str, str]], AbstractContextManager[httpx2.Response]]
"""Requests the file with these headers and returns the response, a successful one."""


def fetch(
    open_file: Open, part: Path, n_bytes: int, new_digest: Callable[[], "hashlib._Hash"]
) -> Generator[int, None, str]:
    """Make `part` the whole file of `n_bytes`; yields the number of bytes present, returns their checksum as hex.

    Raises:
        httpx2.TransportError: the connection failed five times. What has arrived is kept.
        OSError: the disk failed.
    """
    for attempt in range(_N_TRIES):
        try:
            return (yield from _append(open_file, part, n_bytes, new_digest))
        except httpx2.TransportError:
            if attempt + 1 == _N_TRIES:
                raise
            yield part_bytes(part)
            time.sleep(_RETRY_S)
    raise AssertionError


def part_bytes(part: Path) -> int:
    """How much of a file an earlier attempt left."""
    return part.stat().st_size if part.exists() else 0


def _append(
    open_file: Open, part: Path, n_bytes: int, new_digest: Callable[[], "hashlib._Hash"]
) -> Generator[int, None, str]:
    digest = new_digest()
    with part.open("ab+") as stream:
        stream.seek(0)
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
            yield stream.tell()
        there = stream.tell()
        if there >= n_bytes:
            return digest.hexdigest()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with open_file(headers) as response:
            if response.status_code != 206:  # the server sends the whole file regardless
                stream.truncate(0)
                digest, there = new_digest(), 0
            for block in response.iter_bytes(_BLOCK_BYTES):
                stream.write(block)
                digest.update(block)
                there += len(block)
                yield there
    return digest.hexdigest()

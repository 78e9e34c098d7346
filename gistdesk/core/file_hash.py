"""SHA-256 of large files, cached: while a file's size, times and inode are unchanged, its hash is kept.

Every byte of a model counts, and reading sixteen gigabytes takes a minute; so hashes are remembered in a small
file beside the library. Losing that file costs time, nothing else. Knows nothing of what the files are.
"""

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path

from gistdesk.atomic import replacing
from gistdesk.folders import folders

SMALL_BYTES = 64 * 2**20
"""Up to this size, reading is quicker than remembering."""
_MAX_KEPT = 1000
_HASH = re.compile("[0-9a-f]{64}")
_known: dict[str, str] = {}


def file_sha256(path: Path) -> str:
    """As hex, of the whole file. Raises OSError."""
    status = path.stat()
    if status.st_size <= SMALL_BYTES:
        return _read(path)
    # ctime cannot be set back, as mtime can: a changed file with its old date restored is read again
    times = (status.st_mtime_ns, status.st_ctime_ns)
    key = f"{path.resolve()}|{status.st_size}|{times}|{status.st_dev}|{status.st_ino}"
    if key not in _known:
        _known.update(_kept())
    if key not in _known:
        _known[key] = _read(path)
        _keep(key, _known[key])
    return _known[key]


def _read(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _file() -> Path:
    return folders().data / "hashes.json"


def _kept() -> dict[str, str]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_file().read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {key: value for key, value in found.items() if _HASH.fullmatch(str(value))}
    return {}


def _keep(key: str, value: str) -> None:
    """Merge with what other processes have stored; if two write at once, one hash is computed again some day."""
    with suppress(OSError):  # the folder is not writable: the next process reads the file again
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = list({**_kept(), key: value}.items())[-_MAX_KEPT:]
        with replacing(path) as part:
            part.write_text(json.dumps(dict(kept), indent=0), encoding="utf-8")

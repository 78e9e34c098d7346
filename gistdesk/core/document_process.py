"""Reads a document in a separate process, which has limits on memory and time and can be stopped at any moment.

Files can lead format libraries astray: 1,280 bytes of PDF took 6.7 GB. `document_reader` is the process; this is
the side that starts it, watches it, and says in a sentence why it ended. Knows nothing of formats.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import psutil

from gistdesk.core.document_formats import CONVERT_HINT, PasswordError
from gistdesk.core.document_parse import Facts, Page, check, shown_name
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence, unpacked
from gistdesk.roles import command

MAX_MEMORY_BYTES = 2**30
"""Of the reading process, including the file."""
_LEAST_S = 10
_BYTES_PER_S = 2**20
_WALL = 6
"""Wall-clock limit as a multiple of CPU time: it may have to wait for a busy processor or a slow disk."""
_BEAT_S = 0.2


def cpu_seconds(n_bytes: int) -> int:
    """How much CPU time reading a file of this size may take."""
    return max(_LEAST_S, n_bytes // _BYTES_PER_S)


def reading(path: Path, password: str | None = None) -> Generator[Page | None, None, Facts]:
    """As `parse`, within limits; yields None every fifth of a second while there is nothing new.

    Closing the generator ends the process.

    Raises:
        UserError: as `parse`; or reading takes more time or memory than allowed, or breaks off.
    """
    name = shown_name(path)
    seconds = cpu_seconds(check(path))
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command("reader"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0
            )
        except OSError as error:
            reason = error.strerror or Sentence("the disk gave no reason")
            raise UserError(
                "{name} cannot be read: {reason}.", "Close other programs and try again.", name=name, reason=reason
            ) from error
        try:
            _ask(process, path, password, seconds)
            until = time.monotonic() + _WALL * seconds
            for line in _lines(process):
                if line is None:
                    _watch(process, name, seconds, until)
                    yield None
                    continue
                said = json.loads(line)
                if "page" in said:
                    yield Page(said["page"], said["n_pages"])
                elif "facts" in said:
                    return Facts(**said["facts"])
                else:
                    raise _refusal(said, name)
            raise _broken_off(process.wait(), errors, name, seconds)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def _ask(process: "subprocess.Popen[bytes]", path: Path, password: str | None, seconds: int) -> None:
    """Over stdin: everybody can read the command line."""
    asked = {
        "path": str(path.absolute()),
        "password": password,
        "seconds": seconds,
        "memory_bytes": MAX_MEMORY_BYTES,
        "parent": psutil.Process().pid,
    }
    assert process.stdin is not None
    with suppress(OSError):  # it is already gone, and its output will say why
        process.stdin.write(json.dumps(asked).encode("ascii") + b"\n")
        process.stdin.close()


def _lines(process: "subprocess.Popen[bytes]") -> Generator[bytes | None, None, None]:
    """Its output, line by line, and None at every beat."""
    said: SimpleQueue[bytes | None] = SimpleQueue()
    stream = process.stdout
    assert stream is not None

    def listen() -> None:
        # closed under us when the process ends
        with suppress(OSError, ValueError), open(stream.fileno(), "rb", closefd=False) as buffered:
            for line in buffered:
                said.put(line)
        said.put(None)

    listener = threading.Thread(target=listen, name="reader", daemon=True)
    listener.start()
    beat = time.monotonic() + _BEAT_S
    try:
        while True:
            try:
                line = said.get(timeout=max(0.0, beat - time.monotonic()))
            except Empty:
                beat = time.monotonic() + _BEAT_S
                yield None
                continue
            if line is None:
                return
            yield line
    finally:
        process.kill()
        listener.join(timeout=5)


def _watch(process: "subprocess.Popen[bytes]", name: str, seconds: int, until: float) -> None:
    """Check the limits again: not every system has those that the process sets itself."""
    try:
        found = psutil.Process(process.pid)
        used = found.cpu_times()
        if found.memory_info().rss > MAX_MEMORY_BYTES:
            raise too_much_memory(name)
        if used.user + used.system > seconds + 1 or time.monotonic() > until:
            raise _too_slow(name, seconds)
    except psutil.Error:  # it has just ended
        return


def _refusal(said: dict[str, Any], name: str) -> UserError:
    if said.get("error") == "memory":
        return too_much_memory(name)
    kind = PasswordError if said["error"] == "password" else UserError
    return kind(unpacked(said["message"]), unpacked(said["hint"]))


def _broken_off(code: int, errors: IO[bytes], name: str, seconds: int) -> Exception:
    """Why it ended without saying so."""
    if sys.platform != "win32":
        import signal

        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return _too_slow(name, seconds)
    errors.seek(0)
    trace = errors.read(100_000).decode("utf-8", errors="replace")
    if code == 1 and "Traceback" in trace:
        return RuntimeError(f"reading a document failed:\n{trace}")
    return UserError(
        "{name} could not be read: it is damaged, or needs more than {n:,} MB of memory.",
        CONVERT_HINT,
        name=name,
        n=MAX_MEMORY_BYTES >> 20,
    )


def too_much_memory(name: str) -> UserError:
    """The error for a file that takes more than `MAX_MEMORY_BYTES`."""
    return UserError(
        "{name} takes more than {n:,} MB of memory to read.", CONVERT_HINT, name=name, n=MAX_MEMORY_BYTES >> 20
    )


def _too_slow(name: str, seconds: int) -> UserError:
    return UserError("{name} takes too long to read: it was given up after {n} s.", CONVERT_HINT, name=name, n=seconds)

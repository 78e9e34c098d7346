"""A small hub on this computer: the few endpoints that a download uses, over real HTTP, with faults on demand."""

import gc
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c" * 40


@dataclass
class Hub:
    """What it has, what it was asked for, and what is to go wrong.

    Attributes:
        files: what `org/model` holds, by path.
        requests: method, path and range of every request that came.
        cut_after: bytes after which a large file's connection is broken, once.
        damaged: path of a file that arrives with a wrong byte.
        pause: is waited for in the middle of a large file.
        ignores_ranges: it always sends whole files.
    """

    files: dict[str, bytes]
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    cut_after: int | None = None
    damaged: str = ""
    pause: threading.Event | None = None
    ignores_ranges: bool = False
    url: str = ""

    def ranges(self) -> list[str | None]:
        """Of every fetch of weights."""
        return [asked for method, path, asked in self.requests if method == "GET" and path.endswith(".safetensors")]


def is_large(path: str) -> bool:
    return path.endswith(".safetensors")


def checksum(path: str, data: bytes) -> str:
    git = b"blob %d\0" % len(data) + data
    return hashlib.sha256(data).hexdigest() if is_large(path) else hashlib.sha1(git).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def _serve(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        if path.startswith("/api/models/org/model/tree/"):
            self._json([self._entry(name, data) for name, data in self.hub.files.items()])
        elif path.startswith("/api/models/org/model"):
            self._json({"id": "org/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.hub.files]})
        elif path.startswith(f"/org/model/resolve/{COMMIT}/"):
            self._file(path.removeprefix(f"/org/model/resolve/{COMMIT}/"), with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _entry(self, path: str, data: bytes) -> dict[str, object]:
        entry: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": "0" * 40}
        if is_large(path):
            entry["lfs"] = {"oid": checksum(path, data), "size": len(data), "pointerSize": 100}
        else:
            entry["oid"] = checksum(path, data)
        return entry

    def _json(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self, path: str, with_body: bool) -> None:
        data = self.hub.files[path]
        start = 0
        if (asked := self.headers.get("Range")) and not self.hub.ignores_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{checksum(path, data)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if with_body:
            self._send(path, data, start)

    def _send(self, path: str, data: bytes, start: int) -> None:
        if self.hub.damaged == path:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if is_large(path) and self.hub.cut_after is not None:
            self.wfile.write(data[start : self.hub.cut_after])
            self.hub.cut_after, self.close_connection = None, True
            return
        try:
            if is_large(path) and self.hub.pause is not None:
                half = start + (len(data) - start) // 2
                self.wfile.write(data[start:half])
                self.wfile.flush()
                self.hub.pause.wait(20)
                start = half
            self.wfile.write(data[start:])
        except OSError:  # cancelled
            self.close_connection = True


@contextmanager
def local_hub(folder: Path) -> Iterator[Hub]:
    """A hub with one model, `org/model`: the files of a folder, and some that must not be fetched."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hub = Hub(files | {"pytorch_model.bin": b"pickle", "modeling.py": b"import os"})
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    gc.disable()  # or widgets of tests before this one may be deleted in its thread, and Qt crash: see file_jobs
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        gc.enable()

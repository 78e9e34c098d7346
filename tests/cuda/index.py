"""A package index on this computer with three small packages, real wheels, over real HTTP, with faults on demand; and a
program that says of a card what nvidia-smi would."""

import hashlib
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from random import Random

from gistdesk.cuda.lock import system_tag

TORCH = """
__version__ = "{version}+cu130"
bfloat16 = "bfloat16"

class cuda:
    is_available = staticmethod(lambda: {works})
    synchronize = staticmethod(lambda: None)
    get_device_name = staticmethod(lambda: "a card")

class _Square:
    def __matmul__(self, other): return self
    def float(self): return self
    def sum(self): return self
    def item(self): return 256 ** 3 / 4

def full(size, value, device, dtype): return _Square()
"""
"""Stands in for PyTorch with CUDA, of which the trial wants no more than this."""
BALLAST_BYTES = 3 * 2**20


def wheel(name: str, version: str, files: dict[str, bytes]) -> tuple[str, bytes]:
    """File name and contents of a wheel."""
    info, data = f"{name}-{version}.dist-info", BytesIO()
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(data, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in files))
    return f"{name}-{version}-py3-none-any.whl", data.getvalue()


@dataclass
class Index:
    """What it has, what it was asked for, and what is to go wrong.

    Attributes:
        files: wheels by name.
        requests: path and range of every request for a wheel by the program, not by pip.
        cut_after: bytes after which the connection of a large file is broken, again and again.
        damaged: the end of a wheel's name, which arrives with a wrong byte.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    cut_after: int | None = None
    damaged: str = "none"
    url: str = ""

    def offer(self, folder: Path, version: str = "2.0", *, works: bool = True) -> Path:
        """Have these packages, and write the lock that pins them -> the folder of locks."""
        ballast = Random(version).randbytes(BALLAST_BYTES)
        wheels = [
            wheel("bitsandbytes", version, {"bitsandbytes/__init__.py": b"", "bitsandbytes/functional.py": NF4}),
            wheel("nvidia_tiny", version, {"nvidia/lib/ballast": ballast, "nvidia/include/ballast.h": b"int"}),
            wheel("torch", version, {"torch/__init__.py": TORCH.format(version=version, works=works).encode()}),
        ]
        self.files |= dict(wheels)
        lines = ['cuda = "13.0"', "driver = 580", "capability = 7.5"]
        for file, data in wheels:
            lines += ["[[wheel]]", f'name = "{file.split("-")[0].replace("_", "-")}"', f'version = "{version}"']
            lines += [f'file = "{file}"', f"n_bytes = {len(data)}", f"unpacked_bytes = {len(data)}"]
            lines += [f'sha256 = "{hashlib.sha256(data).hexdigest()}"']
        folder.mkdir(exist_ok=True)
        (folder / f"{system_tag()}.toml").write_text("\n".join(lines), encoding="utf-8")
        return folder


NF4 = b"def quantize_4bit(tensor, quant_type): pass"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: Index

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/simple/"):
            name = self.path.split("/")[2].replace("-", "_")
            files = [file for file in self.index.files if file.startswith(f"{name}-")]
            self._send("".join(f'<a href="/files/{file}">{file}</a>' for file in files).encode(), "text/html")
            return
        file = self.path.removeprefix("/files/")
        data, start, asked = self.index.files[file], 0, self.headers.get("Range")
        by_pip = self.headers.get("User-Agent", "").startswith("pip/")
        if asked and not by_pip:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if not by_pip:
            self.index.requests.append((file, asked))
            if file.endswith(self.index.damaged):
                data = data[:-1] + bytes([data[-1] ^ 1])
        cut = None if by_pip or len(data) < BALLAST_BYTES else self.index.cut_after
        self._send(data, "application/octet-stream", start, cut)

    def _send(self, data: bytes, kind: str, start: int = 0, cut: int | None = None) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:] if cut is None else data[start : start + cut])
        if cut is not None:
            self.close_connection = True


@contextmanager
def local_index() -> Iterator[Index]:
    index = Index()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"index": index}))
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def put_card(folder: Path, says: str = "NVIDIA GeForce RTX 4070, 12282, 580.95.05, 8.9") -> Path:
    """A program called nvidia-smi in `folder`, which is to be put into the path."""
    folder.mkdir(exist_ok=True)
    if sys.platform == "win32":
        (folder / "nvidia-smi.bat").write_text(f"@echo {says}\n")
    else:
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\necho '{says}'\n")
        (folder / "nvidia-smi").chmod(0o755)
    return folder

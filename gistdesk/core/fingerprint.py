"""Fingerprints of models, tokenizers and adapters: whether a gist belongs to what is loaded.

Knows which files matter; does not load any of them.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

_WHOLE_BYTES = 64 * 2**20
_SAMPLE_BYTES = 64 * 2**10
_N_SAMPLES = 256
_VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")


def model_fingerprint(folder: Path) -> str:
    """Sixteen bytes, as hex, of a model's configuration and weights.

    Files up to 64 MiB are read whole. Of larger ones the header, the size and 256 samples of 64 KiB are read: sixteen
    gigabytes would take a minute. A change that misses every sample is not seen; training changes every tensor.
    """
    digest = hashlib.sha256()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stable = {key: value for key, value in config.items() if key not in _VOLATILE}
    digest.update(json.dumps(stable, sort_keys=True).encode())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode())
        _update(digest, path)
    return digest.hexdigest()[:32]


def files_fingerprint(paths: Iterable[Path]) -> str:
    """Sixteen bytes, as hex, of small files that exist, by name and content."""
    digest = hashlib.sha256()
    for path in paths:
        if path.exists():
            digest.update(path.name.encode())
            _update(digest, path)
    return digest.hexdigest()[:32]


def tokenizer_fingerprint(folder: Path) -> str:
    return files_fingerprint(folder / name for name in ("tokenizer.json", "chat_template.jinja"))


def adapter_fingerprint(folder: Path) -> str:
    return files_fingerprint([folder / "adapter_model.safetensors"])


def _update(digest: "hashlib._Hash", path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as stream:
        if size <= _WHOLE_BYTES:
            while block := stream.read(2**20):
                digest.update(block)
            return
        for i in range(_N_SAMPLES):
            stream.seek(i * (size - _SAMPLE_BYTES) // (_N_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE_BYTES))

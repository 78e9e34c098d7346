"""Fingerprints of models, tokenizers and adapters: whether a gist belongs to the loaded model.

Knows which files matter; does not load any of them.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from gistdesk.core.file_hash import SMALL_BYTES, file_sha256
from gistdesk.core.json_file import read_object
from gistdesk.core.precision import QUANTIZED

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
_ADAPTER_SETTINGS = {
    "adapter_config.json": ("r", "lora_alpha"),
    "gist.json": ("gist_ids", "segment_tokens", "layout_version"),
}
_VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")


def model_fingerprint(folder: Path) -> str:
    """A model's configuration and weights as sixteen bytes, in hex.

    Every byte counts. Hashes of files above 64 MiB are cached, see `file_hash`: those files are read in full once.
    """
    digest = hashlib.sha256()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stable = {key: value for key, value in config.items() if key not in _VOLATILE}
    digest.update(json.dumps(stable, sort_keys=True).encode())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode())
        _update(digest, path)
    return digest.hexdigest()[:32]


def in_precision(fingerprint: str, precision: str) -> str:
    """A model's fingerprint as loaded: rounding weights to 4 or 8 bits changes them, and so their gists.

    16 and 32 bits count as the same: their gists differ only by rounding, and fit both. Measured on the
    starter, 24 documents at 100x: keys and values are off by 15% in NF4 and by 2.3% in 8 bits, against 16 bits.
    Passkeys were found as often with gists of one precision read in another (22 of 24 in all nine pairs), but that is
    one small model and one easy question: better to refuse a gist than to read it silently with other weights.
    """
    return f"{fingerprint}-{precision}" if precision in QUANTIZED else fingerprint


def of_files(fingerprint: str) -> tuple[str, str]:
    """Split what `in_precision` combined: the fingerprint of the files, and "nf4", "int8" or ""."""
    files, _, precision = fingerprint.partition("-")
    return files, precision


def files_fingerprint(paths: Iterable[Path]) -> str:
    """The existing ones among small files as sixteen bytes, in hex, by name and content."""
    digest = hashlib.sha256()
    for path in paths:
        if path.exists():
            digest.update(path.name.encode())
            _update(digest, path)
    return digest.hexdigest()[:32]


def tokenizer_fingerprint(folder: Path) -> str:
    """Of everything that decides token ids: BOS, for example, changes every gist."""
    return files_fingerprint(folder / name for name in _TOKENIZER_FILES)


def adapter_fingerprint(folder: Path) -> str:
    """Of the weights and the settings that define their meaning; not of the measured table beside them."""
    digest = hashlib.sha256(files_fingerprint([folder / "adapter_model.safetensors"]).encode())
    for name, keys in _ADAPTER_SETTINGS.items():
        settings = read_object(folder / name)
        digest.update(json.dumps({key: settings.get(key) for key in keys}, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def _update(digest: "hashlib._Hash", path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    if size > SMALL_BYTES:
        digest.update(file_sha256(path).encode())
        return
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)

"""Models that other programs have already put on this computer: LM Studio, Ollama, GPT4All, the Hugging Face cache.

Looks where those programs keep them, and at the beginnings of files; changes nothing, fetches nothing, needs no torch.
Damaged models and unsupported kinds are found too, with a sentence that says so.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from gistdesk.core.errors import UserError
from gistdesk.core.families import FAMILIES
from gistdesk.core.gguf_header import SUFFIX, read_gguf_header
from gistdesk.core.json_file import read_object
from gistdesk.core.model_config import not_loaded, weight_files
from gistdesk.core.precision import BITS
from gistdesk.core.sentences import Sentence
from gistdesk.folders import resource
from gistdesk.models import NAMED, SMOLLM2, STARTER, has_smollm2, smollm2_folder

_MAX_FOUND = 200
"""Per program."""
_MAX_LOOKED_AT = 20_000
_USABLE_SHARE, _PROGRAM_BYTES = 0.8, 512 * 2**20
"""The share of a computer's memory that a model may take, and what this program itself takes."""
_DIGEST = re.compile(r"sha256[:-][0-9a-f]{64}")
_MODEL_LAYER = "application/vnd.ollama.image.model"


@dataclass(frozen=True)
class FoundModel:
    """A model on this computer.

    Attributes:
        name: the value for --model: "starter", "smollm2", a file, or a hub id.
        title: its name in the program that keeps it.
        kept_by: "gistdesk", "LM Studio", "Ollama", "GPT4All" or "Hugging Face".
        kind: its weight format there, for example "Q4_K"; "safetensors".
        file_bytes: of its weights on disk.
        needed_bytes: of memory, in 16 bits, or in 4 if only that fits; 0 if unknown.
        fit: "fits", "in 4 bits", "too large" or "unknown".
        problem: why it cannot be used, as a sentence; "" if it can.
    """

    name: str
    title: str
    kept_by: str
    kind: str
    file_bytes: int
    needed_bytes: int = 0
    fit: str = "unknown"
    problem: str = ""


def found_models() -> list[dict[str, Any]]:
    """All of them, as JSON values; the program's own first."""
    found = [*_own(), *_lm_studio(), *_ollama(), *_gpt4all(), *_hugging_face()]
    return [asdict(model) for model in {model.name: model for model in reversed(found)}.values()][::-1]


def _own() -> Iterator[FoundModel]:
    folders = {STARTER: resource("starter")} | ({SMOLLM2: smollm2_folder()} if has_smollm2() else {})
    for name in NAMED:
        if name in folders:
            yield _folder(name, name, folders[name], "gistdesk")


def _lm_studio() -> Iterator[FoundModel]:
    home = Path.home()
    roots = [home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models"]
    with suppress(OSError, ValueError):
        roots.insert(0, Path((home / ".lmstudio-home-pointer").read_text("utf-8").strip()) / "models")
    for path in _files(roots):
        yield _gguf(path, path.stem, "LM Studio")


def _gpt4all() -> Iterator[FoundModel]:
    home = Path.home()
    roots = {
        "darwin": [home / "Library" / "Application Support" / "nomic.ai" / "GPT4All"],
        "win32": [Path(os.environ.get("LOCALAPPDATA", home)) / "nomic.ai" / "GPT4All"],
    }.get(sys.platform, [home / ".local" / "share" / "nomic.ai" / "GPT4All", home / ".cache" / "gpt4all"])
    for path in _files(roots):
        yield _gguf(path, path.stem, "GPT4All")


def _ollama() -> Iterator[FoundModel]:
    """Its manifests name a model's weights by hash; the file of that name is a GGUF file."""
    named = os.environ.get("OLLAMA_MODELS")
    shared = Path("/usr/share/ollama/.ollama/models")
    for root in [Path(named)] if named else [Path.home() / ".ollama" / "models", shared]:
        for manifest in _files([root / "manifests"], ""):
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
                layers = read_object(manifest)["layers"]
                digest = next(str(layer["digest"]) for layer in layers if layer.get("mediaType") == _MODEL_LAYER)
                if _DIGEST.fullmatch(digest):
                    title = ":".join(manifest.parts[-2:])
                    yield _gguf(root / "blobs" / digest.replace(":", "-"), title, "Ollama")


def _hugging_face() -> Iterator[FoundModel]:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    root = Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub")
    for repository in _folders(root, "models--*"):
        name = repository.name.removeprefix("models--").replace("--", "/")
        for snapshot in _folders(repository / "snapshots", "*"):
            for path in _files([snapshot]):
                yield _gguf(path, f"{name}/{path.name}", "Hugging Face")
            if (snapshot / "config.json").is_file() and _is_decoder(snapshot):
                yield _folder(name, name, snapshot, "Hugging Face")


def _is_decoder(folder: Path) -> bool:
    """Whether a folder of the cache is meant to be a language model; the cache contains much else."""
    try:
        said = read_object(folder / "config.json")
    except (OSError, ValueError):
        return True  # damaged, which is reported
    return any("CausalLM" in str(name) for name in said.get("architectures") or [])


def _gguf(path: Path, title: str, kept_by: str) -> FoundModel:
    try:
        header = read_gguf_header(path)
    except UserError as error:
        return FoundModel(str(path), title, kept_by, "GGUF", _size(path), problem=error.both)
    return FoundModel(str(path), title, kept_by, header.main_kind, header.file_bytes, *_fit(header.n_weights))


def _folder(name: str, title: str, folder: Path, kept_by: str) -> FoundModel:
    try:
        family = read_object(folder / "config.json").get("model_type")
        n_bytes = sum(path.stat().st_size for path in weight_files(folder))
    except (OSError, ValueError, LookupError, AttributeError) as error:
        return FoundModel(name, title, kept_by, "safetensors", 0, problem=not_loaded(folder, error).both)
    if not isinstance(family, str) or family not in FAMILIES:
        reason = Sentence('Models of type "{family}" are not supported.', family=str(family))
        return FoundModel(name, title, kept_by, "safetensors", n_bytes, problem=reason)
    return FoundModel(name, title, kept_by, "safetensors", n_bytes, *_fit(n_bytes // 2))


def _fit(n_weights: int) -> tuple[int, str]:
    """The memory that this many weights take here, and whether this computer has it."""
    room = _USABLE_SHARE * psutil.virtual_memory().total - _PROGRAM_BYTES
    plain, small = 2 * n_weights, int(n_weights * BITS["nf4"] / 8)
    return (plain, "fits") if plain <= room else (small, "in 4 bits" if small <= room else "too large")


def _files(roots: list[Path], suffix: str = SUFFIX) -> Iterator[Path]:
    """Files in these folders and below; a link to a file counts, a link to a folder is not followed."""
    looked_at = n_found = 0
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                looked_at += 1
                if name.lower().endswith(suffix) and not name.startswith("."):
                    n_found += 1
                    yield Path(folder) / name
                if looked_at > _MAX_LOOKED_AT or n_found >= _MAX_FOUND:
                    return


def _folders(root: Path, pattern: str) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in root.glob(pattern) if path.is_dir())[:_MAX_FOUND]
    return []


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0

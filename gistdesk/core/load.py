"""From a name to a model: finds the folder, refuses what would silently go wrong, loads base and adapter.

Never uses the network: only what is on this computer is found.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from gistdesk.core.adapter import Adapter, Encoder, branched_encoder, check_base, merged_encoder, read_adapter
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import (
    adapter_fingerprint,
    in_precision,
    model_fingerprint,
    of_files,
    tokenizer_fingerprint,
)
from gistdesk.core.gguf_header import is_gguf
from gistdesk.core.json_file import read_object
from gistdesk.core.memory import hold_little, total_bytes
from gistdesk.core.model import GistModel, ModelIdentity, TextTokenizer
from gistdesk.core.model_config import first_line, not_loaded, read_config
from gistdesk.core.model_weights import read_tokenizer, read_weights
from gistdesk.core.precision import QUANTIZED, check_precision, count_weights, has_bitsandbytes, trained_precision
from gistdesk.core.prepared import prepare, prepared_folder
from gistdesk.core.quantize import is_quantized
from gistdesk.core.sentences import Sentence
from gistdesk.folders import resource
from gistdesk.models import NAMED, SMOLLM2, STARTER, has_smollm2, shipped_adapter, smollm2_folder

_MERGE_BYTES = 2 * 2**30
"""Models with more weights than this are not held twice; see `adapter`."""
_FREE_SHARE, _FREE_BYTES = 0.2, 512 * 2**20
"""Of the device's memory, left for gists, intermediate results and other programs."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]


@dataclass(frozen=True)
class ModelFolders:
    """Where a model is on disk. `adapter` is None if there is none.

    `adapter_alone`: the adapter's own folder was named, which is not inside the base's.
    """

    model_id: str
    base: Path
    adapter: Path | None
    adapter_alone: bool = False


def choose_device(wanted: str) -> tuple[str, Sentence]:
    """ "auto", "cpu" or "cuda" -> the device and the reason for it, as a sentence.

    Raises:
        UserError: CUDA was requested and is not available.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise UserError('There is no device "{name}".', "Choose auto, cpu or cuda.", name=wanted)
    if wanted == "cpu":
        return "cpu", Sentence("The CPU was asked for.")
    if torch.cuda.is_available():
        return "cuda", Sentence("{card} is used.", card=torch.cuda.get_device_name())
    if torch.version.cuda is None:
        reason = Sentence("The installed PyTorch has no CUDA support.")
    else:
        reason = Sentence("PyTorch has CUDA support but sees no NVIDIA card or driver.")
    if wanted == "cuda":
        raise UserError(reason, "Use --device cpu, or see the README on CUDA.")
    return "cpu", reason


def choose_dtype(device: str) -> torch.dtype:
    """bfloat16 on CUDA and on processors with bfloat16 instructions, otherwise float32.

    Chosen by capability, not by timing: the same machine must always choose the same. Where the instructions exist
    a product of 2048 x 256 x 768 ran 4.7 times faster than in float32 on an EPYC of 2024; where they do not exist,
    bfloat16 is emulated and slower.
    """
    if device == "cuda":
        return torch.bfloat16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def plain_precision(device: str) -> str:
    """ "bf16" or "fp32", according to `choose_dtype`."""
    return "bf16" if choose_dtype(device) == torch.bfloat16 else "fp32"


def choose_precision(wanted: str, device: str, folders: ModelFolders) -> str:
    """ "auto", "nf4", "int8", "bf16" or "fp32" -> one of the last four.

    "auto" is NF4 or 8 bits if the adapter was trained on such a base; otherwise what `choose_dtype` says if such
    weights leave a fifth of the device's memory free, and NF4 if they do not and bitsandbytes is installed. It goes by
    the device's total memory, not by what is free at the moment: a gist made in 4 bits does not belong to the same
    model in 16, so the same computer must always choose the same.

    Args:
        device: "cpu" or "cuda".

    Raises:
        UserError: unknown precision, bitsandbytes is missing, or configuration or weight files cannot be read.
    """
    check_precision(wanted)
    if wanted != "auto":
        return wanted
    plain, trained = plain_precision(device), trained_precision(folders.adapter)
    if trained in QUANTIZED:
        check_precision(trained)
        return trained
    read_config(folders.base)  # explains a folder without a model better than missing weights would
    try:
        n_bytes = count_weights(folders.base).n_bytes(plain)
    except (OSError, SafetensorError, ValueError) as error:
        raise not_loaded(folders.base, error) from error
    fits = n_bytes <= (1 - _FREE_SHARE) * total_bytes(device) - _FREE_BYTES
    return plain if fits or not has_bitsandbytes() else "nf4"


def find_model(name: str) -> ModelFolders:
    """Resolve "starter", "smollm2", a folder of a model or an adapter, a GGUF file, or a hub id ("Qwen/Qwen3-1.7B").

    Searches only this computer: no name, however mistyped, makes the program use the network.

    Raises:
        UserError: nothing has that name.
    """
    if name == STARTER:
        return ModelFolders(STARTER, resource("starter"), resource("starter") / "adapter")
    if name == SMOLLM2:
        if not has_smollm2():
            raise _not_here(name)
        return ModelFolders(SMOLLM2, smollm2_folder(), shipped_adapter(SMOLLM2))
    folder = path_of(name)
    if folder.is_file() and is_gguf(folder):
        prepared = prepared_folder(folder)
        if not prepared.is_dir():
            raise UserError(
                "The model {name} is not prepared yet.", "Prepare it: gistdesk models prepare {name}.", name=name
            )
        return ModelFolders(folder.stem, prepared, None)
    if folder.is_dir():
        if (folder / "gist.json").exists():
            return _adapter_folders(folder)
        inside = folder / "adapter"
        return ModelFolders(folder.resolve().name, folder, inside if (inside / "gist.json").exists() else None)
    if _HUB_ID.fullmatch(name):
        return ModelFolders(name, _from_hub(name), None)
    raise UserError(
        'There is no model "{name}".',
        "Give starter, smollm2, a model's folder, a GGUF file, or a hub id such as org/name.",
        name=name,
    )


def is_hub_id(name: str) -> bool:
    """Whether it could be a model on the hub: org/name."""
    return _HUB_ID.fullmatch(name) is not None


def path_of(name: str) -> Path:
    """A name as a path; "~" is the user's own folder."""
    with suppress(RuntimeError):  # no such user
        return Path(name).expanduser()
    return Path(name)


def _adapter_folders(folder: Path) -> ModelFolders:
    try:
        base = str(read_object(folder / "adapter_config.json")["base_model_name_or_path"])
        is_there = base in NAMED or _HUB_ID.fullmatch(base) or Path(base).exists()
        is_adapter = (Path(base) / "gist.json").exists()  # an adapter is nobody's base, least of all its own
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            "The adapter in {folder} does not name its base model.", "Train or import it again.", folder=folder
        ) from error
    if not is_there or is_adapter:
        raise UserError(
            "The base model {base} of the adapter in {folder} cannot be found.",
            "Restore or download it.",
            base=base,
            folder=folder,
        )
    found = find_model(base)
    return ModelFolders(found.model_id, found.base, folder, adapter_alone=True)


def _from_hub(name: str) -> Path:
    """Where the hub's library keeps a downloaded model."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise _not_here(name) from error


def _not_here(name: str) -> UserError:
    return UserError(
        'The model "{name}" is not on this computer.',
        "Fetch it: gistdesk models fetch {name}; or check its name.",
        name=name,
    )


def load_model(
    name: str = "starter", *, device: str = "auto", precision: str = "auto", need_adapter: bool = True
) -> GistModel:
    """Load a base model and its gist adapter. A GGUF file is prepared first; `prepare` does that with progress.

    Args:
        name: see `find_model`.
        device: "auto", "cpu" or "cuda".
        precision: of weights and KV, see `choose_precision`. KV is in bfloat16 if weights have fewer bits.
        need_adapter: False also loads a base that has none, for `full` and other baselines.

    Raises:
        UserError: unknown, unsuitable, damaged, without safetensors, without an adapter, or too large.
    """
    for _ in prepare(path_of(name)):
        pass
    folders = find_model(name)
    if need_adapter and folders.adapter is None:
        raise UserError(
            'The model "{name}" has no gist adapter.', "Train one for it, or give the folder of an adapter.", name=name
        )
    device, _ = choose_device(device)
    return load_from(folders, device, choose_precision(precision, device, folders))


def load_from(
    folders: ModelFolders, device: str, precision: str, on_share: Callable[[float], None] = lambda share: None
) -> GistModel:
    """Load a model found by `find_model`, onto the given device and in the given precision.

    Args:
        device: "cpu" or "cuda".
        precision: "nf4", "int8", "bf16" or "fp32".
        on_share: called with the share of the weights loaded so far. It may raise.

    Raises:
        UserError: unsuitable, damaged, without safetensors, or too large.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    hold_little()
    config = read_config(folders.base)
    causal_lm, tokenizer = _load_base(folders.base, config, device, precision, on_share)
    identity = model_identity(folders, precision)
    base = of_files(identity.model_fingerprint)[0]
    adapter = read_adapter(folders.adapter, causal_lm.model, base) if folders.adapter else None
    model = GistModel(causal_lm, tokenizer, identity, adapter)
    if adapter is not None:
        with torch.no_grad():
            model.encoder = encoder_of(causal_lm.model, adapter, merge_bytes=_MERGE_BYTES)
    return model


def model_identity(folders: ModelFolders, precision: str) -> ModelIdentity:
    """What gists must match to belong to the model in these folders, loaded in this precision.

    Raises:
        OSError, ValueError: a file is missing or damaged.
        UserError: the adapter belongs to another base.
    """
    fingerprint = model_fingerprint(folders.base)
    if folders.adapter is not None:
        check_base(folders.adapter, fingerprint)
    return ModelIdentity(
        folders.model_id,
        in_precision(fingerprint, precision),
        tokenizer_fingerprint(folders.base),
        adapter_fingerprint(folders.adapter) if folders.adapter else "",
    )


def encoder_of(stack: nn.Module, adapter: Adapter, *, merge_bytes: int) -> Encoder:
    """Merged for a decoder of plain weights up to `merge_bytes`, branched for all others; see `adapter`."""
    n_bytes = sum(p.numel() * p.element_size() for p in stack.parameters())
    wrap = branched_encoder if is_quantized(stack) or n_bytes > merge_bytes else merged_encoder
    return wrap(stack, adapter)


def load_tokenizer(name: str) -> TextTokenizer:
    """A model's tokenizer without the model.

    Raises:
        UserError: see `find_model`; or it cannot be read.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    folder = find_model(name).base
    config = read_config(folder)
    try:
        return TextTokenizer(read_tokenizer(folder, config))
    except Exception as error:  # as in `_load_base`
        raise UserError(
            "The tokenizer in {folder} cannot be read ({reason}).",
            "Download or copy the folder again.",
            folder=folder,
            reason=first_line(error),
        ) from error


def _load_base(
    folder: Path, config: Any, device: str, precision: str, on_share: Callable[[float], None]
) -> tuple[Any, Any]:
    """A model on its device, and its tokenizer.

    transformers and tokenizers check little of what they read, and fail in many ways.
    """
    try:
        tokenizer = read_tokenizer(folder, config)
        return read_weights(folder, config, torch.device(device), precision, on_share), tokenizer
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            "The model in {folder} does not fit into the card's memory in {precision}.",
            "Use --precision nf4, --device cpu or a smaller model.",
            folder=folder,
            precision=precision,
        ) from error
    except (MemoryError, UserError):
        raise
    except Exception as error:
        raise not_loaded(folder, error) from error

"""What a model would take and could do, from its files alone: no weights are loaded.

Knows the files of a model folder; knows nothing of what is loaded.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import AutoConfig

from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import adapter_fingerprint, model_fingerprint, tokenizer_fingerprint
from gistdesk.core.load import ModelFolders, check_config, choose_dtype
from gistdesk.core.model import ModelIdentity
from gistdesk.protocol import ModelInfo


def model_info(name: str, folders: ModelFolders, device: str, reason: str) -> ModelInfo:
    """A model's figures on a device.

    Args:
        name: by which it was asked for.
        folders: where it lies.
        device: "cpu" or "cuda".
        reason: why that device, as a sentence.

    Raises:
        UserError: it cannot be used, or is damaged.
    """
    check_config(folders.base)
    try:
        config: Any = AutoConfig.from_pretrained(folders.base, local_files_only=True, trust_remote_code=False)
        n_parameters = _count_parameters(folders.base)
        segment_tokens, max_slots = _adapter_sizes(folders.adapter) if folders.adapter else (0, 0)
        identity = model_identity(folders)
    except (OSError, LookupError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        raise UserError(
            f"The files of {name} cannot be read ({error}).", "Download or copy the folder again."
        ) from error
    dtype = choose_dtype(device)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    values_per_slot = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim
    return ModelInfo(
        model=name,
        model_id=folders.model_id,
        family=str(config.model_type),
        n_parameters=n_parameters,
        weight_bytes=n_parameters * dtype.itemsize,
        kv_bytes_per_slot=values_per_slot * dtype.itemsize,
        segment_tokens=segment_tokens,
        max_slots=max_slots,
        max_positions=int(config.max_position_embeddings),
        has_adapter=folders.adapter is not None,
        model_fingerprint=identity.model_fingerprint,
        tokenizer_fingerprint=identity.tokenizer_fingerprint,
        adapter_fingerprint=identity.adapter_fingerprint,
        device=device,
        device_reason=reason,
        dtype=str(dtype).removeprefix("torch."),
    )


def model_identity(folders: ModelFolders) -> ModelIdentity:
    """What gists of the model in these folders must match.

    Raises:
        OSError, ValueError: a file is missing or damaged.
    """
    return ModelIdentity(
        folders.model_id,
        model_fingerprint(folders.base),
        tokenizer_fingerprint(folders.base),
        adapter_fingerprint(folders.adapter) if folders.adapter else "",
    )


def _count_parameters(folder: Path) -> int:
    """From the headers of the weight files."""
    n_parameters = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118  (it is no dictionary)
                n_values = 1
                for size in opened.get_slice(name).get_shape():
                    n_values *= size
                n_parameters += n_values
    return n_parameters


def _adapter_sizes(folder: Path) -> tuple[int, int]:
    """Longest segment in tokens, and most slots per segment."""
    gist = json.loads((folder / "gist.json").read_text(encoding="utf-8"))
    return int(gist["segment_tokens"]), len(gist["gist_ids"])

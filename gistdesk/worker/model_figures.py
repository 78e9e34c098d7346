"""What a model would take and could do, from its files alone: no weights are loaded.

Knows the files of a model folder; knows nothing of what is loaded.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig

from gistdesk.core.adapter import trained_ratios
from gistdesk.core.errors import UserError
from gistdesk.core.json_file import read_object
from gistdesk.core.load import ModelFolders, choose_precision, model_identity
from gistdesk.core.model import ModelIdentity
from gistdesk.core.model_config import check_config, weight_files
from gistdesk.core.precision import count_weights, trained_precision
from gistdesk.protocol import MeasuredRatio, ModelInfo


def model_info(
    name: str, folders: ModelFolders, device: str, reason: str, precision: str, loaded: ModelIdentity | None = None
) -> ModelInfo:
    """A model's figures on a device.

    Args:
        name: it was requested by.
        folders: where it is.
        device: "cpu" or "cuda".
        reason: why that device, as a sentence.
        precision: see `gistdesk.core.load.choose_precision`.
        loaded: identity of the loaded model; without it, it is computed, and the adapter checked, from the files.

    Raises:
        UserError: it cannot be used, or is damaged; or its adapter was trained for another base.
    """
    if loaded is None:
        check_config(folders.base)
    precision = choose_precision(precision, device, folders)
    try:
        config: Any = AutoConfig.from_pretrained(folders.base, local_files_only=True, trust_remote_code=False)
        counts = count_weights(folders.base)
        file_bytes = sum(path.stat().st_size for path in weight_files(folders.base))
        segment_tokens, max_slots, ratios = _adapter_sizes(folders.adapter) if folders.adapter else (0, 0, None)
        identity = loaded or model_identity(folders, precision)
    except (OSError, LookupError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        raise UserError(
            "The files of {name} cannot be read ({reason}).",
            "Download or copy the folder again.",
            name=name,
            reason=error,
        ) from error
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    values_per_slot = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim
    return ModelInfo(
        model=name,
        model_id=folders.model_id,
        family=str(config.model_type),
        n_parameters=counts.n_linear + counts.n_other,
        file_bytes=file_bytes,
        weight_bytes=counts.n_bytes(precision),
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
        precision=precision,
        adapter_base=folders.model_id if folders.adapter_alone else "",
        adapter_precision=trained_precision(folders.adapter),
        measured=_measured(folders.adapter) if folders.adapter else (),
        trained_ratios=ratios,
    )


def _adapter_sizes(folder: Path) -> tuple[int, int, tuple[float, float] | None]:
    """Longest segment in tokens, most slots per segment, and the ratios of training."""
    gist = read_object(folder / "gist.json")
    return int(gist["segment_tokens"]), len(gist["gist_ids"]), trained_ratios(gist)


def _measured(folder: Path) -> tuple[MeasuredRatio, ...]:
    """The adapter's table of accuracies, over all languages, lengths and depths; malformed rows are left out."""
    rows = read_object(folder / "gist.json").get("measured")
    sums: dict[tuple[str, float], list[float]] = {}
    for row in rows if isinstance(rows, list) else ():
        with suppress(LookupError, TypeError, ValueError):
            kind, ratio, n = str(row["needle_kind"]), float(row["ratio"]), int(row["n"])
            n_right = n * float(row["accuracy"])
            if n > 0 and 0 <= n_right <= n and 1 <= ratio < 1e6:
                counts = sums.setdefault((kind, ratio), [0, 0.0])
                counts[0] += n
                counts[1] += n_right
    return tuple(MeasuredRatio(kind, ratio, int(n), round(right)) for (kind, ratio), (n, right) in sums.items())

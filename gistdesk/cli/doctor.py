"""What this computer offers and what is used of it, with the reason if a GPU is not used.

Collects facts; judges nothing and prints nothing.
"""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from gistdesk import __version__
from gistdesk.core.errors import UserError
from gistdesk.cuda.status import in_words, status
from gistdesk.models import SMOLLM2, has_smollm2, shipped_adapter, smollm2_folder

_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "bitsandbytes",
    "pypdfium2",
    "selectolax",
    "matplotlib",
)


def examine(model: str, precision: str = "auto") -> dict[str, Any]:
    """Sections of facts: program, packages, processor, memory, devices, model."""
    import torch

    from gistdesk.core.load import choose_device, choose_dtype

    device, reason = choose_device("auto")
    memory = psutil.virtual_memory()
    return {
        "program": {"gistdesk": __version__, "python": sys.version.split()[0], "system": platform.platform()},
        "packages": {name: _version(name) for name in _PACKAGES},
        "processor": {
            "name": str(torch.cpu.get_capabilities().get("cpu_name", platform.processor())),
            "cores": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
        },
        "memory": {"total_bytes": memory.total, "available_bytes": memory.available},
        "device": {
            "used": device,
            "reason": reason,
            "dtype": str(choose_dtype(device)).removeprefix("torch."),
            "cuda_build": torch.version.cuda or "none",
            "cards": _cards(),
            "set-up": in_words(status()),
        },
        "model": _model(model, precision),
        "smollm2": _smollm2(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cards() -> list[dict[str, Any]] | str:
    """Every NVIDIA card as its driver reports it; a sentence if there is none."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"No NVIDIA card or driver was found ({error})."
    try:
        cards = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            name = pynvml.nvmlDeviceGetName(card)
            cards.append({"name": str(name), "total_bytes": int(memory.total), "free_bytes": int(memory.free)})
        return cards
    finally:
        pynvml.nvmlShutdown()


def _smollm2() -> str:
    """Whether the model for English is available."""
    if not has_smollm2():
        return f"not here, so the starter reads English, too; gistdesk models fetch {SMOLLM2} brings it"
    adapter = shipped_adapter(SMOLLM2)
    return f"{smollm2_folder()}, {'with its gist adapter' if adapter else 'without a gist adapter'}"


def _model(name: str, precision: str) -> dict[str, Any]:
    from gistdesk.core.load import find_model, load_model
    from gistdesk.core.precision import count_weights

    try:
        model = load_model(name, precision=precision, need_adapter=False)
        weights = count_weights(find_model(name).base)
    except UserError as error:
        return {"name": name, "problem": str(error)}
    facts: dict[str, Any] = {
        "name": model.identity.model_id,
        "parameters": weights.n_linear + weights.n_other,
        "precision": model.precision,
        "weight_bytes": sum(p.numel() * p.element_size() for p in model.causal_lm.parameters()),
        "window_tokens": model.max_positions,
        "fingerprint": model.identity.model_fingerprint,
    }
    if model.adapter is None:
        facts["adapter"] = "none: it cannot compress until one is trained"
    else:
        facts |= {"segment_tokens": model.adapter.segment_tokens, "slots_per_segment": model.adapter.max_slots}
    return facts

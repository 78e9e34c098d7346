"""Writes a trained starter as the folder that ships: model, tokenizer, adapter.

Knows the folder's form; nothing of training.
"""

import shutil
from pathlib import Path
from typing import Any

import torch

from gistdesk.core.adapter import Adapter, write_adapter
from gistdesk.core.fingerprint import model_fingerprint

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def export_starter(folder: Path, base: Any, tokenizer: Path, adapter: Adapter, measured: list[dict[str, Any]]) -> None:
    """Write base (float16), tokenizer and adapter to `folder`.

    Args:
        tokenizer: its folder.
        measured: rows for the adapter's `gist.json`; may be empty before anything was measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.to("cpu", torch.float16) for name, tensor in base.state_dict().items()}
    base.save_pretrained(folder, state_dict=state)
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, folder / name)
    write_adapter(
        folder / "adapter", adapter, base_model="starter", base_fingerprint=model_fingerprint(folder), measured=measured
    )
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for the owner alone; a model may be installed for everybody

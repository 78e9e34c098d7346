"""Writes a trained starter as the folder that ships: model, tokenizer, adapter, model card.

Knows the folder's form; the figures in the card come from a benchmark's results.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from gistdesk.core.adapter import write_adapter
from gistdesk.core.fingerprint import model_fingerprint
from trainer.starter import StarterRun

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def export_starter(run: StarterRun, folder: Path, measured: list[dict[str, Any]]) -> None:
    """Write base (float16), tokenizer and adapter to `folder`.

    Args:
        measured: rows for the adapter's `gist.json`; may be empty before anything was measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = run.base.to("cpu")
    base.generation_config.eos_token_id = run.model.tokenizer.eos_token_id
    state = {name: tensor.to(torch.float16) for name, tensor in base.state_dict().items()}
    base.save_pretrained(folder, state_dict=state)
    for name in _TOKENIZER_FILES:
        if (run.folder / name).exists():
            shutil.copyfile(run.folder / name, folder / name)
    write_adapter(
        folder / "adapter",
        run.adapter.adapter(),
        base_model="starter",
        base_fingerprint=model_fingerprint(folder),
        measured=measured,
    )
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for the owner alone; a model may be installed for everybody


def read_results(path: Path) -> list[dict[str, Any]]:
    """The cells of a benchmark's results.json."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells

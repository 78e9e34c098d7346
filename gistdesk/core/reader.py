"""A reader: LoRA factors with which a small model answers from sentences that were looked up, and its folder.

peft's layout, and `reader.json` with the base that it belongs to and what was measured. On only while looked-up
text is read and answered from; gists are made and answered from without them. Does not know how one is trained.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from gistdesk.core.adapter import UNREADABLE, Adapter, check_shapes, lora_config, lora_factors, lora_tensors, read_peft
from gistdesk.core.errors import UserError
from gistdesk.core.json_file import read_object
from gistdesk.core.resources import resource

_ABOUT = "reader.json"


def find_reader(base_fingerprint: str) -> Path | None:
    """The reader that ships for a base model; None where there is none.

    Raises:
        UserError: one is damaged.
    """
    for about in sorted(resource("readers").glob(f"*/{_ABOUT}")):
        try:
            if read_object(about)["base_model_fingerprint"] == base_fingerprint:
                return about.parent
        except UNREADABLE as error:
            raise _unreadable(about.parent, error) from error
    return None


def read_reader(folder: Path, stack: nn.Module) -> Adapter:
    """Read a reader's folder: an adapter without gist tokens.

    Raises:
        UserError: files are missing or damaged, or it does not fit the stack.
    """
    try:
        config, tensors = read_peft(folder)
        lora, scaling = lora_factors(config, tensors)
    except UNREADABLE as error:
        raise _unreadable(folder, error) from error
    width = stack.get_parameter("embed_tokens.weight").shape[1]
    reader = Adapter(lora, scaling, torch.zeros(0, width), (), 0)
    check_shapes(folder, stack, reader)
    return reader


def write_reader(
    folder: Path, reader: Adapter, *, base_model: str, base_fingerprint: str, measured: list[dict[str, Any]]
) -> None:
    """Write `adapter_config.json`, `adapter_model.safetensors` (float16) and `reader.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(lora_tensors(reader), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    about = {"base_model_fingerprint": base_fingerprint, "measured": measured}
    for name, content in (("adapter_config.json", lora_config(reader, base_model)), (_ABOUT, about)):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _unreadable(folder: Path, error: Exception) -> UserError:
    return UserError(
        "The reader in {folder} cannot be read ({reason}).", "Install gistdesk again.", folder=folder, reason=error
    )

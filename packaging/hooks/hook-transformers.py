"""What of transformers goes into the frozen program: the families that gistdesk loads, not its several hundred others.

Sources are kept as files, because transformers reads them to know what it holds.
"""

import importlib.util
from pathlib import Path

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

from gistdesk.core.families import FAMILIES as LOADED

FAMILIES = (*LOADED, "auto", "encoder_decoder", "gemma", "gpt2", "qwen3_5", "t5")
"""Those that are loaded, what transformers' own Auto classes import, and its reader of GGUF files."""

_folder = Path(importlib.util.find_spec("transformers").origin).parent / "models"
_others = [path.name for path in _folder.iterdir() if path.is_dir() and path.name not in (*FAMILIES, "__pycache__")]

module_collection_mode = "pyz+py"
warn_on_missing_hiddenimports = False
hiddenimports = [name for family in FAMILIES for name in collect_submodules(f"transformers.models.{family}")]
for _part in ("generation", "integrations", "quantizers", "loss", "utils"):
    hiddenimports += collect_submodules(f"transformers.{_part}", on_error="ignore")
excludedimports = [f"transformers.models.{name}" for name in _others]
datas = []
for _name in (
    "accelerate", "bitsandbytes", "filelock", "gguf", "huggingface-hub", "numpy", "packaging", "pyyaml", "regex",
    "requests", "safetensors", "tokenizers", "torch", "tqdm", "transformers", "typer",
):  # fmt: skip
    try:
        datas += copy_metadata(_name)
    except Exception:  # not a dependency of this version
        continue

"""Imports and exports adapters: copied whole and tied to a base on this computer, or refused.

Knows the files of an adapter's folder; knows nothing of where adapters are kept.
"""

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gistdesk.core.adapter import check_base, parse_adapter
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import adapter_fingerprint, model_fingerprint
from gistdesk.core.json_file import read_object
from gistdesk.core.load import find_model
from gistdesk.core.model_config import check_config

FILES = ("adapter_config.json", "adapter_model.safetensors", "gist.json")
_BESIDE = ("config.yaml", "README.md")
"""What a run or a person wrote about how it was made; nothing else in the folder is copied."""


def import_adapter(source: Path, into: Path, bases: Iterable[str]) -> Path:
    """Copy an adapter's folder to a new one in `into`, tied to its base -> the new folder.

    One that is already there is not copied again.

    Args:
        bases: names of models that may be its base, besides the one it names itself; nothing is downloaded.

    Raises:
        UserError: it cannot be read, none of the bases matches, or it cannot be written.
    """
    parse_adapter(source)
    named = read_object(source / "adapter_config.json").get("base_model_name_or_path")
    base = _base_of(source, [named, *bases] if isinstance(named, str) else list(bases))
    if base is None:
        raise UserError(
            "The adapter in {folder} was trained for {base}, which is not among the models on this computer.",
            "Add or download the base that it was trained for, then import it again.",
            folder=source,
            base=named,
        )
    wanted = adapter_fingerprint(source)
    for there in into.glob("*/gist.json"):
        with suppress(OSError, ValueError):
            if adapter_fingerprint(there.parent) == wanted and _base_of(there.parent, [base]):
                return there.parent
    name = source.resolve().parent.name if source.resolve().name == "adapter" else source.resolve().name
    target, n = into / name, 2
    while target.exists():
        target, n = into / f"{name}-{n}", n + 1
    _copy(source, target, base=base)
    return target


def export_adapter(model: str, target: Path) -> None:
    """Copy a model's adapter to the folder `target`, in peft's layout.

    Raises:
        UserError: the model has none, the folder is not empty, or it cannot be written.
    """
    adapter = find_model(model).adapter
    if adapter is None:
        raise UserError('The model "{name}" has no gist adapter.', "Choose one that has an adapter.", name=model)
    parse_adapter(adapter)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("{target} already exists.", "Give the name of a new folder.", target=target)
    _copy(adapter, target)


def _base_of(adapter: Path, names: list[str]) -> str | None:
    """The first of these models that the adapter was trained for, a folder as an absolute path."""
    for name in names:
        with suppress(UserError, OSError, ValueError):
            found = find_model(name)
            check_config(found.base)
            check_base(adapter, model_fingerprint(found.base))
            return str(found.base.resolve()) if Path(name).is_dir() else name
    return None


def _copy(source: Path, target: Path, *, base: str = "") -> None:
    """All or nothing: written beside the target, then renamed. `base`: the base its configuration should name."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        fresh.mkdir(parents=True)
        for name in (*FILES, *_BESIDE):
            if name in FILES or (source / name).is_file():
                shutil.copyfile(source / name, fresh / name)
        if base:
            path = fresh / "adapter_config.json"
            config = read_object(path) | {"base_model_name_or_path": base}
            path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        if target.is_dir():
            target.rmdir()  # the user may have chosen an empty folder
        fresh.rename(target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise UserError(
            "The adapter cannot be copied to {target} ({reason}).",
            "Free some space, or give another folder.",
            target=target,
            reason=error.strerror,
        ) from error

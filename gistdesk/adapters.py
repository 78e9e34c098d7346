"""The adapters kept here: listing, renaming and removing them. A folder each, in peft's layout.

Knows folders and names; knows nothing of what is in an adapter, and loads nothing large.
"""

import shutil
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.core.title import file_name
from gistdesk.folders import folders


def adapters_folder() -> Path:
    """Where they are kept; it may not exist yet."""
    return folders().data / "adapters"


def kept_adapters() -> list[Path]:
    """Their folders, by name."""
    folder = adapters_folder()
    return sorted(path.parent for path in folder.glob("*/gist.json") if not path.parent.name.startswith("."))


def rename_adapter(folder: Path, title: str) -> Path:
    """Rename an adapter kept here -> its new folder.

    Raises:
        UserError: the name is taken, it is kept somewhere else, or it cannot be renamed.
    """
    _check_kept(folder)
    target = folder.with_name(file_name(title))
    if target.exists():
        raise UserError("There is already an adapter called {name}.", "Choose another name.", name=target.name)
    try:
        folder.rename(target)
    except OSError as error:
        raise UserError(
            "The adapter {folder} cannot be renamed ({reason}).",
            "Check the folder's permissions.",
            folder=folder,
            reason=error.strerror,
        ) from error
    return target


def _check_kept(folder: Path) -> None:
    if folder not in kept_adapters():
        raise UserError("{folder} is not one of the adapters kept here.", "See gistdesk adapters list.", folder=folder)


def remove_adapter(folder: Path) -> None:
    """Permanently delete an adapter kept here.

    Raises:
        UserError: it is kept somewhere else, or cannot be deleted.
    """
    _check_kept(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise UserError(
            "The adapter {folder} cannot be removed ({reason}).",
            "Check the folder's permissions.",
            folder=folder,
            reason=error.strerror,
        ) from error

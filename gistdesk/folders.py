"""The program's folders: what ships with it, and where everything is kept, private to its owner.

Knows nothing of their contents.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import platformdirs

from gistdesk.atomic import replacing

HOME_VARIABLE = "GISTDESK_HOME"
MODELS_VARIABLE = "GISTDESK_MODELS"


@dataclass(frozen=True)
class Folders:
    """Where everything is kept: the library in `data`, models in `models`, settings in `config`, logs in `log`."""

    data: Path
    config: Path
    log: Path
    models: Path


def folders() -> Folders:
    """The platform's folders or, if the variable GISTDESK_HOME names one, folders inside that. Creates none.

    GISTDESK_MODELS moves only the models: they are large, and several homes may share them.
    """
    if home := os.environ.get(HOME_VARIABLE):
        root = Path(home).expanduser().absolute()
        data, config, log = root / "data", root / "config", root / "log"
    else:
        dirs = platformdirs.PlatformDirs("gistdesk", appauthor=False)
        data, config, log = dirs.user_data_path, dirs.user_config_path, dirs.user_log_path
    models = os.environ.get(MODELS_VARIABLE)
    return Folders(data, config, log, Path(models).expanduser().absolute() if models else data / "models")


def resource(name: str) -> Path:
    """A file shipped under `resources/`, for example "starter": in a checkout, a wheel and a frozen build alike."""
    package = Path(str(files("gistdesk")))
    installed = package / "resources"
    return (installed if installed.is_dir() else package.parent / "resources") / name


def make_private(folder: Path) -> None:
    """Create the folder, with those above it, accessible only to its owner. Raises OSError: it cannot be created."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # a disk without permissions, or a folder owned by somebody else
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, in one step. Raises OSError."""
    with replacing(path, private=True) as part:
        part.write_bytes(data)

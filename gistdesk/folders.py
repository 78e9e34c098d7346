"""The folders that everything is kept in. Knows nothing of what is in them."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

HOME_VARIABLE = "GISTDESK_HOME"


@dataclass(frozen=True)
class Folders:
    """Where everything is kept: the library and models in `data`, settings in `config`, logs in `log`."""

    data: Path
    config: Path
    log: Path


def folders() -> Folders:
    """The platform's folders, or, where the variable GISTDESK_HOME names one, folders in that. None is made."""
    if home := os.environ.get(HOME_VARIABLE):
        root = Path(home).expanduser().absolute()
        return Folders(root / "data", root / "config", root / "log")
    dirs = platformdirs.PlatformDirs("gistdesk", appauthor=False)
    return Folders(dirs.user_data_path, dirs.user_config_path, dirs.user_log_path)

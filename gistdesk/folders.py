"""The folders that everything is kept in. Knows nothing of what is in them."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

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
    """The platform's folders, or, where the variable GISTDESK_HOME names one, folders in that. None is made.

    GISTDESK_MODELS moves the models alone: they are large, and several homes may share them.
    """
    if home := os.environ.get(HOME_VARIABLE):
        root = Path(home).expanduser().absolute()
        data, config, log = root / "data", root / "config", root / "log"
    else:
        dirs = platformdirs.PlatformDirs("gistdesk", appauthor=False)
        data, config, log = dirs.user_data_path, dirs.user_config_path, dirs.user_log_path
    models = os.environ.get(MODELS_VARIABLE)
    return Folders(data, config, log, Path(models).expanduser().absolute() if models else data / "models")

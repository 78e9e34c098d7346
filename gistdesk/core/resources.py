"""Finds what ships with the program: in a checkout, in a wheel and in a frozen build alike.

Knows names of folders, not what is in them.
"""

from importlib.resources import files
from pathlib import Path


def resource(name: str) -> Path:
    """The path of something under `resources/`, for example "starter" or "text/en-....txt.gz"."""
    package = Path(str(files("gistdesk")))
    installed = package / "resources"
    return (installed if installed.is_dir() else package.parent / "resources") / name

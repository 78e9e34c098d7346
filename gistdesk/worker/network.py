"""Whether the hub's library may use the network: for a requested download, and for nothing else.

Loading a model that is not on this computer must fail, not silently fetch gigabytes.
"""

import os
import sys

_OFFLINE = "HF_HUB_OFFLINE"
_AS_STARTED = os.environ.get(_OFFLINE, "")


def use_network(allowed: bool) -> None:
    """Allow the network or not. If the user has switched it off for the hub's library, it stays off."""
    os.environ[_OFFLINE] = _AS_STARTED if allowed else "1"  # the library reads it on import
    if constants := sys.modules.get("huggingface_hub.constants"):
        constants.HF_HUB_OFFLINE = _AS_STARTED.upper() in ("1", "ON", "YES", "TRUE") if allowed else True  # type: ignore[attr-defined]

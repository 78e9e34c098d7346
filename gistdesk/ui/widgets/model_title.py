"""A model's name as the window writes it. Knows names; knows nothing of models and widgets."""

from gistdesk.language.i18n import tr
from gistdesk.models import SMOLLM2, STARTER


def model_title(name: str) -> str:
    """A model's name short enough for a table: the last part of a folder or hub id."""
    if name == SMOLLM2:
        return "SmolLM2"
    return tr("Starter") if name == STARTER else name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]

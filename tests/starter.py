"""The bundled starter, loaded once per process and set of options; tests leave it as it is."""

from functools import cache

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel


@cache
def loaded_starter(**options: str) -> GistModel:
    """As `load_model` gives it with these options."""
    return load_model("starter", **options)  # type: ignore[arg-type]

"""Which languages there are, and their texts: each but English is a folder of gettext files in the resources.

Nothing else has to know of a language. Knows neither Qt nor which language is in use.
"""

import io
from functools import cache
from gettext import GNUTranslations

from gistdesk.core.resources import resource

ENGLISH = "en"


@cache
def languages() -> tuple[str, ...]:
    """As ISO 639 names them, English first."""
    folders = (folder for folder in resource("translations").iterdir() if any(folder.glob("*.po")))
    return ENGLISH, *sorted(folder.name for folder in folders)


@cache
def catalog(name: str) -> GNUTranslations:
    """What the files of a language hold: polib reads them, and Python's own gettext answers."""
    import polib  # not needed to draw an English window

    texts, *others = (polib.pofile(str(path)) for path in sorted(resource(f"translations/{name}").glob("*.po")))
    for other in others:
        texts.extend(other)
    return GNUTranslations(io.BytesIO(texts.to_binary()))

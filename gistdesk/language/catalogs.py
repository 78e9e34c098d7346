"""The available languages and their texts: each except English is a folder of gettext files in the resources.

Nothing else has to know about a language. Knows neither Qt nor which language the window uses.
"""

import io
import os
from functools import cache
from gettext import GNUTranslations
from typing import Protocol

from gistdesk.core.sentences import Sentence
from gistdesk.folders import resource
from gistdesk.language.particles import filled

ENGLISH = "en"
VARIABLE = "GISTDESK_LANGUAGE"
"""Set by the window in the environment of a run it starts: the language of the run's report."""
_WORDS = ("reason", "what")
"""Values that are words with a possible translation of their own, such as a reason the system gives."""


class Translate(Protocol):
    """`translated` into one language."""

    def __call__(self, text: str, /, **values: object) -> str: ...


@cache
def languages() -> tuple[str, ...]:
    """ISO 639 codes of the available languages, English first."""
    folders = (folder for folder in resource("translations").iterdir() if any(folder.glob("*.po")))
    return ENGLISH, *sorted(folder.name for folder in folders)


@cache
def catalog(name: str) -> GNUTranslations:
    """The texts in a language's files: polib reads them, and Python's own gettext looks them up."""
    import polib  # not needed to draw an English window

    texts, *others = (polib.pofile(str(path)) for path in sorted(resource(f"translations/{name}").glob("*.po")))
    for other in others:
        texts.extend(other)
    return GNUTranslations(io.BytesIO(texts.to_binary()))


def asked_language() -> str:
    """The language of the window that started this process; English if none did, as in a terminal."""
    name = os.environ.get(VARIABLE, ENGLISH)
    return name if name in languages() else ENGLISH


def translated(language: str, text: str, /, **values: object) -> str:
    """`text` in a language, with `values` filled into its {places}; a `Sentence` brings its own."""
    if isinstance(text, Sentence):
        values = {**text.values, **values}
        text = text.template
    if language == ENGLISH:
        return text.format(**values) if values else text
    found = catalog(language).gettext(text) if text else ""
    return filled(found, {name: _word(language, name, value) for name, value in values.items()}) if values else found


def _word(language: str, name: str, value: object) -> object:
    if isinstance(value, Sentence) or (name in _WORDS and isinstance(value, str)):
        return translated(language, value)
    return value

"""The models that this program knows by name, where models are kept, and which of them reads a document best.

Knows folders and names; imports nothing slow, and knows nothing of what is in a model's files.
"""

import re
import unicodedata
from pathlib import Path

from gistdesk.folders import folders, resource

STARTER, SMOLLM2 = "starter", "smollm2"
NAMED = (STARTER, SMOLLM2)
"""Names accepted in place of a folder or a hub id. The starter ships with the program; SmolLM2 is fetched once."""

_KOREAN_SHARE = 0.2
"""Of a text's letters. A Korean report full of English names has more, an English one that quotes a title has less."""
_SAMPLE_CHARS = 20_000


def models_folder() -> Path:
    """Where fetched or converted models are kept; it may not exist yet."""
    return folders().models


def smollm2_folder() -> Path:
    """Where SmolLM2 is kept once prepared; otherwise where a frozen program ships it."""
    own, shipped = models_folder() / SMOLLM2, resource("models") / SMOLLM2
    return shipped if shipped.is_dir() and not own.is_dir() else own


def has_smollm2() -> bool:
    """Whether it can be used offline. A folder of that name is complete: it was renamed when done."""
    return (smollm2_folder() / "config.json").is_file()


def shipped_adapter(name: str) -> Path | None:
    """The gist adapter shipped for a model that is not itself shipped; None if there is none."""
    folder = resource("adapters") / name
    return folder if (folder / "gist.json").is_file() else None


def default_model(text: str) -> str:
    """The available model that reads this text best: the starter reads Korean, SmolLM2 does not."""
    return SMOLLM2 if has_smollm2() and not is_korean(text) else STARTER


def model_for(text: str, chosen: str) -> str:
    """The model for a text when the user works with `chosen`: the starter replaces SmolLM2 for Korean."""
    return STARTER if chosen == SMOLLM2 and is_korean(text) else chosen


def is_korean(text: str) -> bool:
    """Whether a fifth of the letters at its beginning are Hangul, composed or not."""
    letters = re.findall(r"[^\W\d_]", unicodedata.normalize("NFC", text[:_SAMPLE_CHARS]))
    n_hangul: int = sum("가" <= letter <= "힣" for letter in letters)
    return n_hangul > _KOREAN_SHARE * len(letters)

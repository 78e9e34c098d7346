"""The models that this program knows by name, where models are kept, and which of them reads a document best.

Knows folders and names; imports nothing that takes time, and knows nothing of what is in a model's files.
"""

import re
import unicodedata
from pathlib import Path

from gistdesk.folders import folders, resource

STARTER, SMOLLM2 = "starter", "smollm2"
NAMED = (STARTER, SMOLLM2)
"""What may stand where a folder or a hub id may. The starter ships with the program; SmolLM2 is fetched once."""

_KOREAN_SHARE = 0.2
"""Of a text's letters. A Korean report full of English names has more, an English one that quotes a title has less."""
_SAMPLE_CHARS = 20_000


def models_folder() -> Path:
    """Where models that were fetched or converted are kept; it may not be there yet."""
    return folders().models


def smollm2_folder() -> Path:
    """Where SmolLM2 is kept once it is prepared; or as it came with a frozen program, where it is not."""
    own, shipped = models_folder() / SMOLLM2, resource("models") / SMOLLM2
    return shipped if shipped.is_dir() and not own.is_dir() else own


def has_smollm2() -> bool:
    """Whether it can be used, without a network. A folder of that name is whole: it was renamed when it was done."""
    return (smollm2_folder() / "config.json").is_file()


def shipped_adapter(name: str) -> Path | None:
    """The gist adapter that ships with the program for a model that does not; None where there is none."""
    folder = resource("adapters") / name
    return folder if (folder / "gist.json").is_file() else None


def default_model(text: str) -> str:
    """The model that reads this text best, of those that are here: the starter reads Korean, SmolLM2 does not."""
    return SMOLLM2 if has_smollm2() and not is_korean(text) else STARTER


def model_for(text: str, chosen: str) -> str:
    """The model for a text where `chosen` is what the user works with: the starter in place of SmolLM2 for Korean."""
    return STARTER if chosen == SMOLLM2 and is_korean(text) else chosen


def is_korean(text: str) -> bool:
    """Whether a fifth of the letters at its beginning are Hangul, composed or not."""
    letters = re.findall(r"[^\W\d_]", unicodedata.normalize("NFC", text[:_SAMPLE_CHARS]))
    return sum("가" <= letter <= "힣" for letter in letters) > _KOREAN_SHARE * len(letters)

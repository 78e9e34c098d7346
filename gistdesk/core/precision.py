"""How many bits a model's weights are held in: the names of the choices, and what each of them costs.

NF4 and 8 bits only apply to the decoder's linear layers; embedding, output matrix and norms stay in bfloat16. Reads the
headers of weight files; loads no weights, and knows nothing of how a layer is quantized.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.core.json_file import read_object
from gistdesk.core.model_config import shapes_of

PRECISIONS = ("auto", "nf4", "int8", "bf16", "fp32")
QUANTIZED = ("nf4", "int8")
BITS = {"nf4": 4.13, "int8": 8.0, "bf16": 16.0, "fp32": 32.0}
"""Per weight of a linear layer; double quantization keeps its constants in 0.13 bits (QLoRA)."""


@dataclass(frozen=True)
class WeightCounts:
    """The number of weights in the decoder's linear layers, and of all others."""

    n_linear: int
    n_other: int

    def n_bytes(self, precision: str) -> int:
        """Memory of all of them in one of `PRECISIONS` other than "auto"."""
        width = 4 if precision == "fp32" else 2
        return int(self.n_linear * BITS[precision] / 8 + self.n_other * width)


def count_weights(folder: Path) -> WeightCounts:
    """From the headers of a model's weight files; an output matrix tied to the embedding counts once.

    Raises:
        OSError, ValueError, SafetensorError: a file cannot be read.
    """
    n_linear = n_other = 0
    shapes = shapes_of(folder)
    if read_object(folder / "config.json").get("tie_word_embeddings") is True and "model.embed_tokens.weight" in shapes:
        shapes.pop("lm_head.weight", None)  # the file has a copy, the loaded model does not
    for name, shape in shapes.items():
        if ".layers." in name and len(shape) == 2:
            n_linear += math.prod(shape)
        else:
            n_other += math.prod(shape)
    return WeightCounts(n_linear, n_other)


def trained_precision(adapter: Path | None) -> str:
    """The precision of the base when an adapter was trained, from its gist.json; "" if it does not say."""
    if adapter is None:
        return ""
    try:
        said = read_object(adapter / "gist.json").get("precision", "")
    except (OSError, ValueError):
        return ""  # reading the adapter itself reports it
    return said if isinstance(said, str) and said in BITS else ""


def check_precision(wanted: str) -> None:
    """Refuse a precision that does not exist, or is not available here.

    Raises:
        UserError: unknown precision, or bitsandbytes is missing.
    """
    if wanted not in PRECISIONS:
        raise UserError(
            'There is no precision "{name}".',
            "Choose {choices} or fp32.",
            name=wanted,
            choices=", ".join(PRECISIONS[:-1]),
        )
    if wanted in QUANTIZED and not has_bitsandbytes():
        raise UserError(
            'The precision "{name}" needs bitsandbytes, which is not installed.',
            "Install it with pip install bitsandbytes, or choose bf16.",
            name=wanted,
        )


def has_bitsandbytes() -> bool:
    """Whether weights can be held in 4 or 8 bits here."""
    return find_spec("bitsandbytes") is not None

"""A short list of models on the hub that read documents well: what each one is, and its licence.

Chosen by hand from the supported families, from 1 to 8 billion parameters. Knows sizes, not memory; downloads
nothing.
"""

from dataclasses import dataclass
from importlib.util import find_spec

PROGRAM_BYTES = 400 * 2**20
"""What the engine's libraries take before any model is loaded; measured with torch 2.13 on Linux."""
_NF4_BYTES = 0.65
"""Per parameter: linear layers in 4.13 bits; embedding and output matrix, up to a quarter of a small model, in 16."""


@dataclass(frozen=True)
class Recommended:
    """A model on the hub.

    Attributes:
        hub_id: the id to download.
        n_parameters: as its card states.
        licence: its name.
        must_accept: the hub serves it only to accounts that have accepted its terms.
    """

    hub_id: str
    n_parameters: int
    licence: str
    must_accept: bool = False

    @property
    def download_bytes(self) -> int:
        """Two bytes per parameter, as all of these are stored on the hub."""
        return 2 * self.n_parameters

    def needed(self, free_bytes: int) -> tuple[int, str]:
        """Memory it needs, and in which precision: 16 bits, or 4 if only that fits and is available."""
        plain, small = self.download_bytes + PROGRAM_BYTES, int(_NF4_BYTES * self.n_parameters) + PROGRAM_BYTES
        is_small = plain > free_bytes and find_spec("bitsandbytes") is not None
        return (small, "nf4") if is_small else (plain, "bf16")


_APACHE, _LLAMA = "Apache 2.0", "Llama 3.2 Community License"
RECOMMENDED = (
    Recommended("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304, _APACHE),
    Recommended("Qwen/Qwen3-1.7B", 1_720_574_976, _APACHE),
    Recommended("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824, _LLAMA, must_accept=True),
    Recommended("Qwen/Qwen3-4B-Instruct-2507", 4_022_468_096, _APACHE),
    Recommended("mistralai/Mistral-7B-Instruct-v0.3", 7_248_023_552, _APACHE),
    Recommended("Qwen/Qwen3-8B", 8_190_735_360, _APACHE),
)

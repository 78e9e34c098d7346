"""The model families that can be loaded, one row each: how their layers differ from Llama's.

All have rotary positions, full attention and transformers' names for Llama's weights. Knows nothing of files.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        title: for people.
        has_head_norms: queries and keys of every head are normalized.
        biased: which parts of a layer's attention have a bias; None: all or none, as the configuration says.
        usual_window: tokens that a layer looks back if the configuration does not say; None: all of them.
    """

    title: str
    has_head_norms: bool = False
    biased: tuple[str, ...] | None = None
    usual_window: int | None = None


FAMILIES = {
    "llama": Family("Llama"),
    "mistral": Family("Mistral", biased=(), usual_window=4096),
    "qwen2": Family("Qwen 2, 2.5", biased=("q_proj", "k_proj", "v_proj")),
    "qwen3": Family("Qwen 3", has_head_norms=True),
}
"""By their names in transformers and in GGUF files, in which Mistral models mostly call themselves llama."""

OTHER_FAMILY = "Use a model with ordinary attention of one of these families: {families}."


def titles() -> str:
    """The titles of all families, for people."""
    return ", ".join(family.title for family in FAMILIES.values())

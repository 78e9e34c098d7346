"""What the pre-flight says of training with the preset `standard` on a card: model by model, for 12, 16 and 24 GB.

    python -m tests.benchmarks.preflight

From the shapes of published models, on the meta device: no weights, no card. `kept`: activations stay in memory;
`recomputed`: they are worked out again, which is done by itself where the memory does not suffice. The arithmetic of
the activations is held within a tenth by tests/trainer/training/test_footprint.py.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from trainer.training.config import preset
from trainer.training.estimate import memory_of
from trainer.training.footprint import Shape, shape_of_model

CARDS_GB = (12, 16, 24)
_FREE_SHARE = 0.94
"""Of a card's memory, where nothing else uses it."""
_NAMES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
MODELS: dict[str, tuple[str, tuple[int, ...], int]] = {
    "135M": ("llama", (49152, 576, 30, 9, 3), 1536),
    "1B": ("llama", (128256, 2048, 16, 32, 8), 8192),
    "3B": ("llama", (128256, 3072, 28, 24, 8), 8192),
    "8B": ("llama", (128256, 4096, 32, 32, 8), 14336),
    "14B": ("qwen3", (151936, 5120, 40, 40, 8), 17408),
}
"""SmolLM2-135M, Llama 3.2 1B and 3B, Llama 3.1 8B, Qwen3 14B; the second to last number is of key heads, the last of
the intermediate size."""


def shape_of(name: str) -> Shape:
    family, sizes, intermediate = MODELS[name]
    settings = {**dict(zip(_NAMES, sizes, strict=True)), "intermediate_size": intermediate}
    settings["tie_word_embeddings"] = name in ("135M", "1B", "3B")
    with torch.device("meta"):
        if family == "qwen3":
            return shape_of_model(Qwen3ForCausalLM(Qwen3Config(**settings, head_dim=128)))
        return shape_of_model(LlamaForCausalLM(LlamaConfig(**settings)))


def rows() -> Iterator[dict[str, Any]]:
    """One for every model and precision."""
    for name in MODELS:
        shape = shape_of(name)
        for precision in ("nf4", "bf16"):
            config = replace(preset("standard"), base=name, precision=precision)
            again = replace(config, checkpoint_activations=True)
            memory = {"kept": memory_of(shape, config, precision, "cuda")}
            memory["recomputed"] = memory_of(shape, again, precision, "cuda")
            needed = {way: sum(uses.values()) for way, uses in memory.items()}
            yield {
                "model": name,
                "precision": precision,
                **{f"{way}_gib": round(n / 2**30, 1) for way, n in needed.items()},
                **{f"on_{gb}_gb": _way(needed, gb) for gb in CARDS_GB},
                **{use: round(n / 2**30, 2) for use, n in memory["recomputed"].items()},
            }


def _way(needed: dict[str, int], gigabytes: int) -> str:
    free = _FREE_SHARE * gigabytes * 2**30
    return next((way for way, n in needed.items() if n <= free), "does not fit")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.preflight", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON with every use, for programs")
    given = parser.parse_args(words)
    found = list(rows())
    if given.json:
        print(json.dumps(found, indent=1))
        return 0
    print("| model | precision | GiB, kept | GiB, recomputed | 12 GB | 16 GB | 24 GB |\n|---|---|---|---|---|---|---|")
    for row in found:
        columns = [row["model"], row["precision"], row["kept_gib"], row["recomputed_gib"]]
        print("| " + " | ".join(map(str, [*columns, *(row[f"on_{gb}_gb"] for gb in CARDS_GB)])) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

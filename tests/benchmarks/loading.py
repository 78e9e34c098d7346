"""How much host memory it takes to load a model, beside the size of its weights, on a model made large on purpose.

    python -m tests.benchmarks.loading [--layers 16]

Random weights in the shape of Llama 3.2 1B, in shards of up to 512 MiB. Every row is a process of its own: what it held
at most above what it held before. In NF4 most tensors leave as soon as they were read, as all do for a card.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory
from gistdesk.core.model_config import read_config
from gistdesk.core.model_weights import read_weights
from tests.core.tiny_models import tiny_tokenizer

PRECISIONS = ("bf16", "nf4")
_SHARD_BYTES = 512 * 2**20

# glibc keeps what was freed, scattered, unless it is above a threshold that itself moves up to 32 MiB. Most tensors of
# a real model are above; those of a small one in a test are not, and counted 0.5 to 1.4 times the weights in turn.
_GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}


def write_large(folder: Path, *, hidden_size: int, intermediate_size: int, n_layers: int, vocab_size: int) -> int:
    """A Llama with random weights in bfloat16 and a tokenizer, in several files -> bytes of its weights."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=n_layers,
        num_attention_heads=hidden_size // 64,
        num_key_value_heads=max(1, hidden_size // 256),
        tie_word_embeddings=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in LlamaForCausalLM(config).named_parameters()}
    noise = (torch.randn(2**20, generator=torch.Generator().manual_seed(1)) * 0.02).bfloat16()
    places: dict[str, str] = {}
    shard: dict[str, torch.Tensor] = {}
    total = kept = number = 0
    for name, shape in shapes.items():
        n = shape.numel()
        shard[name] = noise.repeat(-(-n // len(noise)))[:n].view(shape).clone()
        total, kept = total + 2 * n, kept + 2 * n
        if kept > _SHARD_BYTES or name == list(shapes)[-1]:
            file = f"model-{number:05}.safetensors"
            save_file(shard, folder / file, metadata={"format": "pt"})
            places |= dict.fromkeys(shard, file)
            shard, kept, number = {}, 0, number + 1
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return total


def added_bytes(folder: Path, precision: str) -> int:
    """What this process holds at most while it loads, above what it held before."""
    if precision == "nf4":  # what is imported is no weight
        from gistdesk.core.quantize import bitsandbytes

        bitsandbytes()
    config = read_config(folder)
    with torch.device("meta"):
        LlamaForCausalLM(config)  # as are the modules
    reset_peak_memory()
    before = peak_memory_bytes(torch.device("cpu"))
    read_weights(folder, config, torch.device("cpu"), precision, lambda share: None)
    return peak_memory_bytes(torch.device("cpu")) - before


def in_a_process_of_its_own(folder: Path, precision: str) -> int:
    command = [sys.executable, "-m", "tests.benchmarks.loading", "--folder", str(folder), "--precision", precision]
    environment = os.environ | _GIVEN_BACK
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout.splitlines()[-1])


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.loading", description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--folder", type=Path, help="a model that is there, for one precision alone")
    parser.add_argument("--precision", choices=PRECISIONS)
    given = parser.parse_args(words)
    if given.precision:
        torch.set_num_threads(1)
        print(added_bytes(given.folder, given.precision))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"hidden_size": 2048, "intermediate_size": 8192, "n_layers": given.layers, "vocab_size": 128256}
        weights = write_large(Path(folder), **sizes)
        print(
            f"| precision | most memory above the start, MiB | of {weights / 2**20:.0f} MiB of weights |\n|---|---|---|"
        )
        for precision in PRECISIONS:
            added = in_a_process_of_its_own(Path(folder), precision)
            print(f"| {precision} | {added / 2**20:.0f} | {100 * added / weights:.0f}% |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

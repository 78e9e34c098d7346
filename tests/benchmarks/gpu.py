"""Everything about training that needs a card, in one command; where there is none it says so and ends.

    python -m tests.benchmarks.gpu                          all parts
    python -m tests.benchmarks.gpu --parts step --json step.json

- memory: peak memory of a training step at 4k, 16k and 64k tokens per document, on a Llama of 100 million parameters.
- step: one optimizer step of the `standard` preset on random weights of Llama-3-8B's exact shape in NF4: seconds, peak
  memory, and the time that its arithmetic needs at the matrix rate measured here.
- serve: on the same weights, tokens/s of compression, time to the first token from a gist against the full text, size
  of the gist file.
- train: a model of 45 million parameters from scratch by the starter's recipe, then NF4 and a fresh adapter on it, and
  how many passkeys are found. `--minutes` is for its first half.

Random weights compute as trained ones do and know nothing; only `train` has an accuracy. With `--device cpu --tiny`
every part runs at a size at which its figures mean nothing, to test the command itself.
"""

import argparse
import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import batch_tokens_for, compress
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.gist_file import GistRecord, write_gist
from gistdesk.core.memory import hold_little, peak_memory_bytes, reset_peak_memory
from gistdesk.core.model import GistModel, ModelIdentity
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn
from gistdesk.core.quantize import quantize
from gistdesk.folders import resource
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.samples import Samples
from trainer.starter.config import StarterConfig
from trainer.starter.train import StarterRun
from trainer.training.base import load_base
from trainer.training.config import TrainConfig, preset
from trainer.training.estimate import matrix_rate, memory_of
from trainer.training.footprint import shape_of_model
from trainer.training.loop import Plan, train
from trainer.training.run import AdapterRun
from trainer.training.train import train_adapter

PARTS = ("memory", "step", "serve", "train")
PROTOTYPE_STEP_S = 10.0
"""Seconds per optimizer step of the prototype, for the same work on an RTX 4090."""
LLAMA_3_8B = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
}
SHAPES: dict[str, dict[str, int]] = {
    "8b": LLAMA_3_8B,
    "100m": {
        "vocab_size": 8192,
        "hidden_size": 768,
        "num_hidden_layers": 15,
        "num_attention_heads": 12,
        "num_key_value_heads": 4,
        "intermediate_size": 2048,
    },
    "45m": {
        "vocab_size": 8192,
        "hidden_size": 512,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "intermediate_size": 1536,
    },
    "tiny": {
        "vocab_size": 8192,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
    },
}


def llama_config(shape: dict[str, int]) -> LlamaConfig:
    return LlamaConfig(
        **shape,
        max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
        tie_word_embeddings=shape["vocab_size"] < 10_000,
        bos_token_id=0,
        eos_token_id=3,
        pad_token_id=3,
    )


def random_model(shape: dict[str, int], device: torch.device, *, precision: str) -> GistModel:
    """A base with random weights and the starter's tokenizer; each layer is quantized as soon as it is made."""
    config = llama_config(shape)
    with torch.device("meta"):
        model: Any = LlamaForCausalLM(config).to(torch.bfloat16)
    rotary = LlamaForCausalLM(replace_layers(config)).model.rotary_emb
    model.model.rotary_emb = rotary.to(device)
    torch.manual_seed(0)
    for layer in [*model.model.layers, model]:
        for module in layer.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if parameter.is_meta:
                    drawn = torch.randn(parameter.shape, device=device, dtype=torch.bfloat16) * 0.02
                    drawn = drawn + 1 if "norm" in type(module).__name__.lower() else drawn
                    setattr(module, name, nn.Parameter(drawn, requires_grad=False))
        if layer is not model and precision in ("nf4", "int8"):
            shell: Any = nn.Module()
            shell.model, shell.dtype = layer, torch.bfloat16
            quantize(shell, precision, device)
    if config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    tokenizer = AutoTokenizer.from_pretrained(resource("starter"))
    model.requires_grad_(False)
    return GistModel(model.to(device).eval(), tokenizer, ModelIdentity("random", "0" * 32, "1" * 32, "2" * 32))


def replace_layers(config: LlamaConfig) -> LlamaConfig:
    """The same positions with next to nothing around them."""
    small = {"hidden_size": 64, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": config.head_dim}
    return LlamaConfig(**{**config.to_dict(), **small, **heads, "pad_token_id": 3})


def long_question(model: GistModel, path: Path, n_tokens: int) -> Path:
    """A file with one record: a text of that many tokens and a question."""
    text = haystack_text(haystack_names("en", evaluation=False)[0])
    ids = model.token_ids(text)[:n_tokens]
    record = {"context": model.tokenizer.decode(ids), "question": "What is the passkey?", "answers": ["71432"]}
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return path


def measure_memory(device: torch.device, *, tiny: bool) -> Iterator[dict[str, Any]]:
    """Peak memory of a step at several lengths, beside that of the first."""
    lengths = (600, 1200) if tiny else (4096, 16384, 65536)
    model = random_model(SHAPES["tiny" if tiny else "100m"], device, precision="bf16")
    first = None
    for n_tokens in lengths:
        with tempfile.TemporaryDirectory() as folder:
            path = long_question(model, Path(folder) / "long.jsonl", n_tokens)
            config = TrainConfig(
                base="random",
                mix={"questions": 1.0},
                questions=str(path),
                held_out_share=0.0,
                start_tokens=0,
                micro_tokens=2048,
                rank=16,
            )
            run = AdapterRun(model, config)
            run.train_step()
            reset_peak_memory()
            step = run.train_step()
            peak = peak_memory_bytes(device)
        first = first or peak
        yield {
            "part": "memory",
            "document_tokens": step.n_tokens,
            "peak_bytes": peak,
            "times_the_first": round(peak / first, 3),
            "goal": 1.15,
        }
        del run


def measure_step(model: GistModel, *, tiny: bool) -> Iterator[dict[str, Any]]:
    """Seconds and peak memory of optimizer steps of the `standard` preset, beside its arithmetic."""
    config = replace(
        preset("standard"),
        base="random",
        start_tokens=0,
        warmup_steps=0,
        mix={"passkeys": 1.0},
        served_segments=0,
        distill_parts=(),
    )
    if tiny:
        config = replace(config, segment_tokens=120, slots=4, ratio=60.0, document_tokens=240, batch=2)
    for distill in (False, True):
        run = AdapterRun(model, replace(config, distill_weight=0.5 if distill else 0.0), texts=texts_of(model))
        run.train_step()
        reset_peak_memory()
        synchronized(model.device)
        begun = time.perf_counter()
        steps = [run.train_step() for _ in range(1 if tiny else 3)]
        synchronized(model.device)
        seconds = (time.perf_counter() - begun) / len(steps)
        tokens = sum(step.n_tokens for step in steps) / len(steps)
        rate = matrix_rate(model.device.type, torch.bfloat16, seconds=1.0)
        n_linear = sum(m.in_features * m.out_features for m in model.causal_lm.model.modules() if is_linear(m))
        # two passes and the gradient of what goes in; the teacher reads about the same text once more
        arithmetic_s = 2 * n_linear * tokens * (4 if distill else 3) / rate
        yield {
            "part": "step",
            "distillation": distill,
            "tokens_per_step": round(tokens),
            "seconds_per_step": round(seconds, 3),
            "prototype_s": PROTOTYPE_STEP_S,
            "matrix_rate_tflops": round(rate / 1e12, 1),
            "arithmetic_s": round(arithmetic_s, 3),
            "times_its_arithmetic": round(seconds / arithmetic_s, 2),
            "goal_times": 2.5,
            "recomputes": run.recomputes,
            "peak_bytes": peak_memory_bytes(model.device),
            "said_bytes": said_bytes(run),
            "goal_bytes": 16 * 2**30,
        }
        model.adapter = model.encoder = None
        del run


def said_bytes(run: AdapterRun) -> int:
    """What the pre-flight says of the run, without libraries, which are not among what torch allocates."""
    config = replace(run.config, checkpoint_activations=run.recomputes)
    device = run.model.device.type
    uses = memory_of(shape_of_model(run.model.causal_lm), config, run.model.precision, device)
    return sum(uses.values()) - uses["libraries"]


def is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)


def texts_of(model: GistModel) -> tuple[Samples, Samples]:
    return Samples(model), Samples(model, evaluation=True)


def measure_serving(model: GistModel, *, tiny: bool) -> Iterator[dict[str, Any]]:
    """Compression, first token and file size at about 100x, with a random adapter."""
    config = TrainConfig(base="random", segment_tokens=3000, slots=32, ratio=120.0, start_tokens=0, rank=16)
    if tiny:
        config = replace(config, segment_tokens=120, slots=4, ratio=60.0)
    run = AdapterRun(model, config, texts=texts_of(model))
    assert model.adapter is not None
    ids = torch.tensor(model.token_ids(haystack_text(haystack_names("en", evaluation=True)[0])))
    for n_tokens in (600,) if tiny else (4925, 16384, 30000):
        plan = plan_tokens(model, ids[:n_tokens], ratio=config.ratio)
        for _ in range(2):  # the first one warms up
            synchronized(model.device)
            begun = time.perf_counter()
            *_, gist = compress(model, plan, batch_tokens=batch_tokens_for(model))
            synchronized(model.device)
            compress_s = time.perf_counter() - begun
        with tempfile.TemporaryDirectory() as folder:
            record = GistRecord(gist, model.identity, "text", "0" * 64, (0,), config.ratio, 3000, "2026-01-01T00:00:00")
            file_bytes = write_gist(Path(folder) / "x.gistkv", record)
        firsts = {}
        for name, before in (("gist", {"gists": [gist]}), ("full", {"text_ids": ids[:n_tokens]})):
            for _ in range(2):
                synchronized(model.device)
                begun = time.perf_counter()
                context = Context(model, **before)  # type: ignore[arg-type]
                next(iter(context.answer([Turn("What is the passkey?")], Sampling(max_tokens=2))), "")
                firsts[name] = time.perf_counter() - begun
        yield {
            "part": "serve",
            "document_tokens": n_tokens,
            "slots": gist.n_slots,
            "compress_tokens_per_s": round(n_tokens / compress_s),
            "first_token_from_gist_s": round(firsts["gist"], 4),
            "first_token_from_text_s": round(firsts["full"], 4),
            "file_bytes": file_bytes,
        }
    del run
    model.adapter = model.encoder = None


def measure_training(folder: Path, device: torch.device, *, minutes: float, tiny: bool) -> Iterator[dict[str, Any]]:
    """Base and gists together from scratch, then the base alone in NF4 with a fresh adapter."""
    steps = 2 if tiny else 20_000
    recipe = StarterConfig(
        steps=steps, device=device.type, tokens_per_step=512 if tiny else 8192, report_steps=1 if tiny else 200
    )
    torch.manual_seed(recipe.seed)
    base = LlamaForCausalLM(llama_config(SHAPES["tiny" if tiny else "45m"]))
    run = StarterRun(resource("starter"), recipe, base=base)
    begun, right = time.monotonic(), 0.0
    plan = Plan(folder, "model", checkpoint_s=math.inf, keep_checkpoints=1, report_steps=recipe.report_steps)
    for event in train(run, plan, wish=lambda: "stop" if time.monotonic() - begun > 60 * minutes else "go"):
        if event["event"] == "progress":
            right = event.get("passkey gist accuracy", right)
            print(json.dumps(event), flush=True)
    n_parameters = sum(p.numel() for p in run.base.parameters())
    yield {
        "part": "train",
        "what": "base from scratch",
        "parameters": n_parameters,
        "steps": run.step,
        "seconds": round(time.monotonic() - begun),
        "right": round(right, 3),
    }
    run.write(folder / "model", [])
    shutil.rmtree(folder / "model" / "adapter")
    del run, base
    wanted = replace(
        preset("quick"),
        base=str(folder / "model"),
        precision="nf4",
        device=device.type,
        steps=2 if tiny else 1500,
        warmup_steps=1 if tiny else 50,
        batch=1 if tiny else 4,
        evaluate_steps=2 if tiny else 500,
        evaluate_samples=1 if tiny else 10,
        evaluate_lengths=(64,) if tiny else (512, 2048, 8192),
    )
    quantized = load_base(wanted.base, device=device.type, precision="nf4")
    found: dict[str, Any] = {}
    for event in train_adapter(folder / "run", wanted, model=quantized):
        if event["event"] in ("needles", "warning"):
            print(json.dumps(event, ensure_ascii=False), flush=True)
        if event["event"] == "needles":
            found = event
        finished = event
    yield {
        "part": "train",
        "what": "NF4 and a fresh adapter",
        "model": model_fingerprint(folder / "model"),
        "ratio": wanted.ratio,
        "seconds": finished["seconds"],
        **{name: value for name, value in found.items() if name == "n" or name.endswith("accuracy")},
    }


def synchronized(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(parts: Sequence[str], device: torch.device, *, minutes: float, tiny: bool) -> Iterator[dict[str, Any]]:
    """All rows, part by part."""
    if "memory" in parts:
        yield from measure_memory(device, tiny=tiny)
    if {"step", "serve"} & set(parts):
        model = random_model(SHAPES["tiny" if tiny else "8b"], device, precision="nf4")
        if "step" in parts:
            yield from measure_step(model, tiny=tiny)
        if "serve" in parts:
            yield from measure_serving(model, tiny=tiny)
        del model
        if device.type == "cuda":
            torch.cuda.empty_cache()
    if "train" in parts:
        with tempfile.TemporaryDirectory() as folder:
            yield from measure_training(Path(folder), device, minutes=minutes, tiny=tiny)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=6.0, help="of training a base from scratch")
    parser.add_argument("--json", type=Path, help="write every row to this file, too")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--tiny", action="store_true", help="sizes at which the figures mean nothing")
    given = parser.parse_args(words)
    if given.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here: nothing was measured.")
        return 0
    hold_little()
    device = torch.device(given.device)
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    rows: list[dict[str, Any]] = [{"part": "device", "name": name, "torch": torch.__version__}]
    print(json.dumps(rows[0]), flush=True)
    for row in measure(given.parts.split(","), device, minutes=given.minutes, tiny=given.tiny):
        rows.append({k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()})
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

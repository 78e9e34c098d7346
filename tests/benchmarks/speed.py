"""How fast the engine is and how much memory it takes, as ratios within one run, beside what the issue asks for.

    python -m tests.benchmarks.speed                      the starter
    python -m tests.benchmarks.speed --model llama-100m   a Llama of 100 million random parameters
    python -m tests.benchmarks.speed --model smollm2 --parts memory   gists of the text's own keys, at 8x

What is compared runs alternately, A B A B, on the same machine in the same minute; shown are the median and, in
brackets, the least and the greatest of the repetitions. Threads are set by OMP_NUM_THREADS. Asserts nothing: what is
measured belongs to the machine. Knows nothing of accuracy.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gistdesk.core.adapter import Adapter, write_adapter
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import GistRecord, read_gist, write_gist
from gistdesk.core.layout import Segment
from gistdesk.core.load import load_model
from gistdesk.core.methods import usual_method
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens, segment_sizes
from gistdesk.core.prompt import Turn
from gistdesk.folders import resource

RATIO = 100.0
QUESTION = "What is the pass key?"
PARTS = ("compress", "first-token", "open", "memory")
MODELS = ("starter", "llama-100m", "smollm2")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@dataclass(frozen=True)
class Sizes:
    """How large and how often everything is measured.

    Attributes:
        compress_tokens: document lengths, in tokens, for compressing against a prefill.
        first_token_tokens: document lengths for the time to the first token.
        open_slots: slots of the gist file that is opened.
        memory_tokens: about how many tokens are compressed in a process of its own; the first is compared against.
        ratio: document tokens per gist slot.
        repetitions: of every pair; at least 1.
    """

    compress_tokens: tuple[int, ...] = (2048, 8192, 16384)
    first_token_tokens: tuple[int, ...] = (2048, 8192, 16384)
    open_slots: int = 1000
    memory_tokens: tuple[int, ...] = (4096, 262144, 1000000)
    ratio: float = RATIO
    repetitions: int = 5


SIZES = {
    "starter": Sizes(),
    "llama-100m": Sizes(compress_tokens=(2048, 8192), memory_tokens=(4096, 262144), repetitions=3),
    "smollm2": Sizes((1024,), (1024,), 100, memory_tokens=(4096, 65536), ratio=8.0, repetitions=1),
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: that was measured.
        goal: the issue's, in words; "" for a figure that stands beside one.
        measured: in words.
        met: whether the goal is reached; None where there is none.
        values: the figures behind `measured`: times in seconds, memory in bytes.
    """

    what: str
    goal: str
    measured: str
    met: bool | None
    values: dict[str, Any]


# ---- what is measured


def measure(name: str, sizes: Sizes, parts: Sequence[str] = PARTS) -> Iterator[Row]:
    """Every row of the table, as it is measured.

    Args:
        name: as `load_model` takes it.
        parts: of `PARTS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        if "memory" in parts:
            yield from memory_rows(name, sizes, Path(folder))
        if not set(parts) - {"memory"}:
            return
        model = load_model(name, device="cpu", need_adapter=False)
        longest = max(*sizes.compress_tokens, *sizes.first_token_tokens)
        token_ids = torch.tensor(model.token_ids(text_of(longest * 8)))[:longest]
        if "compress" in parts:
            for n_tokens in sizes.compress_tokens:
                yield compress_row(model, token_ids[:n_tokens], sizes)
        if "first-token" in parts:
            for n_tokens in sizes.first_token_tokens:
                yield from first_token_rows(model, token_ids[:n_tokens], sizes, Path(folder))
        if "open" in parts:
            yield open_row(model, sizes, Path(folder))


def compress_row(model: GistModel, token_ids: Tensor, sizes: Sizes) -> Row:
    """Token ids to gist, against one pass of the base over the same ids."""
    n_tokens = len(token_ids)
    ways = (lambda: gist_of(model, token_ids, sizes.ratio), lambda: plain_prefill(model, token_ids))
    compressing, prefill = alternately(ways, sizes.repetitions)
    ratios = [a / b for a, b in zip(compressing, prefill, strict=True)]
    most = 1.05 if n_tokens <= 2048 else 1.0
    return Row(
        f"compress {n_tokens:,} tokens / one plain prefill of them",
        "at most 1.05x" if n_tokens <= 2048 else "less than 1x" if n_tokens >= 8192 else "",
        f"{spread(ratios, '.2f', 'x')}: {milliseconds(compressing)} against {milliseconds(prefill)}",
        statistics.median(ratios) <= most if n_tokens <= 2048 or n_tokens >= 8192 else None,
        {"n_tokens": n_tokens, "compress_s": compressing, "prefill_s": prefill, "ratios": ratios},
    )


def first_token_rows(model: GistModel, token_ids: Tensor, sizes: Sizes, folder: Path) -> Iterator[Row]:
    """Opening a context and the answer's first token: from a gist, from a gist file, from the full text.

    The full text is read by the product's own path, in pieces, and for a stricter comparison by one plain prefill,
    without a question.
    """
    n_tokens = len(token_ids)
    gist = gist_of(model, token_ids, sizes.ratio)
    path = folder / f"{n_tokens}.gistkv"
    write_gist(path, record_of(model, gist, sizes.ratio))
    ways: dict[str, Callable[[], object]] = {
        "memory": lambda: first_token(Context(model, [gist])),
        "file": lambda: first_token(Context(model, [read_gist(path).gist])),
        "text": lambda: first_token(Context(model, text_ids=token_ids)),
        "prefill": lambda: plain_prefill(model, token_ids),
    }
    times = dict(zip(ways, alternately(list(ways.values()), sizes.repetitions), strict=True))
    aim = 100.0 if n_tokens >= 16384 else None
    for way, words in (("memory", "a gist in memory"), ("file", "a gist file")):
        ratios = [text / gist_s for gist_s, text in zip(times[way], times["text"], strict=True)]
        strict = [text / gist_s for gist_s, text in zip(times[way], times["prefill"], strict=True)]
        yield Row(
            f"first token at {n_tokens:,} tokens: full text / {words}",
            f"at least {aim:.0f}x" if aim else "",
            f"{spread(ratios, '.0f', 'x')}: {milliseconds(times['text'])} against {milliseconds(times[way])}; "
            f"one plain prefill takes {spread(strict, '.0f', 'x')} as long",
            statistics.median(strict) >= aim if aim else None,
            {"n_tokens": n_tokens, "from": way, "ratios": ratios, "prefill_ratios": strict}
            | {f"{name}_s": seconds for name, seconds in times.items()},
        )


def open_row(model: GistModel, sizes: Sizes, folder: Path) -> Row:
    """Opening and checking a gist file whole; the first time from the disk, where the system can be asked to."""
    path = folder / "open.gistkv"
    n_bytes = write_gist(path, record_of(model, random_gist(model, sizes.open_slots), sizes.ratio))
    forget(path)
    seconds = [timed(lambda: read_gist(path)) for _ in range(1 + 4 * sizes.repetitions)]
    first, warm = seconds[0], seconds[1:]
    return Row(
        f"open a gist file of {sizes.open_slots:,} slots ({n_bytes / 2**20:.1f} MiB)",
        "less than 20 ms",
        f"{milliseconds(warm)}; first time {milliseconds([first])}",
        statistics.median(warm) < 0.02,
        {"n_slots": sizes.open_slots, "file_bytes": n_bytes, "first_s": first, "warm_s": warm},
    )


def memory_rows(name: str, sizes: Sizes, folder: Path) -> Iterator[Row]:
    """`gistdesk compress` in a process of its own for every length; what the document itself takes is taken off."""
    code = (
        "from gistdesk.core.load import load_model; from gistdesk.core.memory import peak_memory_bytes; import sys; "
        "print(peak_memory_bytes(load_model(sys.argv[1], device='cpu', need_adapter=False).device))"
    )
    idle = int(child(["-c", code, name]))
    yield Row("peak memory of a process that loads the model", "", mebibytes(idle), None, {"peak_bytes": idle})
    base = 0
    for index, n_tokens in enumerate(sizes.memory_tokens):
        document = folder / f"{n_tokens}.txt"
        n_bytes = document.write_bytes(text_of(int(n_tokens * characters_per_token(name))).encode())
        words = ["-m", "gistdesk", "compress", str(document), "-o", str(folder), "--ratio", f"{sizes.ratio}"]
        result = json.loads(child([*words, "--model", name, "--device", "cpu", "--json"]))
        peak = result["peak_memory_bytes"]
        own = n_bytes + 4 * result["n_tokens"] + result["kv_bytes"]
        base = base or peak - own
        ratio = (peak - own) / base
        yield Row(
            f"peak memory of compressing {result['n_tokens']:,} tokens",
            "" if index == 0 else f"at most 1.2x of {sizes.memory_tokens[0]:,} tokens, beyond the text",
            f"{mebibytes(peak)}, of which text, token ids and gist {mebibytes(own)}"
            + (f": {ratio:.2f}x" if index else "")
            + f" ({result['seconds']:.1f} s)",
            ratio <= 1.2 if index else None,
            {"peak_bytes": peak, "own_bytes": own, "ratio": ratio, **result},
        )


# ---- pieces


def gist_of(model: GistModel, token_ids: Tensor, ratio: float) -> GistKV:
    """Token ids to gist, as the product does it."""
    *_, gist = compress(model, plan_tokens(model, token_ids, ratio=ratio))
    return gist


def plain_prefill(model: GistModel, token_ids: Tensor) -> Tensor:
    """What any program does with a text: one pass of the base, a cache, and the logits after the last token."""
    with torch.no_grad():
        logits: Tensor = model.causal_lm(token_ids[None], use_cache=True, logits_to_keep=1).logits
    return logits


def first_token(context: Context) -> str:
    return "".join(context.answer([Turn(QUESTION)], Sampling(max_tokens=1)))


def record_of(model: GistModel, gist: GistKV, ratio: float) -> GistRecord:
    method = usual_method(model.adapter is not None)
    segment_tokens, _ = segment_sizes(model, method)
    return GistRecord(
        gist, model.identity, "Benchmark", "0" * 64, (0,), ratio, segment_tokens, "2026-01-01T00:00:00", method
    )


def random_gist(model: GistModel, n_slots: int) -> GistKV:
    """Keys and values of the right shape, five slots to a segment."""
    like = gist_of(model, torch.zeros(8, dtype=torch.long), 8.0).kv
    kv = torch.randn(*like.shape[:3], n_slots, like.shape[4]).to(like.dtype)
    sizes = [min(5, n_slots - start) for start in range(0, n_slots, 5)]
    return GistKV(kv, tuple(Segment(500 * i, 500, n) for i, n in enumerate(sizes)))


def text_of(n_characters: int) -> str:
    """A bundled book, over and over."""
    packed = resource("text/en-the-adventures-of-sherlock-holmes.txt.gz").read_bytes()
    book = gzip.decompress(packed).decode("utf-8")
    return (book * (1 + n_characters // len(book)))[:n_characters]


def characters_per_token(name: str) -> float:
    """Of the bundled book, by the model's own tokenizer; torch stays out of it."""
    from tokenizers import Tokenizer

    from gistdesk.core.load import find_model

    sample = text_of(100_000)
    return len(sample) / len(Tokenizer.from_file(str(find_model(name).base / "tokenizer.json")).encode(sample).ids)


def child(words: Sequence[str]) -> str:
    """What a Python process of its own prints."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def forget(path: Path) -> None:
    """Ask the system to drop the file from its cache; on Windows and macOS it stays there."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def alternately(works: Sequence[Callable[[], object]], repetitions: int) -> list[list[float]]:
    """Seconds of every repetition of every piece of work, A B A B; each runs once before, unmeasured."""
    for work in works:
        work()
    rounds = [[timed(work) for work in works] for _ in range(repetitions)]
    return [list(seconds) for seconds in zip(*rounds, strict=True)]


# ---- in words


def spread(values: Sequence[float], form: str, unit: str) -> str:
    """Median, least and greatest."""
    low, high = min(values), max(values)
    return f"**{statistics.median(values):{form}}{unit}** ({low:{form}}-{high:{form}})"


def milliseconds(seconds: Sequence[float]) -> str:
    in_ms = [1000 * s for s in seconds]
    return f"{statistics.median(in_ms):,.1f} ms" + (f" ({min(in_ms):,.1f}-{max(in_ms):,.1f})" if len(in_ms) > 1 else "")


def mebibytes(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB"


def hardware(model_name: str) -> dict[str, Any]:
    """What the figures belong to. The load tells whether anything else was running."""
    from gistdesk.core.load import choose_dtype

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "model": model_name,
        "cpu": cpu,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "dtype": str(choose_dtype("cpu")).removeprefix("torch."),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def line(row: Row) -> str:
    verdict = {None: "", True: "met", False: "**missed**"}[row.met]
    return f"| {row.what} | {row.goal} | {row.measured} | {verdict} |"


def build_llama(folder: Path, **changes: int) -> Path:
    """A Llama of 100 million random parameters with the starter's tokenizer and a random adapter; the folder."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {
        "hidden_size": 768,
        "num_hidden_layers": 15,
        "num_attention_heads": 12,
        "num_key_value_heads": 4,
        "intermediate_size": 2048,
        **changes,
    }
    starter = json.loads((resource("starter") / "config.json").read_text(encoding="utf-8"))
    gist = json.loads((resource("starter") / "adapter" / "gist.json").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=starter["vocab_size"],
            **shape,
            max_position_embeddings=32768,
            rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
            tie_word_embeddings=True,
            **{key: starter[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
        )
    )
    base.save_pretrained(folder)
    for name in _TOKENIZER_FILES:
        shutil.copyfile(resource("starter") / name, folder / name)
    lora = {
        name: (0.02 * torch.randn(16, module.in_features), 0.02 * torch.randn(module.out_features, 16))
        for name, module in base.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    rows = 0.02 * torch.randn(len(gist["gist_ids"]), base.config.hidden_size)
    adapter = Adapter(lora, 1.0, rows, tuple(gist["gist_ids"]), gist["segment_tokens"])
    fingerprint = model_fingerprint(folder)
    write_adapter(folder / "adapter", adapter, base_model=str(folder), base_fingerprint=fingerprint, measured=[])
    return folder


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="starter")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--repetitions", type=int, help="of every pair")
    parser.add_argument("--memory-tokens", help="lengths of which the memory is measured, as 4096,16384")
    parser.add_argument("--json", type=Path, help="write every single time to this file, too")
    given = parser.parse_args(words)
    parts = tuple(given.parts.split(","))
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    sizes = SIZES[given.model]
    if given.repetitions:
        sizes = replace(sizes, repetitions=given.repetitions)
    if given.memory_tokens:
        sizes = replace(sizes, memory_tokens=tuple(int(n) for n in given.memory_tokens.split(",")))
    machine = hardware(given.model)
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    print("| what | goal | measured: median (least-greatest) | |\n| --- | --- | --- | --- |", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        name = str(build_llama(Path(folder))) if given.model == "llama-100m" else given.model
        for row in measure(name, sizes, parts):
            rows.append(row)
            print(line(row), flush=True)
    if given.json:
        result = {"machine": machine, "sizes": asdict(sizes), "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

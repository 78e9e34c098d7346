"""Gist against retrieval against full text: first token, memory per open document, questions to break even.

    python -m tests.benchmarks.retrieval                      the starter
    python -m tests.benchmarks.retrieval --model llama-100m   a Llama of 100 million random parameters

Retrieval reads the best 3 passages of 128 tokens, found by BM25 and, where the extra `rag` is installed, by MiniLM; the
time to find them is part of its first token, cutting and indexing are not. What is compared runs alternately on the
same machine in the same minute. Asserts nothing. Knows nothing of accuracy: `gistdesk niah` measures that.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from gistdesk.core.answer import Context
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.passages import PassageIndex, context_with_passages, cut_passages
from gistdesk.core.ranking import RankBy, embeddings_installed
from tests.benchmarks.speed import (
    MODELS,
    QUESTION,
    RATIO,
    Row,
    alternately,
    build_llama,
    first_token,
    gist_of,
    hardware,
    line,
    mebibytes,
    milliseconds,
    spread,
    text_of,
    timed,
)
from trainer.benchmark.figures import break_even

TOP_K = 3


@dataclass(frozen=True)
class Sizes:
    """Document lengths in tokens, and how often everything is measured."""

    lengths: tuple[int, ...] = (2048, 8192, 16384)
    repetitions: int = 5
    ratio: float = RATIO


def measure(model: GistModel, sizes: Sizes) -> Iterator[Row]:
    """Every row of the table, as it is measured."""
    longest = max(sizes.lengths)
    token_ids = torch.tensor(model.token_ids(text_of(longest * 8)))[:longest]
    for n_tokens in sizes.lengths:
        yield from rows(model, token_ids[:n_tokens], sizes)


def rows(model: GistModel, token_ids: Tensor, sizes: Sizes) -> Iterator[Row]:
    n_tokens = len(token_ids)
    text = str(model.tokenizer.decode(token_ids.tolist()))
    gist = gist_of(model, token_ids, sizes.ratio)
    rankers: list[RankBy] = ["bm25", *(["embeddings"] if embeddings_installed() else [])]  # type: ignore[list-item]
    indexes = {by: PassageIndex(cut_passages(model, [text]), by) for by in rankers}

    def by_passages(index: PassageIndex) -> Callable[[], object]:
        return lambda: first_token(context_with_passages(model, [], index.best(QUESTION, TOP_K)))

    ways: dict[str, Callable[[], object]] = {
        "gist": lambda: first_token(Context(model, [gist])),
        "hybrid": lambda: first_token(context_with_passages(model, [gist], indexes["bm25"].best(QUESTION, TOP_K))),
        "full": lambda: first_token(Context(model, text_ids=token_ids)),
        **{by: by_passages(index) for by, index in indexes.items()},
    }
    times = dict(zip(ways, alternately(list(ways.values()), sizes.repetitions), strict=True))
    for by in rankers:
        yield _faster(f"rag ({by})", times[by], times["gist"], n_tokens, goal=2.0)
    yield _faster("full text", times["full"], times["gist"], n_tokens, goal=100.0 if n_tokens >= 16384 else None)
    yield _faster("full text", times["full"], times["hybrid"], n_tokens, goal=None, to="hybrid")
    layers, two, heads, head_dim = model.kv_shape
    full_bytes = n_tokens * layers * two * heads * head_dim * gist.kv.element_size()
    kept = {"gist": gist.kv_bytes, "full text": full_bytes, **{f"rag ({by})": indexes[by].n_bytes for by in rankers}}
    yield Row(
        f"memory per open document of {n_tokens:,} tokens",
        "gist less than half of full text",
        ", ".join(f"{name} {mebibytes_of(n_bytes)}" for name, n_bytes in kept.items()),
        gist.kv_bytes < full_bytes / 2,
        {"n_tokens": n_tokens, **{f"{name}_bytes": n_bytes for name, n_bytes in kept.items()}},
    )
    compress_s = statistics.median(timed(lambda: gist_of(model, token_ids, sizes.ratio)) for _ in range(3))
    gist_s, full_s = statistics.median(times["gist"]), statistics.median(times["full"])
    n_questions = break_even(compress_s, gist_s, full_s)
    yield Row(
        f"questions until compressing {n_tokens:,} tokens has paid, against full text",
        "",
        f"**{n_questions}**: {milliseconds([compress_s])} once, then {milliseconds([full_s - gist_s])} saved by each",
        None,
        {"n_tokens": n_tokens, "questions": n_questions, "compress_s": compress_s, "gist_s": gist_s, "full_s": full_s},
    )


def _faster(
    what: str,
    times: Sequence[float],
    gist_times: Sequence[float],
    n_tokens: int,
    *,
    goal: float | None,
    to: str = "gist",
) -> Row:
    ratios = [a / b for a, b in zip(times, gist_times, strict=True)]
    return Row(
        f"first token at {n_tokens:,} tokens: {what} / {to}",
        f"at least {goal:g}x" if goal else "",
        f"{spread(ratios, '.1f', 'x')}: {milliseconds(times)} against {milliseconds(gist_times)}",
        statistics.median(ratios) >= goal if goal else None,
        {"n_tokens": n_tokens, "ratios": ratios, "times_s": list(times), "gist_s": list(gist_times)},
    )


def mebibytes_of(n_bytes: float) -> str:
    """Small ones with their decimals."""
    return mebibytes(n_bytes) if n_bytes > 2**24 else f"{n_bytes / 2**20:.2f} MiB"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retrieval", description="See the module.")
    parser.add_argument("--model", choices=MODELS, default="starter")
    parser.add_argument("--lengths", default="2048,8192,16384", help="document lengths in tokens")
    parser.add_argument("--repetitions", type=int, default=5, help="of everything")
    parser.add_argument("--json", type=Path, help="write every single time to this file, too")
    given = parser.parse_args(words)
    sizes = Sizes(tuple(int(length) for length in given.lengths.split(",")), given.repetitions)
    machine = hardware(given.model)
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    print("| what | goal | measured: median (least-greatest) | |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        name = "starter" if given.model == "starter" else str(build_llama(Path(folder)))
        found = []
        for row in measure(load_model(name, device="cpu"), sizes):
            found.append(row)
            print(line(row), flush=True)
    if given.json:
        result = {"machine": machine, "sizes": asdict(sizes), "rows": [asdict(row) for row in found]}
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A first look without a document or a network: the bundled samples, compressed and questioned.

Yields lines to print. Uses the same steps as the commands.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gistdesk.cli.jobs import compress_file
from gistdesk.core.answer import Context
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import load_model
from gistdesk.core.prompt import Turn
from gistdesk.core.resources import resource
from gistdesk.terminal import human_bytes


def run_demo(device: str) -> Iterator[str]:
    """Compress each sample at its ratio, ask its questions of the gist alone, and show the answers."""
    begun = time.perf_counter()
    model = load_model("starter", device=device)
    yield "The starter model is loaded. It is small and good at one thing: finding a stated number again."
    samples = json.loads(resource("samples/samples.json").read_text(encoding="utf-8"))
    right = total = 0
    with tempfile.TemporaryDirectory(prefix="gistdesk-demo-") as folder:
        for sample in samples:
            target = Path(folder) / "sample.gistkv"
            *_, result = compress_file(model, resource("samples") / sample["file"], target, ratio=sample["ratio"])
            yield ""
            yield (
                f"{sample['title']}: {result['n_tokens']:,} tokens -> {result['n_slots']} gist slots "
                f"({result['ratio']:.0f}x, {human_bytes(result['file_bytes'])}) in {result['seconds']:.1f} s"
            )
            context = Context(model, [read_gist(target).gist])
            for question, expected in sample["questions"]:
                answer = "".join(context.answer([Turn(question)]))
                assert context.figures is not None
                ok = answer.strip() == expected
                right, total = right + ok, total + 1
                mark = "right" if ok else f"wrong: the text says {expected}"
                yield f"  {question}  ->  {answer}   [{mark}; first token after {1000 * context.figures.ttft_s:.0f} ms]"
    yield ""
    yield f"{right} of {total} answers are right, from the gist files alone, in {time.perf_counter() - begun:.1f} s."
    yield "Next: gistdesk compress YOUR_DOCUMENT, then gistdesk ask YOUR_DOCUMENT.gistkv"

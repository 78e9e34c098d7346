"""A first look without a document or a network: the bundled samples, compressed and questioned.

Yields lines to print. Uses the same steps as the commands.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gistdesk.cli.jobs import compress_file
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.documents import read_document
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.passages import PassageIndex, context_with_passages, cut_passages
from gistdesk.core.prompt import Turn
from gistdesk.core.summary import looked_up
from gistdesk.folders import resource
from gistdesk.models import SMOLLM2, STARTER, has_smollm2
from gistdesk.terminal import human_bytes

_ANSWER_TOKENS = 32


def run_demo(device: str) -> Iterator[str]:
    """Compress each sample, ask its questions of the gist alone and with passages of the text, and show the answers."""
    begun = time.perf_counter()
    samples: list[dict[str, Any]] = json.loads(resource("samples/samples.json").read_text(encoding="utf-8"))
    if has_smollm2():
        yield "SmolLM2 (135 million parameters) reads English: most facts with passages, few from the gist alone."
        model = load_model(SMOLLM2, device=device, need_adapter=False)
        yield from _asked(model, [sample for sample in samples if sample.get("model") == SMOLLM2], passages=True)
        yield ""
    else:
        yield "SmolLM2, which reads English, is not on this computer: gistdesk models fetch smollm2"
    yield "The starter model (7 million parameters) is good at one thing: finding a stated number again."
    model = load_model(STARTER, device=device)
    yield from _asked(model, [sample for sample in samples if sample.get("model", STARTER) == STARTER], passages=False)
    yield ""
    yield f"All of this took {time.perf_counter() - begun:.1f} s."
    yield "Next: gistdesk compress YOUR_DOCUMENT, then gistdesk ask YOUR_DOCUMENT.gistkv --text YOUR_DOCUMENT"


def _asked(model: GistModel, samples: list[dict[str, Any]], *, passages: bool) -> Iterator[str]:
    right, total = {"gist": 0, "passages": 0}, 0
    with tempfile.TemporaryDirectory(prefix="gistdesk-demo-") as folder:
        for sample in samples:
            source, target = resource("samples") / sample["file"], Path(folder) / "sample.gistkv"
            *_, result = compress_file(model, source, target, ratio=sample["ratio"])
            yield ""
            yield (
                f"{sample['title']}: {result['n_tokens']:,} tokens -> {result['n_slots']} gist slots "
                f"({result['ratio']:.0f}x, {human_bytes(result['file_bytes'])}) in {result['seconds']:.1f} s"
            )
            gist = read_gist(target).gist
            context = Context(model, [gist])
            index = PassageIndex(cut_passages(model, read_document(source).pages)) if passages else None
            for question, expected in sample["questions"]:
                total += 1
                yield f"  {question}"
                answer, ok = _answer(context, question, expected)
                right["gist"] += ok
                yield f"    from the gist: {answer}   [{_mark(ok, expected)}]"
                if index is not None:
                    found = looked_up(model, index, question)
                    unmatched = index.unmatched(question)
                    reading = context_with_passages(model, [gist], found, question=question, unmatched=unmatched)
                    answer, ok = _answer(reading, question, expected)
                    right["passages"] += ok
                    yield f"    with passages: {answer}   [{_mark(ok, expected)}]"
    yield ""
    yield f"Right from the gist alone: {right['gist']} of {total}."
    if passages:
        yield f"Right with passages of the text: {right['passages']} of {total}."


def _answer(context: Context, question: str, expected: str) -> tuple[str, bool]:
    """The answer's first paragraph, on one line, and whether it contains the value."""
    answer = "".join(context.answer([Turn(question)], Sampling(max_tokens=_ANSWER_TOKENS))).strip()
    first = " ".join(answer.split("\n\n")[0].split()) or "(nothing)"
    return first, expected.lower() in first.lower()


def _mark(ok: bool, expected: str) -> str:
    return "right" if ok else f"wrong: the text says {expected}"

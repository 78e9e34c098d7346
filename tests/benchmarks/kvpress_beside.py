"""Other ways of keeping less of a text, as kvpress has them, asked what `ways` asks: reports, and how stories go on.

kvpress needs transformers below 5.3, so it has an environment of its own, outside this project's:

    python -m venv ENV && ENV/bin/pip install kvpress platformdirs 'transformers==5.2.0' torch --extra-index-url \
        https://download.pytorch.org/whl/cpu
    PYTHONPATH=. ENV/bin/python -m tests.benchmarks.kvpress_beside --model FOLDER --presses full,kvzip --ratios 8

FOLDER is a model in the form of Hugging Face; that of SmolLM2 is printed by `gistdesk models`. The prompt of a question
is kvpress's: the chat template around text and question. With `--stories FILE` (FairytaleQA's val.jsonl.gz) it is asked
instead what `ways --measures continuation` asks, the same tokens of the same stories; what stands before the text is
kept beside the budget, as it is there. Its methods are given the same budget in slots; KVzip and AdaKV only mask what
they do not keep, so the same budget in bytes would need another cache. Rows go to `--out` as they come, see `way_rows`.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import kvpress
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from gistdesk.core.model import TextTokenizer
from gistdesk.core.prompt import prompt_of
from tests.benchmarks.report_questions import is_named, item_of, reports
from tests.benchmarks.way_items import Beginning, beginnings, divergence
from tests.benchmarks.way_rows import CONTINUATION, REPORTS, Row, RowFile, table

PRESSES: dict[str, Callable[[float], Any]] = {
    "full": lambda share: None,
    "kvzip": lambda share: kvpress.KVzipPress(compression_ratio=share),
    "expected": lambda share: kvpress.AdaKVPress(kvpress.ExpectedAttentionPress(compression_ratio=share)),
    "snapkv": lambda share: kvpress.SnapKVPress(compression_ratio=share),
    "streaming": lambda share: kvpress.StreamingLLMPress(compression_ratio=share),
}
_ANSWER_TOKENS = 32
Way = tuple[str, float]
"""A press and a ratio."""


def of_reports(model: Any, tokenizer: Any, ways: list[Way], n_texts: int, out: RowFile) -> Iterator[str]:
    """Answers; yields every report and way that is done."""
    answering = transformers.pipeline("kv-press-text-generation", model=model, tokenizer=tokenizer)
    for number, (text, questions) in enumerate(reports()[:n_texts], 1):
        for name, ratio in ways:
            way = _way(name)
            if not out.lacks(REPORTS, item_of(number, questions[-1]), way, ratio):
                continue
            press = PRESSES[name](1 - 1 / ratio)
            told = answering(
                text, questions=[question for question, _ in questions], press=press, max_new_tokens=_ANSWER_TOKENS
            )
            for said, question in zip(told["answers"], questions, strict=True):
                right = float(is_named(said, question[1]))
                out.add(Row(REPORTS, item_of(number, question), way, ratio, right))
            yield f"report {number}, {way} {ratio:g}x"


def of_stories(model: Any, tokenizer: Any, path: Path, ways: list[Way], n_texts: int, out: RowFile) -> Iterator[str]:
    """How they go on; yields every story and way that is done."""
    before = torch.tensor(tokenizer(prompt_of(tokenizer).prefix, add_special_tokens=False)["input_ids"])
    for begin in list(beginnings(TextTokenizer(tokenizer), path))[:n_texts]:
        wanted = None
        for name, ratio in ways:
            way = _way(name)
            if not out.lacks(CONTINUATION, begin.story, way, ratio):
                continue
            wanted = _predicted(model, before, begin, None) if wanted is None else wanted
            kept = len(before) + len(begin.text) / ratio
            press = PRESSES[name](1 - kept / (len(before) + len(begin.text)))
            told = wanted if press is None else _predicted(model, before, begin, press)
            out.add(Row(CONTINUATION, begin.story, way, ratio, divergence(wanted, told)))
            yield f"{begin.story}, {way} {ratio:g}x"


def _predicted(model: Any, before: Tensor, begin: Beginning, press: Any) -> Tensor:
    """Logits of what comes after a text that was read with a press: (n_after, n_vocab)."""
    ids, cache = torch.cat([before, begin.text])[None], DynamicCache()
    with torch.no_grad():
        with nullcontext() if press is None else press(model):
            model.model(input_ids=ids, past_key_values=cache)
        rows = []
        # one by one: for many at once there need not be a key that all queries pass over, which is how it masks
        for position, token in enumerate(begin.after.tolist(), ids.shape[1]):
            told = model(torch.tensor([[token]]), past_key_values=cache, position_ids=torch.tensor([[position]]))
            rows.append(told.logits[0, -1])
    return torch.stack(rows)


def _way(press: str) -> str:
    """Of its rows."""
    return f"kvpress: {press}"


def main() -> None:
    """A row per method, ratio and question or story, and the table of them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--presses", default=",".join(PRESSES))
    parser.add_argument("--ratios", default="8")
    parser.add_argument("--stories", type=Path)
    parser.add_argument("--texts", type=int, default=6, help="Reports, or stories, at most.")
    parser.add_argument("--out", type=Path, default=Path("runs/kvpress.jsonl"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.bfloat16)
    ratios = [float(ratio) for ratio in asked.ratios.split(",")]
    ways = [(name, r) for name in asked.presses.split(",") for r in ([1.0] if name == "full" else ratios)]
    out = RowFile(asked.out)
    if asked.stories:
        done = of_stories(model, tokenizer, asked.stories, ways, asked.texts, out)
    else:
        done = of_reports(model, tokenizer, ways, asked.texts, out)
    for what in done:
        print(f"{what} is done", file=sys.stderr, flush=True)
    print(table(out.rows))


if __name__ == "__main__":
    main()

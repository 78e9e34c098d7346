"""Other ways of keeping less of a text, as kvpress has them, asked the same questions as `ways` asks.

kvpress needs transformers below 5.3, so it has an environment of its own, outside this project's:

    python -m venv ENV && ENV/bin/pip install kvpress 'transformers==5.2.0' torch --extra-index-url \
        https://download.pytorch.org/whl/cpu
    PYTHONPATH=. ENV/bin/python -m tests.benchmarks.kvpress_beside --model FOLDER --presses full,kvzip --ratios 8

FOLDER is a model in the form of Hugging Face; that of SmolLM2 is printed by `gistdesk models`. The prompt is
kvpress's: the chat template around text and question. Its methods are given the same budget in slots; KVzip and
AdaKV only mask what they do not keep, so the same budget in bytes would need another cache. Rows go to `--out` as they
come, see `way_rows`.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kvpress
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.benchmarks.report_questions import is_named, item_of, reports
from tests.benchmarks.way_rows import REPORTS, Row, RowFile, table

PRESSES: dict[str, Callable[[float], Any]] = {
    "full": lambda share: None,
    "kvzip": lambda share: kvpress.KVzipPress(compression_ratio=share),
    "expected": lambda share: kvpress.AdaKVPress(kvpress.ExpectedAttentionPress(compression_ratio=share)),
    "snapkv": lambda share: kvpress.SnapKVPress(compression_ratio=share),
    "streaming": lambda share: kvpress.StreamingLLMPress(compression_ratio=share),
}
_ANSWER_TOKENS = 32


def main() -> None:
    """A row per method, ratio and question, and the table of them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--presses", default=",".join(PRESSES))
    parser.add_argument("--ratios", default="8")
    parser.add_argument("--reports", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("runs/kvpress.jsonl"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.bfloat16)
    answering = transformers.pipeline(
        "kv-press-text-generation", model=model, tokenizer=AutoTokenizer.from_pretrained(asked.model)
    )
    ratios = [float(ratio) for ratio in asked.ratios.split(",")]
    ways = [(name, r) for name in asked.presses.split(",") for r in ([1.0] if name == "full" else ratios)]
    out = RowFile(asked.out)
    for number, (text, questions) in enumerate(reports()[: asked.reports], 1):
        for name, ratio in ways:
            way = f"kvpress: {name}"
            if not out.lacks(REPORTS, item_of(number, questions[-1]), way, ratio):
                continue
            press = PRESSES[name](1 - 1 / ratio)
            told = answering(
                text, questions=[question for question, _ in questions], press=press, max_new_tokens=_ANSWER_TOKENS
            )
            for said, question in zip(told["answers"], questions, strict=True):
                right = float(is_named(said, question[1]))
                out.add(Row(REPORTS, item_of(number, question), way, ratio, right))
            print(f"{number} of {asked.reports} reports: {way} {ratio:g}x", file=sys.stderr, flush=True)
    print(table(out.rows))


if __name__ == "__main__":
    main()

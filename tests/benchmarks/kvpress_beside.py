"""Other ways of keeping less of a text, as kvpress has them, asked the same questions as `ways` asks.

kvpress needs transformers below 5.3, so it has an environment of its own, outside this project's:

    python -m venv ENV && ENV/bin/pip install kvpress 'transformers==5.2.0' torch --extra-index-url \
        https://download.pytorch.org/whl/cpu
    PYTHONPATH=. ENV/bin/python -m tests.benchmarks.kvpress_beside --model FOLDER --presses full,kvzip --ratios 8

FOLDER is a model in the form of Hugging Face; that of SmolLM2 is printed by `gistdesk models`. The prompt is
kvpress's: the chat template around text and question. Its methods are given the same budget in slots; KVzip and
AdaKV only mask what they do not keep, so the same budget in bytes would need another cache.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import kvpress
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.benchmarks.report_questions import is_named, reports

PRESSES: dict[str, Callable[[float], Any]] = {
    "full": lambda share: None,
    "kvzip": lambda share: kvpress.KVzipPress(compression_ratio=share),
    "expected": lambda share: kvpress.AdaKVPress(kvpress.ExpectedAttentionPress(compression_ratio=share)),
    "snapkv": lambda share: kvpress.SnapKVPress(compression_ratio=share),
    "streaming": lambda share: kvpress.StreamingLLMPress(compression_ratio=share),
}
_ANSWER_TOKENS = 32


def main() -> None:
    """One line per method and ratio, on stderr also after every report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--presses", default=",".join(PRESSES))
    parser.add_argument("--ratios", default="8")
    parser.add_argument("--reports", type=int, default=6)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.bfloat16)
    answering = transformers.pipeline(
        "kv-press-text-generation", model=model, tokenizer=AutoTokenizer.from_pretrained(asked.model)
    )
    ratios = [float(ratio) for ratio in asked.ratios.split(",")]
    ways = [(name, r) for name in asked.presses.split(",") for r in ([1.0] if name == "full" else ratios)]
    right = dict.fromkeys(ways, 0)
    n_asked = 0
    for text, questions in reports()[: asked.reports]:
        n_asked += len(questions)
        for name, ratio in ways:
            press = PRESSES[name](1 - 1 / ratio)
            told = answering(
                text, questions=[question for question, _ in questions], press=press, max_new_tokens=_ANSWER_TOKENS
            )
            right[name, ratio] += sum(
                is_named(said, answers) for said, (_, answers) in zip(told["answers"], questions, strict=True)
            )
            print(f"{name} {ratio:g}x: {right[name, ratio]}/{n_asked}", file=sys.stderr, flush=True)
    for (name, ratio), n_right in right.items():
        print(f"{name:>10} {ratio:>4g}x  {n_right}/{n_asked}", flush=True)


if __name__ == "__main__":
    main()

"""Other ways of keeping less of a text, as kvpress has them, asked what `ways` asks: reports, and how stories go on.

kvpress needs transformers below 5.3, so it has an environment of its own, outside this project's:

    python -m venv ENV && ENV/bin/pip install kvpress platformdirs 'transformers==5.2.0' torch --extra-index-url \
        https://download.pytorch.org/whl/cpu
    PYTHONPATH=. ENV/bin/python -m tests.benchmarks.kvpress_beside --model FOLDER --presses full,kvzip --ratios 8

FOLDER is a model in the form of Hugging Face; that of SmolLM2 is printed by `gistdesk models`. Prompts and tokens are
those of `ways`; kvpress's own pipeline, with which full texts were answered worse, is not used. `--drawn` asks about
drawn reports, as `ways --measures drawn` does. With `--stories FILE` (FairytaleQA's val.jsonl.gz) it is asked instead
what `ways --measures continuation` asks. What stands before the text is kept beside the budget, as it is there. Its
methods are given the same budget in slots; KVzip and AdaKV only mask what they do not keep, so the same budget in bytes
would need another cache. Rows go to `--out` as they come, see `way_rows`.
"""

import argparse
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import kvpress
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from gistdesk.core.model import TextTokenizer
from gistdesk.core.prompt import prompt_of
from tests.benchmarks.report_questions import drawn_reports, is_named, is_surely_named, item_of, reports
from tests.benchmarks.way_items import Beginning, beginnings, divergence
from tests.benchmarks.way_rows import CONTINUATION, DRAWN, REPORTS, Row, RowFile, table

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


def of_reports(model: Any, tokenizer: Any, measure: str, ways: list[Way], n_texts: int, out: RowFile) -> Iterator[str]:
    """Answers about the reports, or about drawn ones; yields every report and way that is done."""
    prompt = prompt_of(tokenizer)
    before = _template_ids(tokenizer, prompt.prefix)
    ends = {tokenizer.eos_token_id, *_template_ids(tokenizer, prompt.after_answer)[:1]}
    found = drawn_reports(n_texts) if measure == DRAWN else reports()[:n_texts]
    for number, (text, questions) in enumerate(found, 1):
        ids = torch.tensor([*before, *TextTokenizer(tokenizer).token_ids(text)])
        for name, ratio in ways:
            way = _way(name)
            if not out.lacks(measure, item_of(number, questions[-1]), way, ratio):
                continue
            cache = _read(model, ids, PRESSES[name](_share_left_out(len(before), len(ids), ratio)))
            for question in questions:
                asked = _template_ids(tokenizer, prompt.before_question)
                asked += TextTokenizer(tokenizer).token_ids(question[0])
                asked += _template_ids(tokenizer, prompt.before_answer)
                said = ""
                with closing(_answers(model, tokenizer, cache, len(ids), asked, ends)) as answer:
                    for said in answer:
                        if is_surely_named(said, question[1]):
                            break
                out.add(Row(measure, item_of(number, question), way, ratio, float(is_named(said, question[1]))))
            yield f"{measure} {number}, {way} {ratio:g}x"


def of_stories(model: Any, tokenizer: Any, path: Path, ways: list[Way], n_texts: int, out: RowFile) -> Iterator[str]:
    """How they go on; yields every story and way that is done."""
    before = torch.tensor(_template_ids(tokenizer, prompt_of(tokenizer).prefix))
    for begin in list(beginnings(TextTokenizer(tokenizer), path))[:n_texts]:
        wanted = None
        for name, ratio in ways:
            way = _way(name)
            if not out.lacks(CONTINUATION, begin.story, way, ratio):
                continue
            wanted = _predicted(model, before, begin, None) if wanted is None else wanted
            press = PRESSES[name](_share_left_out(len(before), len(before) + len(begin.text), ratio))
            told = wanted if press is None else _predicted(model, before, begin, press)
            out.add(Row(CONTINUATION, begin.story, way, ratio, divergence(wanted, told)))
            yield f"{begin.story}, {way} {ratio:g}x"


def _share_left_out(n_before: int, n_all: int, ratio: float) -> float:
    """What stands before the text is kept beside the budget."""
    return 1 - (n_before + (n_all - n_before) / ratio) / n_all


def _predicted(model: Any, before: Tensor, begin: Beginning, press: Any) -> Tensor:
    """Logits of what comes after a text that was read with a press: (n_after, n_vocab)."""
    ids = torch.cat([before, begin.text])
    cache = _read(model, ids, press)
    return torch.stack(list(_logits(model, cache, len(ids), begin.after.tolist())))


def _read(model: Any, ids: Tensor, press: Any) -> DynamicCache:
    cache = DynamicCache()
    with torch.no_grad(), nullcontext() if press is None else press(model):
        model.model(input_ids=ids[None], past_key_values=cache)
    return cache


def _logits(model: Any, cache: DynamicCache, position: int, ids: list[int]) -> Iterator[Tensor]:
    """After each of these tokens, (n_vocab,).

    One by one: for many at once there need not be a key that all queries pass over, which is how it masks.
    """
    for place, token in enumerate(ids, position):
        with torch.no_grad():
            told = model(torch.tensor([[token]]), past_key_values=cache, position_ids=torch.tensor([[place]]))
        yield told.logits[0, -1]


def _answers(
    model: Any, tokenizer: Any, cache: DynamicCache, position: int, asked: list[int], ends: set[int]
) -> Generator[str]:
    """A greedy answer, as far as it goes; what was read for it leaves the cache again."""
    said: list[int] = []
    *_, logits = _logits(model, cache, position, asked)
    n_read = len(asked)
    try:
        while len(said) < _ANSWER_TOKENS and int(logits.argmax()) not in ends:
            said.append(int(logits.argmax()))
            yield tokenizer.decode(said)
            [logits] = _logits(model, cache, position + n_read, said[-1:])
            n_read += 1
    finally:
        cache.crop(-n_read)


def _template_ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


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
    parser.add_argument("--drawn", action="store_true", help="Drawn reports instead of those under reports/.")
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
        done = of_reports(model, tokenizer, DRAWN if asked.drawn else REPORTS, ways, asked.texts, out)
    for what in done:
        print(f"{what} is done", file=sys.stderr, flush=True)
    print(table(out.rows))


if __name__ == "__main__":
    main()

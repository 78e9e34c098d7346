"""What a gist keeps, by method and ratio: exact facts of report-like documents, and how a story goes on.

`python -m tests.benchmarks.ways --model smollm2` asks the 48 questions of `reports/` (written for this; six documents
of 600 tokens) and prints how many are answered rightly from the full text, from nothing and from a gist, and how long
making it took beside one plain reading. `selected` is the matched gist before anything is fitted: the same keys, with
their own values and no bias. Every gist is asked as it comes back from its file; with `--kv-bits 8` that has 8 bits.
With `--stories FILE` (FairytaleQA's training file, JSONL, gzipped) also the KL divergence of the next 64 tokens after
640, to what the full text gives. `--wrong` asks every question of the gist of the report before, too: what is told
then was guessed. `--first-token` prints the time to it alone, with and without a bias.
"""

import argparse
import gzip
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress, plan_tokens
from gistdesk.core.context import assemble, assemble_gist
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import SUFFIX, GistRecord, read_gist, write_gist
from gistdesk.core.gist_tensors import KVBits, check_bits
from gistdesk.core.interval import wilson
from gistdesk.core.load import load_model
from gistdesk.core.matched import compress_matched
from gistdesk.core.matching import unfitted
from gistdesk.core.methods import METHODS, Method, chosen_method
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn, prompt_of
from tests.benchmarks.report_questions import Question, is_named, reports

Way = tuple[str, float]
"""A method and its ratio."""
_ANSWER_TOKENS = 32
_HASH = "0" * 64
_STORY_TOKENS, _NEXT_TOKENS = 640, 64
_N_TIMED = 7


def is_right(context: Context, question: str, answers: list[str]) -> bool:
    """Whether a greedy answer names it; what follows is not waited for."""
    said = ""
    for piece in context.answer([Turn(question)], Sampling(max_tokens=_ANSWER_TOKENS)):
        said += piece
        if is_named(said, answers):
            return True
    return False


def made(model: GistModel, ids: Tensor, method: str, ratio: float, bits: KVBits = 16) -> tuple[GistKV, int]:
    """The gist of a text as it comes back from its file, and the file's bytes."""
    plan = plan_tokens(model, ids, ratio=ratio, method="matched" if method == "selected" else chosen(method))
    if method == "selected":
        *_, gist = compress_matched(model, ids, plan.segments, fitting=unfitted)
    else:
        *_, gist = compress(model, plan)
    record = GistRecord(
        gist, model.identity, "", _HASH, plan.page_starts, ratio, plan.segment_tokens, "", plan.method, kv_bits=bits
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{SUFFIX}"
        n_bytes = write_gist(path, record)
        return read_gist(path).gist, n_bytes


def chosen(method: str) -> Method:
    return chosen_method(method, has_adapter=True)


@dataclass
class Tally:
    """Right answers of how many, and of how many from the gist of another report; seconds of CPU until the first
    question beside those of one plain reading; and bytes of the files."""

    n_right: int = 0
    n_asked: int = 0
    n_guessed: int = 0
    n_wrong: int = 0
    taken_s: float = 0.0
    plain_s: float = 0.0
    n_bytes: int = 0

    def __str__(self) -> str:
        low, high = wilson(self.n_right, self.n_asked)
        cost = self.taken_s / self.plain_s
        told = f"facts {self.n_right}/{self.n_asked} ({low:.0%}-{high:.0%})  {cost:.1f} times one reading"
        if self.n_wrong:
            told += f"  another's gist {self.n_guessed}/{self.n_wrong}"
        return f"{told}  {self.n_bytes / 1024:.0f} KiB" if self.n_bytes else told


def ask_report(
    model: GistModel, text: str, questions: list[Question], way: Way, bits: KVBits, tally: Tally, other: Context | None
) -> Context:
    """Make what is asked of a report, ask everything, of another's gist, too, and add it to the tally."""
    method, ratio = way
    ids = torch.tensor(model.token_ids(text))
    begun = time.process_time()
    with torch.no_grad():
        model.decode(ids[None], DynamicCache(config=model.causal_lm.config), 0)
    tally.plain_s += time.process_time() - begun
    begun = time.process_time()
    if method == "full":
        context = Context(model, text_ids=ids)
    elif method == "none":
        context = Context(model)
    else:
        gist, n_bytes = made(model, ids, method, ratio, bits)
        tally.n_bytes += n_bytes
        context = Context(model, [gist])
    tally.taken_s += time.process_time() - begun
    tally.n_right += sum(is_right(context, *question) for question in questions)
    tally.n_asked += len(questions)
    if other is not None:
        tally.n_guessed += sum(is_right(other, *question) for question in questions)
        tally.n_wrong += len(questions)
    return context


def stories(path: Path, n_stories: int, model: GistModel) -> list[Tensor]:
    """(704,) tokens of the beginning of every fifth story that is long enough."""
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % 5 or len(found) == n_stories:
                continue
            ids = model.token_ids("\n\n".join(json.loads(line)["sections"]))
            if len(ids) >= _STORY_TOKENS + _NEXT_TOKENS:
                found.append(torch.tensor(ids[: _STORY_TOKENS + _NEXT_TOKENS]))
    return found


def divergence(model: GistModel, story: Tensor, method: str, ratio: float, bits: KVBits = 16) -> float:
    """Mean KL divergence, in nats, of the predictions after each of the next tokens."""
    prefix = model.template_ids(prompt_of(model.tokenizer).prefix)
    text, after = story.split([_STORY_TOKENS, _NEXT_TOKENS])
    with torch.no_grad():
        full = [*prefix, *text.tolist()]
        if method in ("none", "full"):
            part = assemble(model, full if method == "full" else prefix, [None])
        else:
            part = assemble_gist(model, prefix, made(model, text, method, ratio, bits)[0])
        starts = (assemble(model, full, [None]), part)
        told = [model.logits(model.decode(after[None], s.cache, s.position)).log_softmax(-1)[0] for s in starts]
    wanted, found = (each.float() for each in told)
    return float((wanted.exp() * (wanted - found)).sum(-1).mean())


def first_tokens(model: GistModel, ratio: float) -> dict[str, float]:
    """Median seconds of CPU from a question to its answer's first token, over `_N_TIMED` questions each.

    Of a gist without a bias, the same slots with a bias of zero, a matched gist, whose heads differ in how many slots
    they have, and of the full text, read anew for each.
    """
    text, questions = reports()[0]
    ids = torch.tensor(model.token_ids(text))
    whole, matched = (made(model, ids, "matched", each)[0] for each in (1.0, ratio))
    plain = replace(whole, kv=whole.kv[:, :, :, : matched.n_slots], bias=None)
    zero = torch.zeros(plain.kv[:, 0, ..., 0].shape)
    gists = {"no bias": plain, "a bias of zero": replace(plain, bias=zero), "matched": matched}
    contexts = {name: Context(model, [gist]) for name, gist in gists.items()}
    found: dict[str, list[float]] = {name: [] for name in (*contexts, "full text")}
    for number in range(_N_TIMED + 1):
        question = Turn(questions[number % len(questions)][0])
        for name, times in found.items():
            begun = time.process_time()
            context = contexts[name] if name in contexts else Context(model, text_ids=ids)
            next(context.answer([question], Sampling(max_tokens=1)), "")
            times.append(time.process_time() - begun)
    return {name: median(times[1:]) for name, times in found.items()}


def main() -> None:
    """One line per method and ratio, on stderr also after every report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument(
        "--methods", default="full,none,matched", help=f"Of full, none, selected, {', '.join(METHODS)}."
    )
    parser.add_argument("--ratios", default="4,8,16,32")
    parser.add_argument("--kv-bits", type=int, default=16, help="Of the files: 16 or 8.")
    parser.add_argument("--stories", type=Path)
    parser.add_argument("--n-stories", type=int, default=4)
    parser.add_argument("--reports", type=int, default=6, help="How many of them.")
    parser.add_argument("--wrong", action="store_true", help="Another report's gist beside its own.")
    parser.add_argument("--no-facts", action="store_true", help="Stories alone.")
    parser.add_argument("--first-token", action="store_true", help="Time alone, at the first of the ratios.")
    asked = parser.parse_args()
    bits = check_bits(asked.kv_bits)
    torch.set_num_threads(1)
    model = load_model(asked.model, device="cpu", need_adapter=False)
    if asked.first_token:
        for name, seconds in first_tokens(model, float(asked.ratios.split(",")[0])).items():
            print(f"{name:>14}  {1000 * seconds:.0f} ms of CPU to the first token", flush=True)
        return
    ways: list[Way] = [
        (method, ratio)
        for method in asked.methods.split(",")
        for ratio in ([1.0] if method in ("full", "none") else [float(ratio) for ratio in asked.ratios.split(",")])
    ]
    tallies = {way: Tally() for way in ways}
    others: dict[Way, Context] = {}
    for number, (text, questions) in enumerate([] if asked.no_facts else reports()[: asked.reports], 1):
        for way in ways:
            context = ask_report(model, text, questions, way, bits, tallies[way], others.get(way))
            if asked.wrong:
                others[way] = context
            print(f"after {number} reports: {way[0]} {way[1]:g}x {tallies[way]}", file=sys.stderr, flush=True)
    tales = stories(asked.stories, asked.n_stories, model) if asked.stories else []
    for way in ways:
        line = f"{way[0]:>8} {way[1]:>4g}x" + ("" if asked.no_facts else f"  {tallies[way]}")
        if tales:
            line += f"  KL {sum(divergence(model, t, *way, bits) for t in tales) / len(tales):.3f} nats"
        print(line, flush=True)


if __name__ == "__main__":
    main()

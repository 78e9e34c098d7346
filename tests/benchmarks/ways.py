"""What is kept of a text, by way and ratio: exact facts, passkeys, how a story goes on, experts' answers about it.

    python -m tests.benchmarks.ways --model smollm2 --methods full,none,matched,selected --ratios 4,8,16,32,64

asks the 97 questions of `reports/` (written for this; ten documents of 600 tokens). `--measures` takes also drawn (240
questions about 30 reports of about 700 tokens that are put together by chance), passkeys (documents of 512 tokens),
and, with `--stories FILE` (FairytaleQA's val.jsonl.gz), continuation (KL divergence of the next 64 tokens after 640 to
what the full text gives), answers (loss of the experts' answers about whole stories) and F1 (of what a chat answers:
from passages, or from what a gist recites, SmolLM2 chooses a sentence). Rows go to `--out` as they come, and a run that
is started again goes on behind them; the table of them all is printed at the end. See `way_rows`, which makes one of
several files.

`selected` is the matched gist before anything is fitted: the same keys, with their own values and no bias. `refined`
of a model with an adapter starts from the adapter's gist. `passages` are those of the text that suit the question, and
`hybrid` puts them after a matched gist; both are only for answers and F1. Every gist is asked as it comes back from its
file; with `--kv-bits 8` that has 8 bits. `--wrong` asks everything of the gist of another text instead, or of that text
in full: what is told then was guessed. `--first-token` prints the time to it alone, with and without a bias.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import SUFFIX, GistRecord, read_gist, write_gist
from gistdesk.core.gist_tensors import KVBits, check_bits
from gistdesk.core.load import load_model
from gistdesk.core.matched import Frame, compress_matched, observe
from gistdesk.core.matching import Observed, fit, unfitted
from gistdesk.core.methods import METHODS, chosen_method
from gistdesk.core.model import GistModel
from gistdesk.core.passages import PassageIndex, cut_passages
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn
from tests.benchmarks.report_questions import reports
from tests.benchmarks.way_items import (
    AskedText,
    Item,
    Kept,
    answered_texts,
    continued_texts,
    drawn_texts,
    passkey_texts,
    report_texts,
)
from tests.benchmarks.way_rows import (
    ANSWER_F1,
    FULL,
    N_BYTES,
    N_READINGS,
    NOTHING,
    PASSAGES,
    REPORTS,
    Row,
    RowFile,
    table,
)

MEASURES = ("reports", "drawn", "passkeys", "continuation", "answers", "F1")
_OF_STORIES = MEASURES[3:]
_N_DRAWN = 30
_BY_PASSAGES = ("passages", "hybrid")
_WITHOUT_GIST = {"full": FULL, "none": NOTHING, "passages": PASSAGES}
_HASH = "0" * 64
_N_TIMED = 7


@dataclass(frozen=True)
class Way:
    """A method at a ratio; of another text, if it is a control."""

    method: str
    ratio: float = 1.0
    is_wrong: bool = False

    def name(self, model: GistModel, bits: KVBits) -> str:
        """Of its rows."""
        if self.method in _WITHOUT_GIST:
            return "wrong " * (self.is_wrong and self.method == "full") + _WITHOUT_GIST[self.method]
        after = " from adapter" if self.method == "refined" and model.adapter else ""
        return f"{'wrong ' * self.is_wrong}{self.method}{after}{', 8 bits' if bits == 8 else ''}"


@dataclass
class Looked:
    """What the reading of a text showed, kept for its gists at other ratios; and what it took, in seconds of CPU."""

    seen: dict[tuple[int, ...], tuple[Observed, Tensor, Tensor, float]] = field(default_factory=dict)
    taken_s: float = 0.0

    def observe(self, model: GistModel, frame: Frame, ids: list[int]) -> tuple[Observed, Tensor, Tensor]:
        key = tuple(ids)
        if key in self.seen:
            self.taken_s += self.seen[key][3]  # who makes this gist alone has to look, too
        else:
            begun = time.process_time()
            self.seen[key] = (*observe(model, frame, ids), time.process_time() - begun)
        return self.seen[key][:3]


def made(model: GistModel, ids: Tensor, way: Way, looked: Looked, bits: KVBits = 16) -> tuple[GistKV, int]:
    """The gist of a text as it comes back from its file, and the file's bytes."""
    method, ratio = way.method, way.ratio
    known = "matched" if method in ("selected", "hybrid") else chosen_method(method, has_adapter=True)
    plan = plan_tokens(model, ids, ratio=ratio, method=known)
    if known == "matched":
        fitting = unfitted if method == "selected" else fit
        *_, gist = compress_matched(model, ids, plan.segments, fitting=fitting, observing=looked.observe)
    else:
        *_, gist = compress(model, plan)
    record = GistRecord(
        gist, model.identity, "", _HASH, plan.page_starts, ratio, plan.segment_tokens, "", plan.method, kv_bits=bits
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{SUFFIX}"
        n_bytes = write_gist(path, record)
        return read_gist(path).gist, n_bytes


def measure(
    model: GistModel, texts: Sequence[AskedText], ways: Sequence[Way], out: RowFile, bits: KVBits = 16
) -> Iterator[AskedText]:
    """Add every row that is not there yet; yields each text that is done. A text's wrong one is the one before it."""
    for text, before in zip(texts, [texts[-1], *texts], strict=False):
        looked = {True: Looked(), False: Looked()}
        plain_s = 0.0
        for way in ways:
            name = way.name(model, bits)
            items = [each for each in text.items if out.lacks(each.measure, each.name, name, way.ratio)]
            if not items:
                continue
            of = before if way.is_wrong else text
            index = _passages(model, text.ids) if way.method in _BY_PASSAGES else None
            if way.method in _WITHOUT_GIST:
                kept = Kept(model, ids=of.ids if way.method == "full" else None, index=index)
            else:
                plain_s, seen = plain_s or _plain_seconds(model, text.ids), looked[way.is_wrong]
                begun, seen.taken_s = time.process_time(), 0.0
                gist, n_bytes = made(model, of.ids, way, seen, bits)
                taken_s = time.process_time() - begun + seen.taken_s
                kept = Kept(model, gist, index=index)
                if items[0].measure == REPORTS:  # which are of about one length
                    out.add(Row(N_READINGS, text.name, name, way.ratio, taken_s / plain_s))
                    out.add(Row(N_BYTES, text.name, name, way.ratio, n_bytes))
            for item in items:
                out.add(Row(item.measure, item.name, name, way.ratio, item.value(kept)))
        yield text


def _passages(model: GistModel, ids: Tensor) -> PassageIndex:
    """By words, so that it does not depend on what is installed."""
    return PassageIndex(cut_passages(model, [model.tokenizer.decode(ids.tolist())]), "words")


def _plain_seconds(model: GistModel, ids: Tensor) -> float:
    """Of CPU, of one reading of a text."""
    begun = time.process_time()
    with torch.no_grad():
        model.decode(ids[None], DynamicCache(config=model.causal_lm.config), 0)
    return time.process_time() - begun


def first_tokens(model: GistModel, ratio: float) -> dict[str, float]:
    """Median seconds of CPU from a question to its answer's first token, over `_N_TIMED` questions each.

    Of a gist without a bias, the same slots with a bias of zero, a matched gist, whose heads differ in how many slots
    they have, and of the full text, read anew for each.
    """
    text, questions = reports()[0]
    ids = torch.tensor(model.token_ids(text))
    whole, matched = (made(model, ids, Way("matched", each), Looked())[0] for each in (1.0, ratio))
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


def texts_of(model: GistModel, measures: Sequence[str], stories: Path | None) -> list[list[AskedText]]:
    """Of each measure; losses of answers and their F1 are measured of the same stories."""
    found = []
    if "reports" in measures:
        found.append(report_texts(model))
    if "drawn" in measures:
        found.append(drawn_texts(model, _N_DRAWN))
    if "passkeys" in measures:
        found.append(passkey_texts(model))
    if stories and "continuation" in measures:
        found.append(continued_texts(model, stories))
    if stories and {"answers", "F1"} & set(measures):
        found.append([_with(text, measures) for text in answered_texts(model, stories)])
    return found


def _with(text: AskedText, measures: Sequence[str]) -> AskedText:
    def is_wanted(item: Item) -> bool:
        return ("F1" if item.measure == ANSWER_F1 else "answers") in measures

    return replace(text, items=[item for item in text.items if is_wanted(item)])


def main() -> None:
    """The table; on stderr after every text how far it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter")
    parser.add_argument(
        "--methods",
        default="full,none,matched",
        help=f"Of full, none, selected, passages, hybrid, {', '.join(METHODS)}.",
    )
    parser.add_argument("--ratios", default="4,8,16,32")
    parser.add_argument("--measures", default="reports", help=f"Of {', '.join(MEASURES)}.")
    parser.add_argument("--kv-bits", type=int, default=16, help="Of the files: 16 or 8.")
    parser.add_argument("--stories", type=Path)
    parser.add_argument("--texts", type=int, default=1000, help="At most, of each measure.")
    parser.add_argument("--wrong", action="store_true", help="The gist of another text instead of its own.")
    parser.add_argument("--out", type=Path, default=Path("runs/ways.jsonl"))
    parser.add_argument("--first-token", action="store_true", help="Time alone, at the first of the ratios.")
    asked = parser.parse_args()
    bits = check_bits(asked.kv_bits)
    measures, ratios = asked.measures.split(","), [float(ratio) for ratio in asked.ratios.split(",")]
    if not set(measures) <= set(MEASURES) or (set(measures) & set(_OF_STORIES) and not asked.stories):
        parser.error(f"--measures are {', '.join(MEASURES)}; {', '.join(_OF_STORIES)} need --stories")
    if set(measures) - {"answers", "F1"} and set(asked.methods.split(",")) & set(_BY_PASSAGES):
        parser.error(f"{', '.join(_BY_PASSAGES)} are for answers and F1")
    torch.set_num_threads(1)
    model = load_model(asked.model, device="cpu", need_adapter=False)
    if asked.first_token:
        for name, seconds in first_tokens(model, ratios[0]).items():
            print(f"{name:>14}  {1000 * seconds:.0f} ms of CPU to the first token", flush=True)
        return
    ways = [
        Way(method, ratio, asked.wrong)
        for method in asked.methods.split(",")
        for ratio in ([1.0] if method in _WITHOUT_GIST else ratios)
    ]
    out = RowFile(asked.out)
    for texts in texts_of(model, measures, asked.stories):
        for text in measure(model, texts[: asked.texts], ways, out, bits):
            print(f"{text.name} is done", file=sys.stderr, flush=True)
    print(table(out.rows))


if __name__ == "__main__":
    main()

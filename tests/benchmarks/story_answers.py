"""How surprised a model is by the right answers about stories: with the text, a gist, another story's gist, nothing.

`python -m tests.benchmarks.story_answers FILE --model smollm2` (FairytaleQA's val.jsonl.gz). SmolLM2 rarely words an
answer as the experts did, so right answers say little; the loss of theirs, in nats per token, says more. What a gist
keeps is (nothing - gist) / (nothing - full text). Rows go to `--out` as they come; the table is printed as it grows.
A run that is started again goes on behind the rows that are there; `--skip` leaves the first questions to another run,
whose rows can be put before this one's.
"""

import argparse
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch

from gistdesk.core.answer import Context
from gistdesk.core.gist import GistKV
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from tests.benchmarks.ways import Way, made
from trainer.benchmark.texts import QuestionedText, read_stories

_MOST_TOKENS = 6000
"""Longer stories are left out: the full text has to fit into the window, and to be read on one core."""
_QUESTIONS = 12
"""Of a story, from all over it."""

Row = dict[str, float]
"""Losses of one answer, by way."""


def rows(model: GistModel, stories: list[QuestionedText], ways: list[Way], n_done: int = 0) -> Iterator[Row]:
    """One for each question but the first `n_done`; the gist of a story is also the wrong gist of the next."""
    wrong: dict[Way, GistKV] = {}
    texts = [(story, torch.tensor(model.token_ids(story.text))) for story in stories]
    texts = [(story, ids) for story, ids in texts if len(ids) <= _MOST_TOKENS]
    asked_of = [story.questions[:: max(1, len(story.questions) // _QUESTIONS)][:_QUESTIONS] for story, _ in texts]
    first = 0
    while first + 1 < len(texts) and len(asked_of[first + 1]) <= n_done:
        first += 1
        n_done -= len(asked_of[first])
    for (_, ids), asked in zip(texts[first:], asked_of[first:], strict=True):
        gists = {way: made(model, ids, *way)[0] for way in ways}
        contexts = {"nothing": Context(model), "full text": Context(model, text_ids=ids)}
        contexts |= {f"{method} {ratio:g}x": Context(model, [gist]) for (method, ratio), gist in gists.items()}
        contexts |= {f"wrong {method} {ratio:g}x": Context(model, [gist]) for (method, ratio), gist in wrong.items()}
        for question in asked[n_done:] if wrong else ():
            yield {
                name: context.answer_loss(question.question, question.answers[0]) for name, context in contexts.items()
            }
        n_done = 0 if wrong else n_done
        wrong = gists


def table(found: list[Row]) -> str:
    """Markdown: mean loss with its standard error, and the share of what the full text gives."""
    lines = [f"| n = {len(found)} | nats per token | of what the full text gives |", "|---|---|---|"]
    means = {name: sum(row[name] for row in found) / len(found) for name in found[0]}
    whole = means["nothing"] - means["full text"]
    for name, mean in means.items():
        gains = [row["nothing"] - row[name] for row in found]
        gain = sum(gains) / len(gains)
        error = math.sqrt(sum((each - gain) ** 2 for each in gains)) / len(gains)
        lines.append(f"| {name} | {mean:.3f} | {gain / whole:.0%} ± {1.96 * error / abs(whole):.0%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stories", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--methods", default="matched")
    parser.add_argument("--ratios", default="16")
    parser.add_argument("-n", type=int, default=300, help="questions")
    parser.add_argument("--skip", type=int, default=0, help="questions that another run asks")
    parser.add_argument("--out", type=Path, default=Path("runs/story-answers.jsonl"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(asked.model, device="cpu", need_adapter=False)
    ways: list[Way] = [(method, float(r)) for method in asked.methods.split(",") for r in asked.ratios.split(",")]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.touch()
    found: list[Row] = [json.loads(line) for line in asked.out.read_text(encoding="utf-8").splitlines()]
    with asked.out.open("a", encoding="utf-8") as out:
        more = rows(model, read_stories(asked.stories), ways, asked.skip + len(found))
        for row in itertools.islice(more, max(0, asked.n - len(found))):
            found.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
            if len(found) % _QUESTIONS == 0:
                print(table(found), flush=True)
    print(table(found))


if __name__ == "__main__":
    main()

"""How much a summary in the text's own sentences says of a text, beside its beginning and what the model writes.

    python -m tests.benchmarks.summaries --model smollm2 --stories val.jsonl.gz -n 24

FairytaleQA has no summaries, but questions of experts on what matters in a story: measured is the share of their
answers' words (but those of the questions) that a summary has, mean over stories, with its 95% interval. All three
are cut to the length of the shortest, in words. `found` is the share of sentences whose names and numbers are in the
story and that one sentence of it holds most of.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.lexical import COMMON, sentences
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.passages import PassageIndex, cut_passages
from gistdesk.core.prompt import Turn
from gistdesk.core.ranking import words_of
from gistdesk.core.summary import looked_up
from gistdesk.library.grounding import ground
from trainer.benchmark.texts import QuestionedText, read_stories

_QUESTION = "Summarise this text."
_MOST_TOKENS = 3_000
_ANSWER_TOKENS = 256


def quoted(model: GistModel, text: str) -> str:
    """What a chat with a small model answers where the text is kept."""
    found = looked_up(model, PassageIndex(cut_passages(model, [text]), "words"), _QUESTION)
    return " ".join(" ".join(each.text.split()) for each in found)


def written(model: GistModel, text: str) -> str:
    """By the model after reading all of it."""
    context = Context(model, text_ids=torch.tensor(model.token_ids(text)))
    return "".join(context.answer([Turn(_QUESTION)], Sampling(max_tokens=_ANSWER_TOKENS))).strip()


WAYS: dict[str, Callable[[GistModel, str], str]] = {
    "quoted": quoted,
    "beginning": lambda model, text: text,
    "written by the model": written,
}


def share_told(summary: str, story: QuestionedText) -> float:
    """Of the words of the answers about a story, mean over its questions."""
    said = set(words_of(summary))
    shares = []
    for each in story.questions:
        wanted = set(words_of(each.answers[0])) - set(words_of(each.question)) - COMMON
        if wanted:
            shares.append(len(wanted & said) / len(wanted))
    return sum(shares) / len(shares)


def share_found(summary: str, text: str) -> float:
    """Of the sentences of a summary."""
    told = [summary[start:end] for start, end in sentences(summary)]
    return sum(ground(each, text).found for each in told) / max(1, len(told))


def interval(values: Sequence[float]) -> str:
    """Mean, and half of its 95% interval."""
    mean = sum(values) / len(values)
    half = 1.96 * math.sqrt(sum((value - mean) ** 2 for value in values)) / len(values)
    return f"{mean:.1%} ± {half:.1%}"


def measure(model: GistModel, stories: Sequence[QuestionedText]) -> dict[str, tuple[list[float], list[float]]]:
    """Shares told and found of each way, per story."""
    figures: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in WAYS}
    for number, story in enumerate(stories, 1):
        made = {name: way(model, story.text).split() for name, way in WAYS.items()}
        n_words = min(map(len, made.values()))
        for name, words in made.items():
            summary = " ".join(words[:n_words])
            figures[name][0].append(share_told(summary, story))
            figures[name][1].append(share_found(summary, story.text))
        print(f"{number} of {len(stories)}: {story.name}, {n_words} words", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--stories", type=Path, required=True)
    parser.add_argument("-n", type=int, default=24, help="Stories, at most.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(asked.model, device="cpu", need_adapter=False)
    short = [story for story in read_stories(asked.stories) if len(model.token_ids(story.text)) <= _MOST_TOKENS]
    for name, (told, found) in measure(model, short[: asked.n]).items():
        print(f"{name}: {interval(told)} of the answers' words, {interval(found)} of its sentences found")


if __name__ == "__main__":
    main()

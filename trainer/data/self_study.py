"""Self-study: a model reads a passage in full, asks itself and answers questions, summarises, continues and quotes.

Made once, as lines of the form "questions" with the kind of each beside it, so that a person can read them. In training
the student sees only the gist of the passage and is pulled towards what the same model gives with all of it in front.
The idea is that of Cartridges (Eyuboglu et al., 2025). A function of documents and seed; knows nothing of losses.
"""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn

KINDS = ("question", "question", "summary", "continuation", "quotation")
"""In turn; every other task or so is a question of the model's own."""
N_STUDIED = 400
"""Number of lines that a training run generates for itself."""
_REQUESTS = (
    "Ask one short question that the text answers. Write the question only.",
    "Which question about a name, a number or a place in the text would a reader ask? Write the question only.",
    "Write one question about what happens in the text, and nothing else.",
    "Ask for one detail of the text in a single short question.",
)
_QUESTION_TOKENS = 32
_ASK = {
    "summary": (
        "Summarise the text in two sentences.",
        "What is this text about?",
        "Give the main points of the text.",
    ),
    "continuation": ("Continue the text.", "How does the text go on?"),
    "quotation": ("Quote the first sentence of the text.", "Quote the last sentence of the text."),
}


def study(
    path: Path, model: GistModel, blocks: list[str], *, n: int, passage_tokens: int, answer_tokens: int, seed: int
) -> Generator[int, None, None]:
    """Write `path`, yielding how many of its `n` lines there are; continues where it was stopped or killed."""
    made = path.with_name(path.name + ".part")  # not by `replacing`, which would delete the lines made so far
    with suppress(OSError):
        whole = [line for line in made.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        made.write_text("".join(whole), encoding="utf-8")
    there = made.read_text(encoding="utf-8").splitlines() if made.exists() else []
    first = json.loads(there[-1])["draw"] + 1 if there else 0
    more = self_study_lines(
        model,
        blocks,
        n=n - len(there),
        passage_tokens=passage_tokens,
        answer_tokens=answer_tokens,
        seed=seed,
        first=first,
    )
    with made.open("a", encoding="utf-8") as stream:
        for number, line in enumerate(more, len(there) + 1):
            stream.write(line + "\n")
            stream.flush()
            yield number
        os.fsync(stream.fileno())
    made.replace(path)


def self_study_lines(
    model: GistModel,
    blocks: list[str],
    *,
    n: int,
    passage_tokens: int,
    answer_tokens: int,
    seed: int,
    first: int = 0,
) -> Iterator[str]:
    """JSON lines; a task that yields nothing usable, such as a question that is not one, is drawn again.

    Args:
        blocks: texts, see `folder.read_blocks`.
        n: lines.
        passage_tokens: most that the model reads at a time.
        answer_tokens: longest answer.
        seed: same seed, same lines.
        first: number of draws made before; each line says which draw it is from.
    """
    tokens: dict[int, Tensor] = {}
    made, drawn = 0, first
    while made < n and drawn < first + 20 * n:
        random = Random(f"{seed}:{drawn}")
        kind = KINDS[drawn % len(KINDS)]
        drawn += 1
        number = random.randrange(len(blocks))
        if number not in tokens:
            tokens[number] = torch.tensor(model.token_ids(blocks[number]))
        passage = _passage(random, model, tokens[number], passage_tokens)
        context = Context(model, text_ids=passage)
        question = _own_question(random, context) if kind == "question" else random.choice(_ASK[kind])
        if not question:
            continue
        answer = _said(context, question, Sampling(max_tokens=answer_tokens))
        if not answer:
            continue
        made += 1
        line = {"context": model.tokenizer.decode(passage), "question": question, "answers": [answer], "kind": kind}
        yield json.dumps({**line, "draw": drawn - 1}, ensure_ascii=False)


def _own_question(random: Random, context: Context) -> str:
    """One sentence that ends with a question mark, or nothing."""
    sampling = Sampling(temperature=0.7, seed=random.randrange(2**31), max_tokens=_QUESTION_TOKENS)
    told = _said(context, random.choice(_REQUESTS), sampling)
    question = told[: told.find("?") + 1].splitlines()[-1:]
    return question[0].strip(' "*-') if question else ""


def _said(context: Context, question: str, sampling: Sampling) -> str:
    """A whole answer; nothing where it only repeats itself."""
    told = "".join(context.answer([Turn(question)], sampling)).strip()
    return "" if context.figures and context.figures.stopped == "loop" else told


def _passage(random: Random, model: GistModel, ids: Tensor, most: int) -> Tensor:
    """A passage, from the start of a sentence if there is one near."""
    n = min(len(ids), random.randint(max(1, most // 4), most))
    start = random.randint(0, len(ids) - n)
    ends = model.ends_sentence[ids[max(0, start - 64) : start]].nonzero()
    start = max(0, start - 64) + int(ends[-1]) + 1 if len(ends) else start
    return ids[start : start + n]

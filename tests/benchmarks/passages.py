"""How passages should be cut, ranked and put to a small model.

`python -m tests.benchmarks.passages` prints how often the best one, two, three and four passages hold the answer, by
length, overlap and ranking: of the three documents in `tuning/`, or, with `--stories FILE`, of stories (FairytaleQA's
training split: nothing is tuned on what is measured). With `--readings` it asks the model about them, and prints how
often its answer holds the right one where it writes, from passages or sentences, and where it chooses a sentence.
`--gains`, with stories, prints by how much a question is likelier after the chosen sentence: what is declined by.
The bundled documents (`gistdesk niah --kinds documents`) are for measuring, not for choosing: `--bundled` prints how
often what is looked up in them holds the answer, beside which the model's answers are to be judged. `--unmatched`
prints for how many questions a word is nowhere in the text, where the text answers them and where it does not.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from operator import itemgetter
from pathlib import Path
from random import Random

import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.lexical import Words
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.passages import PassageIndex, context_with_passages, cut_passages, passages_text, telling
from gistdesk.core.prompt import Prompt, Turn, about_passages, prompt_of
from gistdesk.core.quoting import CONTEXT, Quotes
from gistdesk.core.ranking import TOP_K, Bm25, Ranker, WordsAndMeaning, embeddings_installed
from gistdesk.core.unmatched import NOT_FOUND, unmatched_share, unmatched_words
from trainer.benchmark.metrics import is_contained
from trainer.benchmark.texts import documents as bundled_documents
from trainer.benchmark.texts import read_stories

TUNING = Path(__file__).parent / "tuning"
SIZES = ((48, 0), (64, 0), (64, 24), (96, 0), (96, 32), (128, 40))
"""Most tokens of a passage, and of the sentences that it shares with the next one."""
_ANSWER_TOKENS = 96
_LONGEST_STORY, _OF_A_STORY = 14000, 2
"""Characters, and most questions of a story."""
_LEAST, _UNMATCHED = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 10.0), (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Least gains that are tried, and what is added for the share of words that are not in the text."""

Asked = list[tuple[str, list[str]]]
Rankers = dict[str, Callable[[list[str]], Ranker]]


def documents() -> Iterator[tuple[str, Asked]]:
    """The documents for tuning, each with its questions and the answers that are right."""
    questions = json.loads((TUNING / "questions.json").read_text(encoding="utf-8"))
    for name, asked in questions.items():
        yield (TUNING / f"{name}.md").read_text(encoding="utf-8"), [(q, answers) for q, answers in asked]


def stories(path: Path, n: int) -> Iterator[tuple[str, Asked]]:
    """Some stories of a file, each with up to ten questions whose short answers stand in the text."""
    random = Random(1)
    texts = read_stories(path)
    random.shuffle(texts)
    for text in texts[:n]:
        asked = [
            (q.question, list(q.answers))
            for q in text.questions
            if len(q.answers[0].split()) <= 6 and is_contained(text.text, q.answers[0])
        ]
        if len(asked) >= 4:
            yield text.text, random.sample(asked, min(10, len(asked)))


def recall(
    model: GistModel, texts: Sequence[tuple[str, Asked]], rankers: dict[str, Callable[[list[str]], Ranker]]
) -> None:
    """Print a table: percent of the questions whose answer is in the best one, two, three, four passages."""
    for chunk_tokens, overlap_tokens in SIZES:
        hits = {name: [0, 0, 0, 0] for name in rankers}
        n = 0
        for text, asked in texts:
            found = cut_passages(model, [text], chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
            cut = [passage.text for passage in found]
            made = {name: make(cut) for name, make in rankers.items()}
            for question, answers in asked:
                n += 1
                for name, ranker in made.items():
                    scores = ranker.scores(question)
                    order = sorted(range(len(cut)), key=lambda i: (-scores[i], i))
                    for k in range(4):
                        best = [cut[i] for i in order[: k + 1]]
                        hits[name][k] += any(is_contained(part, answer) for part in best for answer in answers)
        for name, counts in hits.items():
            shares = ", ".join(f"{100 * count / n:.0f}%" for count in counts)
            print(f"{chunk_tokens} tokens, {overlap_tokens} shared, {name}: {shares} of {n}", flush=True)


def readings(model: GistModel, texts: Sequence[tuple[str, Asked]]) -> None:
    """Print how often the model answers right from what it reads: whole passages or sentences, written or chosen.

    And how often it says that a text does not say what the next one does.
    """
    own = prompt_of(model.tokenizer)
    named = about_passages(own)
    right: Counter[str] = Counter()
    n = n_absent = declined = 0
    for i, (text, asked) in enumerate(texts):
        index = PassageIndex(cut_passages(model, [text]), "words")
        for question, answers in asked:
            n += 1
            found, unmatched = index.best(question, TOP_K) or index.passages[:1], index.unmatched(question)
            told = telling(question, found)
            right["the best sentence, no model"] += _holds(told[0].text, answers)
            right["any of the sentences"] += any(_holds(each.text, answers) for each in told)
            sentences = " ".join(each.text for each in told)
            ways = {
                "chosen among the sentences": context_with_passages(
                    model, [], found, question=question, unmatched=unmatched
                ),
                "written from three passages": _context(model, passages_text(found), own),
                "written from three passages, named": _context(model, CONTEXT + passages_text(found), named),
                "written from the sentences, named": _context(model, CONTEXT + sentences, named),
            }
            for name, context in ways.items():
                right[name] += _holds(_answer(context, question), answers)
        for question, answers in texts[(i + 1) % len(texts)][1]:
            if not _holds(text, answers):
                n_absent += 1
                found, unmatched = index.best(question, TOP_K) or index.passages[:1], index.unmatched(question)
                context = context_with_passages(model, [], found, question=question, unmatched=unmatched)
                declined += _answer(context, question) == NOT_FOUND
        print(f"{n}: {dict(right)}; declined {declined} of {n_absent}", flush=True)


def gains(model: GistModel, path: Path, n_stories: int) -> None:
    """Print how much likelier the chosen sentence makes a question: what `quoting` declines by.

    The experts' questions whose answers stand in a story are asked about it, about the rest of it, without the sections
    that hold the answer, and about another story.
    """
    found: dict[str, list[tuple[float, bool, float]]] = {"its story": [], "the rest of it": [], "another": []}
    texts = [story for story in read_stories(path) if len(story.text) < _LONGEST_STORY][:n_stories]
    for story, other in zip(texts, [*texts[1:], texts[0]], strict=True):
        for asked in [one for one in story.questions if is_contained(story.text, one.answers[0])][:_OF_A_STORY]:
            rest = "\n".join(text for i, text in enumerate(story.sections) if i not in asked.sections)
            for of_kind, text in zip(found.values(), (story.text, rest, other.text), strict=True):
                index = PassageIndex(cut_passages(model, [text]), "words")
                if told := telling(asked.question, index.best(asked.question, TOP_K)):
                    weighed = zip(Quotes(model, told).weighed(asked.question), told, strict=True)
                    (_, gain), best = max(weighed, key=itemgetter(0))
                    is_right = of_kind is found["its story"] and _holds(best.text, asked.answers)
                    share = unmatched_share(asked.question, index.unmatched(asked.question))
                    of_kind.append((gain, is_right, share))
    for kind, of_kind in found.items():
        for least, more in product(_LEAST, _UNMATCHED):
            lost = [is_right for gain, is_right, share in of_kind if gain < least + more * share]
            print(
                f"{kind}: {len(lost)} of {len(of_kind)} gain less than {least} + {more} x unmatched; {sum(lost)} right"
            )


def _context(model: GistModel, text: str, prompt: Prompt) -> Context:
    return Context(model, text_ids=torch.tensor(model.token_ids(text)), prompt=prompt)


def _answer(context: Context, question: str) -> str:
    return "".join(context.answer([Turn(question)], Sampling(max_tokens=_ANSWER_TOKENS)))


def _holds(text: str, answers: Sequence[str]) -> bool:
    return any(is_contained(text, answer) for answer in answers)


def bundled(model: GistModel) -> None:
    """Print how often the best sentence, the best five, and the best three passages of the bundled documents tell."""
    held: Counter[str] = Counter()
    n = 0
    for document in bundled_documents():
        index = PassageIndex(cut_passages(model, [document.text]), "words")
        for asked in document.questions:
            if not asked.answers:
                continue
            n += 1
            found = index.best(asked.question, TOP_K)
            told = telling(asked.question, found)
            parts = {
                "the best sentence": told[0].text,
                "five sentences": " ".join(each.text for each in told),
                "three passages": passages_text(found),
            }
            for name, part in parts.items():
                held[name] += _holds(part, asked.answers)
    for name, count in held.items():
        print(f"{name}: {count} of {n}")


def unmatched(path: Path | None, n_stories: int) -> None:
    """Print for how many questions a word is not in the text: of stories, or of the bundled documents.

    What a story does not answer are the questions about the next one; the documents have such questions of their own.
    """
    counts: Counter[tuple[str, bool]] = Counter()
    texts = read_stories(path)[:n_stories] if path else bundled_documents()
    for text, other in zip(texts, [*texts[1:], texts[0]], strict=True):
        asked = [("answered" if one.answers else "not answered", one.question) for one in text.questions]
        if path:
            asked += [("not answered", one.question) for one in other.questions]
        counts.update((kind, bool(unmatched_words(question, text.text))) for kind, question in asked)
    for kind in ("answered", "not answered"):
        print(
            f"{kind}: {counts[kind, True]} of {counts[kind, True] + counts[kind, False]} have a word that is not there"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter", help="whose tokens are counted, and who answers")
    parser.add_argument("--stories", type=Path, help="a file of stories with questions")
    parser.add_argument("-n", type=int, default=40, help="most stories")
    parser.add_argument("--meaning", action="store_true", help="rank by MiniLM, too")
    parser.add_argument("--gains", action="store_true", help="by which a small model declines")
    parser.add_argument("--readings", action="store_true", help="ask the model about them")
    parser.add_argument("--bundled", action="store_true", help="what is looked up in the documents for measuring")
    parser.add_argument("--unmatched", action="store_true", help="questions with words that are not in the text")
    given = parser.parse_args()
    if given.unmatched:
        unmatched(given.stories, given.n)
        return
    model = load_model(given.model, device="cpu", need_adapter=False)
    texts = list(stories(given.stories, given.n) if given.stories else documents())
    if given.readings:
        readings(model, texts)
        return
    if given.gains:
        gains(model, given.stories, given.n)
        return
    if given.bundled:
        bundled(model)
        return
    rankers: Rankers = {"bm25": Bm25, "words": Words}
    if given.meaning and embeddings_installed():
        rankers["words and meaning"] = WordsAndMeaning
    recall(model, texts, rankers)


if __name__ == "__main__":
    main()

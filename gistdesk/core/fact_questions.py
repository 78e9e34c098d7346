"""Short questions about the facts of a text, each with the sentence that answers it, made by the model itself.

Asked for a question in a chat, a small model writes nonsense; shown a few examples of a sentence, a question and an
answer, it continues with sensible ones. Every sentence is asked about with each question word, and about each number,
date, name and code in it. A question is kept if the model, shown the sentence, gives an answer that is in it; if that
is true of no question, all those that name something in the sentence are kept. Knows nothing of gists or of
training.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from gistdesk.core.context import assemble
from gistdesk.core.lexical import sentences, terms_of
from gistdesk.core.model import GistModel, cached_kv
from gistdesk.core.recall import FactKind, exact_spans

_BENCHES = "Of the thirty benches in the park, twelve were painted by Harland Brothers in 1894."
_EXAMPLES = (
    ("The librarian, Mrs Jane Poole, opened the new wing on 3 June.", "Who is the librarian?", "Mrs Jane Poole"),
    (
        "Repairs to the roof cost £4,200, of which the county paid half.",
        "How much did the repairs to the roof cost?",
        "£4,200",
    ),
    (
        "Deliveries to the depot in Marlow are accepted until 16:30.",
        "By what time must deliveries arrive at the depot?",
        "16:30",
    ),
    ("Next year's dinner will be held at the Swan Hotel.", "Where will next year's dinner be held?", "the Swan Hotel"),
    (_BENCHES, "How many benches in the park were painted?", "twelve"),
    (_BENCHES, "Who painted the benches in the park?", "Harland Brothers"),
)
_ANSWERED = "\n\n".join(f"Sentence: {text}\nQuestion: {asked}\nAnswer: {told}" for text, asked, told in _EXAMPLES)
_ASKED = "\n\n".join(f"Sentence: {text}\nAnswer: {told}\nQuestion: {asked}" for text, asked, told in _EXAMPLES)
_NEXT = "\n\nSentence:"
_OPENINGS = ("", " Who", " What", " When", " Where", " How many", " How much", " Which")
"""Tried on every sentence; left to itself, a model mostly asks What."""
_OPENINGS_OF: dict[FactKind, tuple[str, ...]] = {
    "date": (" When", ""),
    "number": (" How many", " How much"),
    "name": (" Who", ""),
    "code": (" What", ""),
}
_QUESTION_TOKENS, _ANSWER_TOKENS = 24, 14
_FEWEST_WORDS = 4
_BATCH = 16
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_NUMBERS = {word: number for number, word in enumerate(f"{_ONES} seventeen eighteen nineteen".split())}
_TENS = {word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_NUMBER_WORD = re.compile(
    rf"\b(?:(?P<ten>{'|'.join(_TENS)})(?:-(?P<one>{'|'.join([*_NUMBERS][1:10])}))?|(?P<small>{'|'.join(_NUMBERS)}))\b"
)
_EMPTY = re.compile(r"the answer to the question|of the following|th(?:is|e) sentence", re.IGNORECASE)
"""What a model asks about when it has nothing to ask."""


@dataclass(frozen=True)
class FactQuestion:
    """A question, and the sentence of the text that answers it."""

    question: str
    sentence: str


def ask_for_facts(model: GistModel, text: str) -> Generator[None, None, list[FactQuestion]]:
    """Yields after every batch of questions or answers; returns those worth asking, in the order of the text.

    Depends only on the model and the text: nothing is random.
    """
    lines = [" ".join(text[start:end].split()) for start, end in sentences(text)]
    lines = [line for line in lines if len(line.split()) >= _FEWEST_WORDS]
    spans = [(line, kind, line[a:b]) for line in lines for kind, a, b in exact_spans(line, 0, len(line))]
    wanted = [(line, opening, "") for line in lines for opening in _OPENINGS]
    wanted += [(line, opening, span) for line, kind, span in spans for opening in _OPENINGS_OF[kind]]
    asking, answering = _Examples(model, _ASKED + _NEXT), _Examples(model, _ANSWERED + _NEXT)
    told: list[str] = []
    for examples, of_spans in ((answering, False), (asking, True)):
        starts = [
            f" {line}\n" + (f"Answer: {span}\n" if span else "") + f"Question:{opening}"
            for line, opening, span in wanted
            if bool(span) is of_spans
        ]
        for batch in examples.continued(starts, _QUESTION_TOKENS):
            told += batch
            yield
    asked = dict.fromkeys(
        (line, question)
        for (line, opening, _), more in zip(wanted, told, strict=True)
        if (question := _question(opening, more))
    )
    answers: list[str] = []
    for batch in answering.continued([f" {line}\nQuestion: {q}\nAnswer:" for line, q in asked], _ANSWER_TOKENS):
        answers += batch
        yield
    return list(_worth_asking(asked, answers))


def _worth_asking(asked: Iterable[tuple[str, str]], answers: Iterable[str]) -> Iterator[FactQuestion]:
    """Questions whose answers are in their sentences; one that two sentences answer is asked about neither.

    If a sentence answers none, every question about something it names.
    """
    told: dict[str, set[str]] = {}
    rest: dict[str, set[str]] = {}
    for (line, question), answer in zip(asked, answers, strict=True):
        found = told if _tells(line, question, answer.strip().removesuffix(".")) else rest
        found.setdefault(question, set()).add(line)
    answered = set().union(*told.values())
    for question, lines in rest.items():
        if question not in told and not lines & answered and _names_something_of(question, lines):
            told[question] = lines
    for question, lines in told.items():
        if len(lines) == 1:
            yield FactQuestion(question, *lines)


def _names_something_of(question: str, lines: Iterable[str]) -> bool:
    return all(any(term.is_in(line.lower()) for term in terms_of(question)) for line in lines)


def _question(opening: str, more: str) -> str:
    """The text up to its question mark; empty if there is none, or if it asks about nothing."""
    before, mark, _ = f"{opening}{more}".partition("?")
    return "" if _EMPTY.search(before) else f"{before}{mark}".strip() if mark else ""


def _tells(line: str, question: str, answer: str) -> bool:
    """Whether an answer consists of words of the sentence, and not only of the question's."""
    stands = re.search(rf"(?<!\w){re.escape(_in_digits(answer))}(?!\w)", _in_digits(line))
    terms = terms_of(answer)
    return bool(stands) and bool(terms) and not all(term.is_in(question.lower()) for term in terms)


def _in_digits(text: str) -> str:
    """In lower case, with 26 for twenty-six and 61240 for 61,240: a model writes numbers its own way."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.lower())
    return _NUMBER_WORD.sub(_digits, text)


def _digits(found: re.Match[str]) -> str:
    small, ten, one = found["small"], found["ten"], found["one"]
    return str(_NUMBERS[small] if small else _TENS[ten] + _NUMBERS.get(one or "zero", 0))


class _Examples:
    """A few examples in front of a model, which continues them line by line."""

    def __init__(self, model: GistModel, text: str) -> None:
        self._model = model
        self._ids = [*model.bos_ids, *model.token_ids(text)]
        self._ends = {int(end) for end in model.tokenizer.all_special_ids}
        if self._fits(0):
            with torch.no_grad():
                self._kv = cached_kv(assemble(model, self._ids, [None]).cache)

    def _fits(self, n_more: int) -> bool:
        return len(self._ids) + n_more <= self._model.max_positions

    def continued(self, starts: Sequence[str], most_tokens: int) -> Iterator[list[str]]:
        """In batches: the rest of each line, greedily; nothing if it does not fit into the window."""
        for first in range(0, len(starts), _BATCH):
            rows = [self._model.token_ids(start) for start in starts[first : first + _BATCH]]
            told = iter(self._lines([row for row in rows if self._fits(len(row) + most_tokens)], most_tokens))
            yield [next(told) if self._fits(len(row) + most_tokens) else "" for row in rows]

    def _lines(self, rows: list[list[int]], most_tokens: int) -> list[str]:
        if not rows:
            return []
        model, tokenizer = self._model, self._model.tokenizer
        n_rows, longest = len(rows), max(map(len, rows))
        lengths = torch.tensor([[len(row)] for row in rows], device=model.device)
        ids = torch.tensor([row + [row[-1]] * (longest - len(row)) for row in rows], device=model.device)
        mask = torch.ones(n_rows, len(self._ids) + longest, dtype=torch.long, device=model.device)
        mask[:, len(self._ids) :] = torch.arange(longest, device=model.device) < lengths
        cache = model.cache_of(self._kv.expand(-1, -1, n_rows, -1, -1, -1))
        said: list[list[int]] = [[] for _ in rows]
        is_open = [True] * n_rows
        with torch.no_grad():
            hidden = model.decode(ids, cache, len(self._ids), mask)
            last = hidden.gather(1, (lengths - 1)[:, :, None].expand(-1, -1, hidden.shape[2]))[:, 0]
            for step in range(most_tokens):
                tokens = model.logits(last).argmax(-1)
                for row, token in enumerate(tokens.tolist()):
                    is_open[row] = is_open[row] and token not in self._ends
                    if is_open[row]:
                        said[row].append(token)
                        is_open[row] = "\n" not in tokenizer.decode([token])
                if not any(is_open):
                    break
                mask = torch.nn.functional.pad(mask, (0, 1), value=1)
                last = model.decode(tokens[:, None], cache, len(self._ids) + lengths + step, mask)[:, -1]
        return [tokenizer.decode(row).partition("\n")[0] for row in said]

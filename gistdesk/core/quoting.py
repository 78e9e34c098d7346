"""Answers that are sentences of the text: chosen among a few that suit the question, not generated word by word.

So they say nothing that the text does not say, and say it in full. The question's words alone miss its meaning, and a
small model that writes is drawn to a neighbouring sentence, or to words of its own; together they err less, as
`python -m tests.benchmarks.passages --readings` shows. Knows nothing of how the sentences were found.
"""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from gistdesk.core.amounts import asks_for_an_amount, names_an_amount
from gistdesk.core.answer import AnswerFigures, Context, Sampling, choose_token
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn, about_passages, prompt_of
from gistdesk.core.unmatched import NOT_FOUND, has_digit, unmatched_share

CONTEXT = "Context: "
"""Precedes the text that a small model reads."""
_LINE_MARK = re.compile(r"^(?:#{1,6}|[-*+•>|])\s+")
_NOTHING = "The text does not say."
_LEAST_GAIN, _UNMATCHED = 0.8, 0.75
"""Nats per token by which a question must be likelier after the sentence than after `_NOTHING`; otherwise no sentence
answers it. The second is for words of the question that are nowhere in the text, times their share. Chosen on
FairytaleQA's training stories: of 139 questions 0 are declined (0 without the second), of the same without the sections
that hold the answer 37 of 124 (26), about another story 72 of 85 (66). With 2.0 it would be 48 and 74, but 1 of the 139
and many a question that says in other words what a short text says: `python -m tests.benchmarks.passages --model
smollm2 --stories train.jsonl.gz -n 70 --gains`."""
_AMOUNT_NAMED = 1.0
"""What it adds that a sentence names an amount where one is asked for: as much as all words of the question."""


@dataclass(frozen=True)
class Told:
    """A sentence found for a question.

    Attributes:
        text: on one line.
        suits: how much of the question's words it holds, 1 for the sentence that holds most.
    """

    text: str
    suits: float


class Quoted(Context):
    """A context that is answered in the text's own words, chosen at once and said in one piece."""

    def answer(
        self,
        turns: Sequence[Turn],
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[str]:
        """What is chosen for the last question, cut after `max_tokens`. Earlier turns are not read.

        Raises:
            UserError: the question does not fit into the model's window.
        """
        begun = time.perf_counter()
        question = turns[-1].question
        ids: list[int] = []
        stopped = "closed"
        try:
            text = self._chosen(question, sampling, stop)
            if text is None:
                return
            ids = self.model.token_ids(text)
            stopped = "end" if len(ids) <= sampling.max_tokens else "length"
            yield text if stopped == "end" else self.model.tokenizer.decode(ids[: sampling.max_tokens])
        finally:
            n_asked = len(self._conversation_ids([Turn(question)]))
            n_tokens = min(len(ids), sampling.max_tokens)
            self.figures = AnswerFigures(time.perf_counter() - begun, 0.0, n_tokens, n_asked, stopped)

    def _chosen(self, question: str, sampling: Sampling, stop: Callable[[], bool]) -> str | None:
        """What to say; None if it was stopped."""
        raise NotImplementedError


class Excerpt(Quoted):
    """Sentences that are themselves the answer, as a list; each document's own below its title, if it has one."""

    def __init__(self, model: GistModel, texts: Sequence[tuple[str, bool]], *, system: str | None = None) -> None:
        """`texts`: sentences, and titles, which are followed by True.

        Raises:
            UserError: they do not fit into the model's window.
        """
        self._text = _listed(texts) if texts else NOT_FOUND
        super().__init__(model, text_ids=_read_ids(model, self._text), system=system)

    def _chosen(self, question: str, sampling: Sampling, stop: Callable[[], bool]) -> str:
        return self._text


def _listed(texts: Sequence[tuple[str, bool]]) -> str:
    """In Markdown. One sentence alone is no list."""
    is_list = sum(not is_title for _, is_title in texts) > 1
    lines = []
    for text, is_title in texts:
        line = _LINE_MARK.sub("", " ".join(text.split()))
        lines.append(f"\n**{line}**\n" if is_title else f"- {line}" if is_list else line)
    return "\n".join(lines).strip()


class Quotes(Quoted):
    """Sentences in front of a model, which answers with one of them, or that none of them answers.

    Above temperature 0 it is drawn at random, better ones more often.
    """

    def __init__(
        self, model: GistModel, told: Sequence[Told], *, unmatched: Sequence[str] = (), system: str | None = None
    ) -> None:
        """`unmatched`: words of the question that are nowhere in the text.

        Raises:
            UserError: they do not fit into the model's window.
        """
        prompt = about_passages(prompt_of(model.tokenizer, system))
        super().__init__(model, text_ids=_read_ids(model, " ".join(_once(told))), prompt=prompt)
        self._told = told
        self._unmatched = unmatched

    def _chosen(self, question: str, sampling: Sampling, stop: Callable[[], bool]) -> str | None:
        weighed = list(self.weighed(question, stop))
        if len(weighed) < len(self._told):
            return None
        if not weighed:
            return NOT_FOUND
        scores, gains = torch.tensor(weighed).T
        chosen = choose_token(scores, sampling, torch.Generator().manual_seed(sampling.seed))
        best = self._told[chosen].text
        return best if gains[chosen] >= self._least_gain(question) and _may_answer(question, best) else NOT_FOUND

    def weighed(self, question: str, stop: Callable[[], bool] = lambda: False) -> Iterator[tuple[float, float]]:
        """For each sentence its score, and its gain: how much likelier it makes the question, in nats per token."""
        none_told = self._alone(_NOTHING).question_loss(question)
        for each in self._told:
            if stop():
                return
            gain = none_told - self._alone(each.text).question_loss(question)
            named = _AMOUNT_NAMED * _may_answer(question, each.text)
            yield each.suits + gain - self.answer_loss(question, each.text) + named, gain

    def _least_gain(self, question: str) -> float:
        """No sentence answers a question about a code or a year that is nowhere in the text."""
        if any(map(has_digit, self._unmatched)):
            return math.inf
        return _LEAST_GAIN + _UNMATCHED * unmatched_share(question, self._unmatched)

    def _alone(self, text: str) -> Context:
        return Context(self.model, text_ids=_read_ids(self.model, text), prompt=self.prompt)


def _once(told: Sequence[Told]) -> list[str]:
    """The texts, without those that stand within another one, each once."""
    texts = dict.fromkeys(each.text for each in told)
    return [text for text in texts if not any(text in other for other in texts if other != text)]


def _may_answer(question: str, sentence: str) -> bool:
    """False where an amount is asked for and the sentence names none."""
    return not asks_for_an_amount(question) or names_an_amount(sentence, question)


def _read_ids(model: GistModel, text: str) -> torch.Tensor:
    return torch.tensor(model.token_ids(CONTEXT + text), dtype=torch.long)

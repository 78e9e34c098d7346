"""What ways of keeping less of a text are asked: texts, and for each what is measured of anything that is kept of it.

Knows nothing of how anything is made or kept.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.context import Assembled, assemble, assemble_gist
from gistdesk.core.gist import GistKV
from gistdesk.core.model import GistModel, TextTokenizer
from gistdesk.core.passages import PassageIndex, context_with_passages
from gistdesk.core.prompt import Turn, prompt_of
from gistdesk.core.quoting import Quotes
from gistdesk.core.ranking import TOP_K
from gistdesk.core.recitation import Recited, recited, recites
from tests.benchmarks.report_questions import Question, drawn_reports, is_named, is_surely_named, item_of, reports
from tests.benchmarks.way_rows import ANSWER_F1, ANSWER_LOSS, CONTINUATION, DRAWN, PASSKEYS, REPORTS
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.samples import Sample
from trainer.benchmark.tasks import f1_points, tasks_of
from trainer.benchmark.texts import QuestionedText, TextQuestion, read_stories

_ANSWER_TOKENS, _SENTENCE_TOKENS = 32, 96
"""Longest answer, and longest sentence quoted for one."""
_STORY_TOKENS, _NEXT_TOKENS = 640, 64
_MOST_TOKENS = 6000
"""Longer stories are left out: the full text has to fit into the window, and to be read on one core."""
_QUESTIONS = 15
"""Of a story, from all over it."""


@dataclass(frozen=True)
class Kept:
    """What stands before a question: a gist, the tokens of a text, its passages that suit the question, or nothing."""

    model: GistModel
    gist: GistKV | None = None
    ids: Tensor | None = None
    index: PassageIndex | None = None

    @cached_property
    def context(self) -> Context:
        return Context(self.model, [self.gist] if self.gist else [], text_ids=self.ids)

    @cached_property
    def _recited(self) -> Recited | None:
        return recited(self.model, [self.gist]) if self.gist and recites([self.gist]) else None

    def asked(self, question: str) -> Context:
        """What a chat would put in front of a question."""
        if self.index is not None:
            return self._with_passages(question, question)
        return (self._recited and self._recited.context(question)) or self.context

    def read(self, question: str) -> Context:
        """What the model reads before it hears an answer."""
        return self.context if self.index is None else self._with_passages(question, "")

    def _with_passages(self, question: str, asked: str) -> Context:
        assert self.index is not None
        found = self.index.best(question, TOP_K)
        gists = [self.gist] if self.gist else []
        return context_with_passages(self.model, gists, found, question=asked, unmatched=self.index.unmatched(asked))

    def start(self) -> Assembled:
        """The same without a conversation, for what follows the text itself."""
        prefix = self.model.template_ids(prompt_of(self.model.tokenizer).prefix)
        if self.gist:
            return assemble_gist(self.model, prefix, self.gist)
        return assemble(self.model, [*prefix, *([] if self.ids is None else self.ids.tolist())], [None])


@dataclass(frozen=True)
class Item:
    """One thing that is measured: see `way_rows.Row`."""

    measure: str
    name: str
    value: Callable[[Kept], float]


@dataclass(frozen=True)
class AskedText:
    """A text and what is asked of it. ids: (n_tokens,)."""

    name: str
    ids: Tensor
    items: list[Item]


def report_texts(model: GistModel) -> list[AskedText]:
    """The reports: is a greedy answer the right one?"""
    return _asked(model, REPORTS, reports())


def drawn_texts(model: GistModel, n: int) -> list[AskedText]:
    """Drawn reports, asked in the same way."""
    return _asked(model, DRAWN, drawn_reports(n))


def _asked(model: GistModel, measure: str, found: Sequence[tuple[str, list[Question]]]) -> list[AskedText]:
    return [
        AskedText(
            f"{measure} {number}",
            torch.tensor(model.token_ids(text)),
            [Item(measure, item_of(number, question), _is_right(*question)) for question in questions],
        )
        for number, (text, questions) in enumerate(found, 1)
    ]


def _is_right(words: str, answers: list[str]) -> Callable[[Kept], float]:
    def value(kept: Kept) -> float:
        return float(is_named(said(kept, words, lambda so_far: is_surely_named(so_far, answers)), answers))

    return value


def said(kept: Kept, question: str, is_enough: Callable[[str], bool], max_tokens: int = _ANSWER_TOKENS) -> str:
    """A greedy answer; what follows once there is enough of it is not waited for."""
    so_far = ""
    context = kept.asked(question)
    sampling = Sampling(max_tokens=_SENTENCE_TOKENS if isinstance(context, Quotes) else max_tokens)
    for piece in context.answer([Turn(question)], sampling):
        so_far += piece
        if is_enough(so_far):
            break
    return so_far


def passkey_texts(model: GistModel) -> list[AskedText]:
    """The documents of `gistdesk niah --lengths 512 --languages en`; any five in a row are of all depths."""
    config = BenchConfig(lengths=(512,), languages=("en",), methods=("none",))
    tasks = tasks_of(model, config)
    samples = [task.sample(n) for n in range(config.samples) for task in tasks]
    return [AskedText(each.name, each.source.token_ids, [_of_passkey(each)]) for each in samples]


def _of_passkey(sample: Sample) -> Item:
    def value(kept: Kept) -> float:
        number_ended = re.compile(r"\d\D").search
        return sample.points(said(kept, sample.question, lambda s: bool(number_ended(s)), sample.max_tokens))

    return Item(PASSKEYS, sample.source.name, value)


@dataclass(frozen=True)
class Beginning:
    """Of a story, and what comes next. text: (640,); after: (64,)."""

    story: str
    text: Tensor
    after: Tensor


def beginnings(tokenizer: TextTokenizer, path: Path) -> Iterator[Beginning]:
    """Of the stories that are long enough."""
    for story in read_stories(path):
        ids = torch.tensor(tokenizer.token_ids(story.text))
        if len(ids) >= _STORY_TOKENS + _NEXT_TOKENS:
            yield Beginning(story.name, *ids[: _STORY_TOKENS + _NEXT_TOKENS].split([_STORY_TOKENS, _NEXT_TOKENS]))


def continued_texts(model: GistModel, path: Path) -> list[AskedText]:
    """Beginnings of stories: KL divergence of the predictions of the next tokens to what the full text gives."""
    return [
        AskedText(f"begin of {each.story}", each.text, [_of_continuation(model, each)])
        for each in beginnings(TextTokenizer(model.tokenizer), path)
    ]


def _of_continuation(model: GistModel, begin: Beginning) -> Item:
    def told(kept: Kept) -> Tensor:
        start = kept.start()
        with torch.no_grad():
            hidden = model.decode(begin.after[None], start.cache, start.position)
            return model.logits(hidden)[0]

    wanted = cache(lambda: told(Kept(model, ids=begin.text)))
    return Item(CONTINUATION, begin.story, lambda kept: divergence(wanted(), told(kept)))


def divergence(wanted: Tensor, told: Tensor) -> float:
    """Mean KL divergence, nats, of predictions to those that are wanted. Both logits: (n_tokens, n_vocab)."""
    # in 16 bits it is off by more than ways differ
    target, found = (logits.float().log_softmax(-1) for logits in (wanted, told))
    return float((target.exp() * (target - found)).sum(-1).mean())


def answered_texts(model: GistModel, path: Path, n_questions: int = _QUESTIONS) -> list[AskedText]:
    """Whole stories: how surprised the model is by the experts' answers, and how like them its own are.

    SmolLM2 rarely words an answer as they did, so its own say little; the loss of theirs, nats per token, says more.
    """
    texts = []
    for story in read_stories(path):
        ids = torch.tensor(model.token_ids(story.text))
        if len(ids) <= _MOST_TOKENS:
            asked = story.questions[:: max(1, len(story.questions) // n_questions)][:n_questions]
            texts.append(AskedText(story.name, ids, [item for one in asked for item in _of_answer(story, one)]))
    return texts


def _of_answer(story: QuestionedText, asked: TextQuestion) -> Sequence[Item]:
    name = f"{story.name}: {asked.question}"
    return (
        Item(ANSWER_LOSS, name, lambda kept: kept.read(asked.question).answer_loss(asked.question, asked.answers[0])),
        Item(ANSWER_F1, name, lambda kept: f1_points(said(kept, asked.question, lambda s: False), asked.answers)),
    )

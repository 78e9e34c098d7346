"""The refined way of making a gist: keys, values and biases of one document trained until they tell its text.

Rounds of training, several passes over the document. In the first ones the gist learns to recite the text piece by
piece (`gistdesk.core.recitation`), so that everything the text says can be had from it, and forgets to be read. Then
it settles: it also learns, by the KL divergence from the full text's predictions, what the model says on its own after
the text (`gistdesk.core.self_study`), and so becomes a reading of it again. Both at once from the start left pieces of
texts at 100x untold. The first slot of every head is frozen, as moving an attention sink upsets everything. What it
already tells is seldom taught again, and a round that raises the loss of what it taught is undone.

A round depends only on the gist before it, as a file stores it, and on its number: a run resumed between two
rounds arrives at the same gist. Knows nothing of files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from gistdesk.core.answer import Context
from gistdesk.core.context import assemble_after, read_prefix
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_tensors import stored_dtype
from gistdesk.core.layout import Segment
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import prompt_of
from gistdesk.core.recitation import MOST_TOKENS, pieces_of, recitation
from gistdesk.core.self_study import said

_PASSES, _SHORT = 40, 1024
"""Over a text, as many as it takes to tell it; texts of fewer tokens are gone through more often, as a training needs
its number of steps."""
_SETTLING, _MORE = 0.6, 0.75
"""Of these, as many again to settle; and then as many at most, at the last rate, while pieces are left that it does not
tell: after a wrong one, those behind it are told wrongly, too. Settling leaves one out at times."""
_ROUND_TOKENS = 8192
"""Of the text in a round: several passes over a short text, a part of a pass over a long one. With half as many, the
optimizer, which starts afresh in each, took longer to learn the last pieces."""
_TIMES = 2
"""In a round, each lesson of self-study; there are none while it learns to tell."""
_AGAIN = 4
"""Every so many-th time, a piece is taught though it is told."""
_BATCH, _PASS_TOKENS = 2, 256
"""Lessons per step, and tokens that go through the model at once."""
_RATE, _LAST_RATE, _WARM_UP, _FINEST = 0.04, 0.008, 10, 0.3
"""Adam's learning rate at the start and at the end, of telling and again of settling: for biases in nats, for keys and
values as a share of their size in their layer and head; the steps in which it rises at the start of every round; and
its factor when all is told."""
_LARGEST_BIAS = 20.0


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Tokens that follow a document, and their targets.

    Attributes:
        ids: (n_tokens,) question and answer with the template around them, or how the text goes on.
        n_answer: how many of them belong to the answer.
        wanted: (n_answer, hidden_size) hidden states of the full text that predict each of those; None: the tokens
            themselves are the targets.
    """

    ids: Tensor
    n_answer: int
    wanted: Tensor | None = None


@dataclass(frozen=True)
class _Score:
    """What telling each of some lessons costs, in nats, and which of the pieces are told word for word."""

    costs: dict[_Lesson, float]
    told: set[_Lesson]

    @property
    def loss(self) -> float:
        """In nats per token."""
        return sum(self.costs.values()) / sum(lesson.n_answer for lesson in self.costs)

    @property
    def share(self) -> float:
        """Of the pieces that are told; 0 if there are none."""
        return len(self.told) / max(sum(lesson.wanted is None for lesson in self.costs), 1)

    def and_also(self, other: "_Score") -> "_Score":
        return _Score({**self.costs, **other.costs}, self.told | other.told)


class _Teller:
    """A model that is asked to tell what gists hold. The prompt's prefix, the same before all of them, is read once."""

    def __init__(self, model: GistModel) -> None:
        self.model = model
        with torch.no_grad():
            self._prefix = read_prefix(model, model.template_ids(prompt_of(model.tokenizer).prefix))

    def told(self, gist: GistKV, lessons: Sequence[_Lesson]) -> list[Tensor]:
        """The gist's predictions for each answer: log-probabilities (n_answer, vocab_size)."""
        start = assemble_after(self.model, self._prefix, gist)
        start.cache.batch_repeat_interleave(len(lessons))
        asked = [lesson.ids[:-1] for lesson in lessons]
        ids = torch.nn.utils.rnn.pad_sequence(asked, batch_first=True)  # padding comes last, where nothing sees it
        hidden = self.model.decode(ids, start.cache, start.position)
        answers = [
            row[len(each.ids) - 1 - each.n_answer : len(each.ids) - 1]
            for row, each in zip(hidden, lessons, strict=True)
        ]
        return [self.model.logits(answer).float().log_softmax(-1) for answer in answers]

    def losses(self, told: Sequence[Tensor], lessons: Sequence[_Lesson]) -> Tensor:
        """(n_lessons,) sums over the tokens of each answer, in nats: KL divergence from the full text's predictions, or
        cross-entropy."""
        losses = []
        for found, lesson in zip(told, lessons, strict=True):
            if lesson.wanted is None:
                losses.append(cross_entropy(found, _answer_ids(lesson, found), reduction="sum"))
            else:
                expected = _predicted(self.model, lesson.wanted)
                losses.append(kl_div(found, expected, reduction="sum", log_target=True))
        return torch.stack(losses)

    def measured(self, gist: GistKV, lessons: Sequence[_Lesson]) -> _Score:
        costs, told = dict[_Lesson, float](), set[_Lesson]()
        with torch.no_grad():
            for part in _parts(sorted(lessons, key=lambda lesson: len(lesson.ids))):
                found = self.told(gist, part)
                costs |= zip(part, self.losses(found, part).tolist(), strict=True)
                told |= _word_for_word(found, part)
        return _Score(costs, told)


def n_rounds_of(segments: Sequence[Segment]) -> int:
    """The number of rounds for a document."""
    return _n_telling(segments) + _n_settling(segments) + ceil(_MORE * _n_telling(segments))


def n_rounds_left(segments: Sequence[Segment], refined: Refinement) -> int:
    """Of the rounds to come, those that may take their time: only those that settle, once all of it is told."""
    if refined.after < 1:
        return n_rounds_of(segments) - refined.n_rounds
    n_telling = _n_telling(segments)
    return max(0, n_telling + _n_settling(segments) - max(n_telling, refined.n_rounds))


def _n_telling(segments: Sequence[Segment]) -> int:
    return -(-_PASSES * max(_SHORT, _n_tokens(segments)) // _ROUND_TOKENS)


def _n_settling(segments: Sequence[Segment]) -> int:
    return round(_SETTLING * _n_telling(segments))


def refine(model: GistModel, token_ids: Tensor, gist: GistKV) -> Iterator[GistKV]:
    """Train a gist; yields its current state several times in every round.

    Args:
        token_ids: (n_tokens,) of the document.
        gist: of the whole document; `gist.refined` holds the number of rounds an earlier run completed.
    """
    gist = _as_stored(gist)
    pieces: list[_Lesson] = []
    for lesson in _pieces(model, [_ids_of(token_ids, segment) for segment in gist.segments]):
        pieces.append(lesson)
        yield gist
    teller = _Teller(model)
    n_rounds = n_rounds_of(gist.segments)
    refined = gist.refined
    if refined is None:
        share = teller.measured(gist, pieces).share
        refined = Refinement(0, share, share, len(pieces))
    for number in range(refined.n_rounds, n_rounds):
        trained, share = gist, refined.after
        for step in _round(teller, token_ids, gist, pieces, number):
            trained, share = step
            yield gist  # a round counts as a whole: what is half trained is not resumed
        if number + 1 == n_rounds:
            share = teller.measured(trained, pieces).share
        refined = replace(refined, n_rounds=number + 1, after=share)
        gist = replace(trained, refined=refined)
        yield gist


def _round(
    teller: _Teller, token_ids: Tensor, gist: GistKV, pieces: Sequence[_Lesson], number: int
) -> Iterator[tuple[GistKV, float]]:
    """Teach the pieces of one round, and what a reader says once telling is over.

    Yields the gist and the share of these pieces that it tells; the last one is the better one of before and after.
    """
    stream = [pieces[index] for index in _order(len(pieces), gist.segments, number)]
    taught = list(dict.fromkeys(stream))
    before = teller.measured(gist, taught)
    share = before.share
    yield gist, share
    n_telling = _n_telling(gist.segments)
    if share == 1 and not n_telling <= number < n_telling + _n_settling(gist.segments):
        return
    heard: list[_Lesson] = []
    if number >= n_telling:
        for ids, hidden in said(teller.model, token_ids, number - n_telling):
            heard.append(_Lesson(ids, len(hidden), hidden))
            yield gist, share
    before, trained = before.and_also(teller.measured(gist, heard)), gist
    stream += heard * _TIMES
    Random(f"round:{number}").shuffle(stream)
    for step in _trained(teller, gist, stream, before.told, _rates(gist.segments, number, len(stream))):
        trained = step
        yield gist, share
    after = teller.measured(trained, taught + heard)
    if after.loss < before.loss:  # false for NaN
        yield trained, after.share


def _order(n_pieces: int, segments: Sequence[Segment], number: int) -> list[int]:
    """Which pieces a round teaches: its part of the passes, each of which takes them in another order."""
    n_rounds = _n_telling(segments)
    n_taught = n_pieces * _PASSES * max(_SHORT, _n_tokens(segments)) // _n_tokens(segments)
    start, end = (n_taught * each // n_rounds for each in (number, number + 1))
    found: list[int] = []
    for of_pass in range(start // n_pieces, -(-end // n_pieces)):
        order = list(range(n_pieces))
        Random(f"pass:{of_pass}").shuffle(order)
        n_before = of_pass * n_pieces
        found += order[max(0, start - n_before) : end - n_before]
    return found


def _rates(segments: Sequence[Segment], number: int, n_lessons: int) -> list[float]:
    """For every lesson of a round; they fall by the same factor from lesson to lesson, and again where it settles."""
    n_telling, n_settling = _n_telling(segments), _n_settling(segments)
    if number >= n_telling + n_settling:
        return [_LAST_RATE] * n_lessons
    begun, n_rounds = (0, n_telling) if number < n_telling else (n_telling, n_settling)
    shares = ((number - begun + each / n_lessons) / n_rounds for each in range(n_lessons))
    return [float(_RATE * (_LAST_RATE / _RATE) ** share) for share in shares]


def _n_tokens(segments: Sequence[Segment]) -> int:
    return sum(segment.n_tokens for segment in segments)


def _pieces(model: GistModel, segments: Sequence[Tensor]) -> Iterator[_Lesson]:
    """Lessons to recite a document; no piece goes beyond a segment. segments: (n_tokens,) each."""
    context = Context(model)
    texts = chain.from_iterable(pieces_of(model, model.tokenizer.decode(ids.tolist())) for ids in segments)
    for request, piece in recitation(list(texts)):
        ids, n_answer = context.ids_of_answer(request, piece, MOST_TOKENS, with_end=True)
        yield _Lesson(ids, n_answer)


def _ids_of(token_ids: Tensor, segment: Segment) -> Tensor:
    return token_ids[segment.start : segment.start + segment.n_tokens].long()


def _as_stored(gist: GistKV) -> GistKV:
    """Rounded as in a file, so that a resumed run starts from the same numbers."""
    return replace(gist, kv=gist.kv.to(stored_dtype(gist)).to(gist.kv.dtype))


class _InTraining:
    """A gist and a change of it, which is what an optimizer sees.

    Only slots that are in use and may move have a change: heads differ in their slots, and a table as wide as the
    widest head is mostly empty.

    Attributes:
        leaves: the change of keys and values (2 * n_free, head_dim), as a share of their size in their layer and head;
            that of biases (n_free,), in nats.
    """

    def __init__(self, model: GistModel, gist: GistKV) -> None:
        self._gist = gist
        self._kv = kv = gist.kv.to(model.device, torch.float32)
        bias = torch.zeros(kv[:, 0, ..., 0].shape) if gist.bias is None else gist.bias.float()
        self._bias = bias.to(model.device)
        used = self._bias.isfinite()
        self._free = used.clone()
        self._free[:, :, 0] = False  # moving an attention sink upsets everything
        n_used = used.sum(dim=2)[:, None, :, None, None] * kv.shape[4]
        size = (kv.square() * used[:, None, :, :, None]).sum(dim=(3, 4), keepdim=True).div(n_used).sqrt()
        free = self._free[:, None].expand(kv.shape[:4])
        self._rows = free.flatten().nonzero()[:, 0]
        self._size = size[..., 0].expand(kv.shape[:4])[free][:, None]
        self.leaves = (
            torch.zeros(len(self._rows), kv.shape[4], device=kv.device, requires_grad=True),
            torch.zeros(int(self._free.sum()), device=kv.device, requires_grad=True),
        )

    def gist(self) -> GistKV:
        change, more = self.leaves
        rows = self._kv.flatten(0, 3)
        kv = rows.index_put((self._rows,), rows[self._rows] + change * self._size).view(self._kv.shape)
        bias = self._bias.index_put((self._free,), (self._bias[self._free] + more).clamp(max=_LARGEST_BIAS))
        return replace(self._gist, kv=kv, bias=bias, span=self._gist.n_positions)

    def add_gradient(self, loss: Tensor) -> None:
        for leaf, new in zip(self.leaves, torch.autograd.grad(loss, self.leaves), strict=True):
            leaf.grad = new if leaf.grad is None else leaf.grad + new


def _trained(
    teller: _Teller, gist: GistKV, stream: Sequence[_Lesson], told: set[_Lesson], rates: Sequence[float]
) -> Iterator[GistKV]:
    """Train a gist on lessons, a few at a time; yields it now and then, the trained one last.

    The optimizer starts afresh, so that only the gist must be kept between two rounds.

    Args:
        told: what need not be taught, as the gist tells it word for word.
        rates: for each lesson.
    """
    told = set(told)
    n_pieces = len({lesson for lesson in stream if lesson.wanted is None})
    training = _InTraining(teller.model, gist)
    adam = torch.optim.Adam(training.leaves, betas=(0.9, 0.95))
    n_steps, step = 0, list[_Lesson]()
    for number, lesson in enumerate(stream):
        if lesson not in told or number % _AGAIN == 0:
            step.append(lesson)
        if not step or (len(step) < _BATCH and number + 1 < len(stream)):
            continue
        n_answer = sum(lesson.n_answer for lesson in step)
        for part in _parts(sorted(step, key=lambda lesson: len(lesson.ids))):  # little padding
            with torch.enable_grad():
                found = teller.told(training.gist(), part)
                training.add_gradient(teller.losses(found, part).sum() / n_answer)
            told -= set(part)
            told |= _word_for_word(found, part)
            yield gist
        n_steps += 1
        fine = 1 - (1 - _FINEST) * len(told) / n_pieces
        adam.param_groups[0]["lr"] = rates[number] * min(1.0, n_steps / _WARM_UP) * fine
        adam.step()
        adam.zero_grad()
        step = []
    with torch.no_grad():
        new = training.gist()
    yield _as_stored(replace(new, kv=new.kv.to(gist.kv.dtype)))


def _parts(lessons: Sequence[_Lesson]) -> Iterator[list[_Lesson]]:
    """As many at once as their tokens allow, at least one."""
    part: list[_Lesson] = []
    for lesson in lessons:
        longest = max(len(each.ids) for each in (*part, lesson))
        if part and longest * (len(part) + 1) > _PASS_TOKENS:
            yield part
            part = []
        part.append(lesson)
    if part:
        yield part


def _answer_ids(lesson: _Lesson, like: Tensor) -> Tensor:
    return lesson.ids[-lesson.n_answer :].to(like.device)


def _predicted(model: GistModel, hidden: Tensor) -> Tensor:
    with torch.no_grad():
        return model.logits(hidden).float().log_softmax(-1)


def _word_for_word(told: Sequence[Tensor], lessons: Sequence[_Lesson]) -> set[_Lesson]:
    """Those pieces of which every token is the most probable one."""
    return {
        lesson
        for found, lesson in zip(told, lessons, strict=True)
        if lesson.wanted is None and bool((found.argmax(-1) == _answer_ids(lesson, found)).all())
    }

"""The refined way of making a gist: keys, values and biases of one document trained until they tell its text.

Rounds of self-study (Cartridges, arXiv 2506.06266), several passes over the document. In each, the gist is trained to
recite the text piece by piece (`gistdesk.core.recitation`), so that everything the text says can be had from it; and on
the KL divergence of its predictions from the full text's for completions and quotations, so that it remains a reading
of the text otherwise. The first slot of every head is frozen, as moving an attention sink upsets everything. A round
that makes the gist worse is undone, and one about pieces that it already tells is left out.

A round depends only on the gist before it, as a file stores it, and on its number: a run resumed between two
rounds arrives at the same gist. Knows nothing of files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from gistdesk.core.answer import Context
from gistdesk.core.context import assemble_gist
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_tensors import stored_dtype
from gistdesk.core.layout import Segment
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import prompt_of
from gistdesk.core.recitation import MOST_TOKENS, pieces_of, recitation
from gistdesk.core.self_study import Kind, studies

_PASSES, _LESSONS = 20, 24
"""Over every segment; and lessons in a round about a short text, which are used several times."""
_KINDS: tuple[Kind, ...] = ("completion", "quotation") * 2
"""In a round, beside its pieces."""
_CHECKED_KINDS: tuple[Kind, ...] = ("completion", "quotation") * 4
_CHECKED_SEGMENTS, _CHECKED_PIECES = 4, 24
"""How many segments the completions and quotations of the check are from, and how many pieces are in it."""
_BATCH, _PASS_TOKENS = 8, 256
"""Lessons per step, and tokens that go through the model at once."""
_RATE, _DECAY = 0.02, 0.95
"""Adam's learning rate: for biases in nats, for keys and values as a share of their size in their layer and head; and
its factor for the next pass."""
_LARGEST_BIAS = 20.0
_ANSWER_TOKENS = 80
"""Of a completion or quotation; the rest is left out."""


@dataclass(frozen=True)
class _Lesson:
    """Tokens that follow a document, and their targets.

    Attributes:
        ids: (n_tokens,) question and answer with the template around them.
        n_answer: how many of them belong to the answer.
        wanted: (n_answer, hidden_size) hidden states of the full text that predict each of those; None: the tokens
            themselves are the targets.
    """

    ids: Tensor
    n_answer: int
    wanted: Tensor | None = None


@dataclass(frozen=True)
class _Score:
    """Loss in nats per token, and the share of the pieces that are told word for word (1 if there are none)."""

    loss: float
    share: float


def n_rounds_of(segments: Sequence[Segment]) -> int:
    """The number of rounds for a document."""
    return _PASSES * len(segments)


def refine(model: GistModel, token_ids: Tensor, gist: GistKV) -> Iterator[GistKV]:
    """Train a gist; yields its current state several times in every round.

    Args:
        token_ids: (n_tokens,) of the document.
        gist: of the whole document; `gist.refined` holds the number of rounds an earlier run completed.
    """
    gist = _as_stored(gist)
    pieces: list[list[_Lesson]] = []
    for part, segment in enumerate(gist.segments):
        pieces.append(_pieces(model, part, _ids_of(token_ids, segment)))
        yield gist
    every = [lesson for of_segment in pieces for lesson in of_segment[:-1]]  # without those that tell its end
    check = every[:: -(-len(every) // _CHECKED_PIECES) or 1]
    checked = gist.segments[:: -(-len(gist.segments) // _CHECKED_SEGMENTS)]
    for number, segment in enumerate(checked):
        kinds = _CHECKED_KINDS[number :: len(checked)]
        check += _lessons(model, _ids_of(token_ids, segment), Random(f"check:{number}"), kinds)
        yield gist
    score = _measured(model, gist, check)
    refined = gist.refined or Refinement(0, score.share, score.share)
    for number in range(refined.n_rounds, n_rounds_of(gist.segments)):
        taught = _taught_in(number, pieces)
        before = _measured(model, gist, taught)
        yield gist
        if before.share < 1:
            ids = _ids_of(token_ids, gist.segments[number % len(gist.segments)])
            random = Random(f"round:{number}")
            lessons = taught + _lessons(model, ids, random, _KINDS)
            lessons *= max(1, _LESSONS // len(lessons))
            random.shuffle(lessons)
            trained = gist
            for step in _trained(model, gist, lessons, _RATE * _DECAY ** (number // len(gist.segments))):
                trained = step
                yield gist
            new_score, after = _measured(model, trained, check), _measured(model, trained, taught)
            if new_score.loss + after.loss < score.loss + before.loss:  # false for NaN
                gist, score = trained, new_score
        refined = Refinement(number + 1, refined.before, score.share)
        gist = replace(gist, refined=refined)
        yield gist


def _pieces(model: GistModel, part: int, ids: Tensor) -> list[_Lesson]:
    """Lessons to recite one segment. ids: (n_tokens,)."""
    context = Context(model)
    asked = recitation(part, pieces_of(model, model.tokenizer.decode(ids.tolist())))
    found = (context.ids_of_answer(request, piece, MOST_TOKENS, with_end=True) for request, piece in asked)
    return [_Lesson(ids, n_answer) for ids, n_answer in found]


def _taught_in(number: int, pieces: Sequence[Sequence[_Lesson]]) -> list[_Lesson]:
    """What a round teaches: each takes a part of the whole text, as what was taught last is known best."""
    of_pass, part = divmod(number, len(pieces))
    taught = list(chain(*pieces))
    Random(f"pass:{of_pass}").shuffle(taught)
    return taught[part :: len(pieces)]


def _ids_of(token_ids: Tensor, segment: Segment) -> Tensor:
    return token_ids[segment.start : segment.start + segment.n_tokens].long()


def _lessons(model: GistModel, ids: Tensor, random: Random, kinds: Sequence[Kind]) -> list[_Lesson]:
    """Read a segment in full, and record what the model predicts for questions and answers. ids: (n_tokens,)."""
    context = Context(model, text_ids=ids)
    found = []
    for study in studies(random, model.tokenizer.decode(ids.tolist()), kinds):
        asked, wanted = context.hidden_of_answer(study.question, study.answer, _ANSWER_TOKENS, with_end=True)
        found.append(_Lesson(asked, len(wanted), wanted))
    return found


def _as_stored(gist: GistKV) -> GistKV:
    """Rounded as in a file, so that a resumed run starts from the same numbers."""
    return replace(gist, kv=gist.kv.to(stored_dtype(gist.kv)).to(gist.kv.dtype))


def _trained(model: GistModel, gist: GistKV, lessons: Sequence[_Lesson], rate: float) -> Iterator[GistKV]:
    """The gist after each step of a round; the optimizer starts afresh, so that only the gist must be kept."""
    kv = gist.kv.to(model.device, torch.float32)
    bias = torch.zeros(kv[:, 0, ..., 0].shape) if gist.bias is None else gist.bias.float()
    bias = bias.to(model.device)
    used = bias.isfinite()
    free = used.clone()
    free[:, :, 0] = False
    n_used = used.sum(dim=2)[:, None, :, None, None] * kv.shape[4]
    size = (kv.square() * used[:, None, :, :, None]).sum(dim=(3, 4), keepdim=True).div(n_used).sqrt()
    change, more = torch.zeros_like(kv, requires_grad=True), torch.zeros_like(bias, requires_grad=True)
    adam = torch.optim.Adam([change, more], lr=rate, betas=(0.9, 0.95))

    def made() -> GistKV:
        new_kv = kv + change * size * free[:, None, :, :, None]
        new_bias = (bias + more * free).clamp(max=_LARGEST_BIAS).where(used, bias)
        return replace(gist, kv=new_kv, bias=new_bias, span=gist.n_positions)

    for start in range(0, len(lessons), _BATCH):
        step = sorted(lessons[start : start + _BATCH], key=lambda lesson: len(lesson.ids))  # little padding
        n_answer = sum(lesson.n_answer for lesson in step)
        for part in _parts(step):
            with torch.enable_grad():
                loss = _loss(_told(model, made(), part), part, model) / n_answer
                change.grad, more.grad = _added((change, more), torch.autograd.grad(loss, (change, more)))
            yield gist
        adam.step()
        adam.zero_grad()
    with torch.no_grad():
        new = made()
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


def _added(leaves: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
    return [new if leaf.grad is None else leaf.grad + new for leaf, new in zip(leaves, gradients, strict=True)]


def _told(model: GistModel, gist: GistKV, lessons: Sequence[_Lesson]) -> list[Tensor]:
    """The gist's predictions for each answer: log-probabilities (n_answer, vocab_size)."""
    start = assemble_gist(model, model.template_ids(prompt_of(model.tokenizer).prefix), gist)
    start.cache.batch_repeat_interleave(len(lessons))
    asked = [lesson.ids[:-1] for lesson in lessons]
    ids = torch.nn.utils.rnn.pad_sequence(asked, batch_first=True)  # padding comes last, where nothing sees it
    hidden = model.decode(ids, start.cache, start.position)
    answers = [
        row[len(each.ids) - 1 - each.n_answer : len(each.ids) - 1] for row, each in zip(hidden, lessons, strict=True)
    ]
    return [model.logits(answer).float().log_softmax(-1) for answer in answers]


def _loss(told: Sequence[Tensor], lessons: Sequence[_Lesson], model: GistModel) -> Tensor:
    """Sum over all tokens of the answers, in nats: KL divergence from the full text's predictions, or cross-entropy."""
    losses = []
    for found, lesson in zip(told, lessons, strict=True):
        if lesson.wanted is None:
            losses.append(cross_entropy(found, _answer_ids(lesson, found), reduction="sum"))
        else:
            losses.append(kl_div(found, _predicted(model, lesson.wanted), reduction="sum", log_target=True))
    return torch.stack(losses).sum()


def _answer_ids(lesson: _Lesson, like: Tensor) -> Tensor:
    return lesson.ids[-lesson.n_answer :].to(like.device)


def _predicted(model: GistModel, hidden: Tensor) -> Tensor:
    with torch.no_grad():
        return model.logits(hidden).float().log_softmax(-1)


def _measured(model: GistModel, gist: GistKV, lessons: Sequence[_Lesson]) -> _Score:
    loss, is_told, n_tokens = 0.0, [], 0
    with torch.no_grad():
        for part in _parts(lessons):
            told = _told(model, gist, part)
            loss += float(_loss(told, part, model))
            n_tokens += sum(lesson.n_answer for lesson in part)
            is_told += [
                bool((found.argmax(-1) == _answer_ids(lesson, found)).all())
                for found, lesson in zip(told, part, strict=True)
                if lesson.wanted is None
            ]
    return _Score(loss / max(n_tokens, 1), sum(is_told) / len(is_told) if is_told else 1.0)

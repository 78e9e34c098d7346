"""The refined way of making a gist: keys, values and biases of one document trained to answer as its full text does.

Rounds of self-study (Cartridges, arXiv 2506.06266). In each, one segment is read in full, questions are made, and the
gist is trained by the KL divergence of its predictions to those of the full text. The first slot of every head is held
fast, as a sink of attention that moves upsets everything. A round that does not bring the answers to other questions
nearer to the full text's is taken back, so what comes out is never worse by that measure than what went in.

A round is a function of the gist before it, as a file holds it, and of its number: a run that is resumed between two
rounds comes to the same gist. Knows nothing of files; what is asked is `gistdesk.core.self_study`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from gistdesk.core.answer import Context
from gistdesk.core.context import assemble_gist
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_tensors import stored_dtype
from gistdesk.core.layout import Segment
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import prompt_of
from gistdesk.core.self_study import Kind, studies

_FEWEST_ROUNDS, _ROUNDS_PER_SEGMENT = 8, 2
_KINDS: tuple[Kind, ...] = ("question", "completion", "quotation", "completion") * 2
"""Of a round; what is exact has the larger part."""
_CHECK_KINDS: tuple[Kind, ...] = ("question", "completion") * 4
_MOST_CHECKED = 4
"""Segments that the check's questions are about."""
_PASSES, _BATCH = 3, 4
_RATE, _DECAY = 0.02, 0.7
"""Of Adam: of biases in nats, of keys and values as a share of how large they are in their layer and head; and what is
left of it in the next round. At the same rate throughout, the second and the third round were taken back (SmolLM2, a
report at 16x)."""
_LARGEST_BIAS = 20.0
_ANSWER_TOKENS = 48


@dataclass(frozen=True)
class _Lesson:
    """Tokens that follow a document, and what the full text makes of them.

    Attributes:
        ids: (n_tokens,) question and answer with what stands around them.
        wanted: (n_answer, hidden_size) hidden states that predict each token of the answer.
    """

    ids: Tensor
    wanted: Tensor


def n_rounds_of(segments: Sequence[Segment]) -> int:
    """How many rounds a document gets."""
    return max(_FEWEST_ROUNDS, _ROUNDS_PER_SEGMENT * len(segments))


def refine(model: GistModel, token_ids: Tensor, gist: GistKV) -> Iterator[GistKV]:
    """Train a gist; yields it as it is so far, several times in every round.

    Args:
        token_ids: (n_tokens,) of the document.
        gist: of the whole document; `gist.refined` tells how many rounds an earlier run has done.
    """
    gist = _as_stored(gist)
    check: list[_Lesson] = []
    checked = gist.segments[:: -(-len(gist.segments) // _MOST_CHECKED)]
    for number, segment in enumerate(checked):
        kinds = _CHECK_KINDS[number :: len(checked)]
        check += _lessons(model, token_ids, segment, Random(f"check:{number}"), kinds)
        yield gist
    loss, share = _measured(model, gist, check)
    refined = gist.refined or Refinement(0, share, share)
    for number in range(refined.n_rounds, n_rounds_of(gist.segments)):
        segment = gist.segments[number % len(gist.segments)]
        lessons = _lessons(model, token_ids, segment, Random(f"round:{number}"), _KINDS)
        yield gist
        trained = gist
        for step in _trained(model, gist, lessons, _RATE * _DECAY**number):
            trained = step
            yield gist
        new_loss, new_share = _measured(model, trained, check)
        if new_loss < loss:  # not if it is no number
            gist, loss, share = trained, new_loss, new_share
        refined = Refinement(number + 1, refined.before, share)
        gist = replace(gist, refined=refined)
        yield gist


def _lessons(
    model: GistModel, token_ids: Tensor, segment: Segment, random: Random, kinds: Sequence[Kind]
) -> list[_Lesson]:
    """Read a segment in full, and keep what it makes of questions and answers about it."""
    ids = token_ids[segment.start : segment.start + segment.n_tokens].long()
    context = Context(model, text_ids=ids)
    found = []
    for study in studies(random, context, model.tokenizer.decode(ids.tolist()), kinds):
        asked = context.hidden_of_answer(study.question, study.answer, _ANSWER_TOKENS)
        found.append(_Lesson(*asked))
    return found


def _as_stored(gist: GistKV) -> GistKV:
    """Rounded as a file would have it, so that a resumed run starts from the same numbers."""
    return replace(gist, kv=gist.kv.to(stored_dtype(gist.kv)).to(gist.kv.dtype))


def _trained(model: GistModel, gist: GistKV, lessons: Sequence[_Lesson], rate: float) -> Iterator[GistKV]:
    """The gist after each step of a round; the optimizer starts anew, so that nothing but the gist has to be kept."""
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

    for start in range(0, _PASSES * len(lessons), _BATCH):
        for number in range(start, start + _BATCH):
            with torch.enable_grad():
                loss = _divergence(model, made(), lessons[number % len(lessons)])
                change.grad, more.grad = _added((change, more), torch.autograd.grad(loss, (change, more)))
            yield gist
        adam.step()
        adam.zero_grad()
    with torch.no_grad():
        new = made()
    yield _as_stored(replace(new, kv=new.kv.to(gist.kv.dtype)))


def _added(leaves: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
    return [new if leaf.grad is None else leaf.grad + new for leaf, new in zip(leaves, gradients, strict=True)]


def _divergence(model: GistModel, gist: GistKV, lesson: _Lesson) -> Tensor:
    """Mean KL divergence, in nats per token of the answer, of the gist's predictions to the full text's."""
    told, wanted = _told(model, gist, lesson)
    return kl_div(told, wanted, reduction="sum", log_target=True) / len(told)


def _told(model: GistModel, gist: GistKV, lesson: _Lesson) -> tuple[Tensor, Tensor]:
    """Log-probabilities (n_answer, vocab_size) from the gist, and from the full text."""
    start = assemble_gist(model, model.template_ids(prompt_of(model.tokenizer).prefix), gist)
    hidden = model.decode(lesson.ids[None, :-1], start.cache, start.position)[0, -len(lesson.wanted) :]
    with torch.no_grad():
        wanted = model.logits(lesson.wanted).float().log_softmax(-1)
    return model.logits(hidden).float().log_softmax(-1), wanted


def _measured(model: GistModel, gist: GistKV, check: Sequence[_Lesson]) -> tuple[float, float]:
    """KL divergence in nats per token, and the share of tokens at which the likeliest one is the full text's."""
    losses, n_same, n_all = [], 0, 0
    with torch.no_grad():
        for lesson in check:
            told, wanted = _told(model, gist, lesson)
            losses.append(float(kl_div(told, wanted, reduction="sum", log_target=True)))
            n_same += int((told.argmax(-1) == wanted.argmax(-1)).sum())
            n_all += len(told)
    return sum(losses) / n_all, n_same / n_all

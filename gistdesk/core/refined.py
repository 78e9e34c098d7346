"""The refined way of making a gist: keys, values and biases of one document trained to answer questions about it.

Rounds of self-study (Cartridges, arXiv 2506.06266), several passes over the document. In each, the gist is trained on
what the model asked itself about every sentence, with that sentence as the answer, so that it can give facts that the
model does not find in the full text; and on the KL divergence of its predictions from the full text's for completions
and quotations, so that it remains a reading of the text otherwise. A whole sentence is easier to learn than just its
answering words: all questions about it have one answer, which questions never asked about it find, too. The full text's
answers to questions are not taught: a small model's are mostly wrong. The first slot of every head is frozen, as moving
an attention sink upsets everything. A round that makes the gist worse is undone.

A round depends only on the gist before it, as a file stores it, and on its number: a run resumed between two
rounds arrives at the same gist. Knows nothing of files; `gistdesk.core.self_study` and
`gistdesk.core.fact_questions` decide what is asked.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from gistdesk.core.answer import Context
from gistdesk.core.context import assemble_gist
from gistdesk.core.fact_questions import FactQuestion, ask_for_facts
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_tensors import stored_dtype
from gistdesk.core.layout import Segment
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import prompt_of
from gistdesk.core.self_study import Kind, studies

_PASSES, _LESSONS = 5, 80
"""Over every segment; and lessons in a round about a short text, which are used several times."""
_KINDS: tuple[Kind, ...] = ("completion", "quotation") * 4
"""In a round, beside its facts, and in the check."""
_CHECKED_SEGMENTS, _CHECKED_FACTS = 4, 6
"""How many segments the check is made from, and how many facts of each are asked for in words that are not
trained on."""
_WATCHED_FACTS = 24
"""Of those a round teaches, which it must not make worse."""
_BATCH, _PASS_TOKENS = 8, 256
"""Lessons per step, and tokens that go through the model at once."""
_RATE, _DECAY = 0.007, 0.7
"""Adam's learning rate: for biases in nats, for keys and values as a share of their size in their layer and head; and
its factor for the next pass. At a constant rate, the second and third rounds were undone; at three times this one as
much is recalled, and completions agree less with the full text's (SmolLM2, reports at 16x)."""
_LARGEST_BIAS = 20.0
_ANSWER_TOKENS = 80


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
    """Loss in nats per token, and how much was right on average.

    A sentence of the text is right or not as a whole: given most of its tokens, the rest is easy. For
    a completion or a quotation it is the share of tokens at which the likeliest is also the full text's.
    """

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
    facts = _Facts(model, token_ids)
    check: list[_Lesson] = []
    checked = gist.segments[:: -(-len(gist.segments) // _CHECKED_SEGMENTS)]
    for number, segment in enumerate(checked):
        random, kinds = Random(f"check:{number}"), _KINDS[number :: len(checked)]
        check += _lessons(model, _ids_of(token_ids, segment), random, kinds)
        for _ in facts.asking(segment, _CHECKED_FACTS):
            yield gist
        check += facts.kept_back[segment]
    score = _measured(model, gist, check)
    refined = gist.refined or Refinement(0, score.share, score.share)
    for number in range(refined.n_rounds, n_rounds_of(gist.segments)):
        taught = yield from _taught_in(number, facts, gist)
        segment = gist.segments[number % len(gist.segments)]
        random = Random(f"round:{number}")
        lessons = taught + _lessons(model, _ids_of(token_ids, segment), random, _KINDS)
        lessons *= max(1, _LESSONS // len(lessons))
        random.shuffle(lessons)
        yield gist
        watched = taught[:: -(-len(taught) // _WATCHED_FACTS) or 1]
        before = _measured(model, gist, watched)
        trained = gist
        for step in _trained(model, gist, lessons, _RATE * _DECAY ** (number // len(gist.segments))):
            trained = step
            yield gist
        new_score, after = _measured(model, trained, check), _measured(model, trained, watched)
        if new_score.loss + after.loss < score.loss + before.loss:  # false for NaN
            gist, score = trained, new_score
        refined = Refinement(number + 1, refined.before, score.share)
        gist = replace(gist, refined=refined)
        yield gist


def _taught_in(number: int, facts: "_Facts", gist: GistKV) -> Generator[GistKV, None, list[_Lesson]]:
    """What a round teaches about facts.

    The first pass goes from segment to segment, as questions are asked about each. After that every round takes a part
    of everything taught, as what was taught last is answered too often.
    """
    n_segments = len(gist.segments)
    of_pass, part = divmod(number, n_segments)
    for segment in gist.segments if of_pass else gist.segments[part : part + 1]:
        for _ in facts.asking(segment, 0):
            yield gist
    if not of_pass:
        return facts.taught[gist.segments[part]]
    taught = [lesson for segment in gist.segments for lesson in facts.taught[segment]]
    Random(f"pass:{of_pass}").shuffle(taught)
    return taught[part::n_segments]


class _Facts:
    """The questions about the facts of each segment; made once, when first needed.

    Attributes:
        taught: lessons of a segment.
        kept_back: other questions answered by some of the same sentences.
    """

    def __init__(self, model: GistModel, token_ids: Tensor) -> None:
        self._model, self._token_ids = model, token_ids
        self.taught: dict[Segment, list[_Lesson]] = {}
        self.kept_back: dict[Segment, list[_Lesson]] = {}

    def asking(self, segment: Segment, n_kept_back: int) -> Iterator[None]:
        """Yields while the model is being asked."""
        if segment in self.taught:
            return
        ids = _ids_of(self._token_ids, segment)
        found = yield from ask_for_facts(self._model, self._model.tokenizer.decode(ids.tolist()))
        by_sentence: dict[str, list[FactQuestion]] = {}
        for fact in found:
            by_sentence.setdefault(fact.sentence, []).append(fact)
        often = [facts for facts in by_sentence.values() if len(facts) > 1]
        kept_back = [facts.pop() for facts in often[:: -(-len(often) // n_kept_back) or 1]] if n_kept_back else []
        self.kept_back[segment] = self._lessons_of(kept_back)
        self.taught[segment] = self._lessons_of([fact for facts in by_sentence.values() for fact in facts])

    def _lessons_of(self, facts: Sequence[FactQuestion]) -> list[_Lesson]:
        context = Context(self._model)
        lessons = []
        for fact in facts:
            ids, hidden = context.hidden_of_answer(fact.question, fact.sentence, _ANSWER_TOKENS, with_end=True)
            lessons.append(_Lesson(ids, len(hidden)))
        return lessons


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
    """Zeros if there are none."""
    loss, shares, n_tokens = 0.0, [], 0
    with torch.no_grad():
        for part in _parts(lessons):
            told = _told(model, gist, part)
            loss += float(_loss(told, part, model))
            for found, lesson in zip(told, part, strict=True):
                if lesson.wanted is None:
                    is_right = (found.argmax(-1) == _answer_ids(lesson, found)).all()
                else:
                    is_right = found.argmax(-1) == _predicted(model, lesson.wanted).argmax(-1)
                shares.append(float(is_right.float().mean()))
                n_tokens += lesson.n_answer
    return _Score(loss / max(n_tokens, 1), sum(shares) / max(len(shares), 1))

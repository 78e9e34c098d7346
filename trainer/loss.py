"""One training pass: documents into gists (or in full), questions after them, loss and accuracy of the answers.

Uses the same cut, encode, assemble and decode as chat does. Knows nothing of optimizers or schedules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from gistdesk.core.context import assemble
from gistdesk.core.gist import rotate_keys
from gistdesk.core.layout import cut_segments, encoder_rows
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Prompt, Turn
from trainer.samples import Sample


@dataclass(frozen=True)
class Pass:
    """What one forward pass gave.

    Attributes:
        answer_loss: scalar, mean cross-entropy over answer tokens and the token that ends an answer, nats.
        text_loss: scalar, mean cross-entropy over document tokens; zero where the text was not read by the base.
        right: bool, one per question, every token of the answer predicted right.
        n_tokens: document tokens read.
    """

    answer_loss: Tensor
    text_loss: Tensor
    right: Tensor
    n_tokens: int


def gist_pass(
    model: GistModel, prompt: Prompt, samples: Sequence[Sample], *, segment_tokens: int, ratio: float
) -> Pass:
    """Answers from gists alone: the only way from a document to an answer is the slices `encode` returns."""
    gists = encode_documents(model, [s.token_ids for s in samples], segment_tokens=segment_tokens, ratio=ratio)
    return answer_pass(model, prompt, gists, samples)


def encode_documents(
    model: GistModel, documents: Sequence[Tensor], *, segment_tokens: int, ratio: float
) -> list[Tensor]:
    """All segments of all documents in one batch -> per document (n_layers, 2, n_kv_heads, n_slots, head_dim)."""
    adapter = model.adapter
    if adapter is None:
        raise RuntimeError("training needs a model with gist tokens")
    texts, n_slots, positions, per_document = [], [], [], []
    for ids in documents:
        segments = cut_segments(
            ids,
            segment_tokens=segment_tokens,
            ratio=ratio,
            max_slots=adapter.max_slots,
            ends_sentence=model.ends_sentence,
        )
        texts += [ids[s.start : s.start + s.n_tokens] for s in segments]
        n_slots += [s.n_slots for s in segments]
        per_document.append(sum(s.n_slots for s in segments))
        positions.append(torch.arange(per_document[-1]))
    rows = encoder_rows(texts, n_slots, bos_ids=model.bos_ids, gist_ids=adapter.gist_ids)
    return list(model.encode(rows, torch.cat(positions)).split(per_document, dim=3))


def pool_pass(
    model: GistModel,
    prompt: Prompt,
    keyed: Sequence[Sample],
    plain: Sequence[Tensor],
    *,
    n_slots: int,
    n_segments: int,
    random: Random,
) -> Pass:
    """Every sample's question, asked of its own segment among up to `n_segments` others from one encoded pool.

    Segments are encoded independently of one another, so one encoding can be put together into many documents: ten
    times the questions for the same work as encoding a document of that length for each.

    Args:
        keyed: samples of one segment each.
        plain: segments without a fact, (n_tokens,) each; a document may hold one several times.
        n_slots: gist tokens for every segment.
        n_segments: longest document, in segments.
    """
    adapter = model.adapter
    if adapter is None:
        raise RuntimeError("training needs a model with gist tokens")
    texts = [sample.token_ids for sample in keyed] + list(plain)
    rows = encoder_rows(texts, [n_slots] * len(texts), bos_ids=model.bos_ids, gist_ids=adapter.gist_ids)
    encoded = model.encode(rows, torch.arange(n_slots).repeat(len(texts)))
    segments = encoded.split(n_slots, dim=3)
    gists = []
    for own in range(len(keyed)):
        order = [random.randrange(len(keyed), len(texts)) for _ in range(random.randint(0, n_segments - 1))]
        order.insert(random.randint(0, len(order)), own)
        together = torch.cat([segments[i] for i in order], dim=3)
        shift = torch.arange(len(order)).repeat_interleave(n_slots) * n_slots
        keys = rotate_keys(together[:, 0], shift.to(model.device), model.inv_freq)
        gists.append(torch.stack([keys, together[:, 1]], dim=1))
    result = answer_pass(model, prompt, gists, keyed)
    return replace(result, n_tokens=sum(len(text) for text in texts))


def answer_pass(model: GistModel, prompt: Prompt, gists: Sequence[Tensor | None], samples: Sequence[Sample]) -> Pass:
    """Loss and accuracy of the answers that follow the given gists; None stands for no document at all."""
    rows, targets = zip(*(_conversation(model, prompt, sample.turns) for sample in samples), strict=True)
    ids, wanted = _padded(rows, 0), _padded(targets, -1)
    start = assemble(model, model.template_ids(prompt.prefix), gists)
    hidden = model.decode(ids, start.cache, start.position, start.mask_for(ids.shape[1]))
    loss, right = _answers(model, hidden, wanted.to(model.device))
    return Pass(loss, loss.new_zeros(()), right, sum(len(s.token_ids) for s in samples))


def full_pass(model: GistModel, prompt: Prompt, samples: Sequence[Sample], *, text_share: float) -> Pass:
    """The same questions with the whole text in context, adapter off, and the text itself as language modelling.

    Args:
        text_share: fraction of the document's tokens whose prediction is scored; the output matrix is the dear part.
    """
    prefix = model.template_ids(prompt.prefix)
    rows, targets = [], []
    for sample in samples:
        row, target = _conversation(model, prompt, sample.turns)
        rows.append([*prefix, *sample.token_ids.tolist(), *row])
        targets.append([-1] * (len(prefix) + len(sample.token_ids)) + target)
    ids = _padded(rows, 0).to(model.device)
    start = assemble(model, [], [None])
    hidden = model.decode(ids, start.cache, 0)
    loss, right = _answers(model, hidden, _padded(targets, -1).to(model.device))
    n_text = len(prefix) + min(len(s.token_ids) for s in samples)
    picked = torch.arange(0, n_text - 1, max(1, round(1 / text_share)), device=model.device)
    logits = model.logits(hidden[:, picked]).float()
    text_loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, picked + 1].flatten())
    return Pass(loss, text_loss, right, sum(len(s.token_ids) for s in samples))


def _conversation(model: GistModel, prompt: Prompt, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
    """Ids of everything after the document, and per position the id to predict there, -1 where none is."""
    ids: list[int] = []
    wanted: list[bool] = []
    closing = model.template_ids(prompt.after_answer)[:1]
    pieces = [*prompt.pieces(turns), (prompt.after_answer, "template")]
    after_answer = False
    for text, role in pieces:
        piece = model.piece_ids(text, role)
        if role == "answer":
            wanted += [True] * len(piece)
        else:
            wanted += [after_answer and piece[:1] == closing] + [False] * (len(piece) - 1)
        after_answer = role == "answer"
        ids += piece
    return ids, [ids[i + 1] if wanted[i + 1] else -1 for i in range(len(ids) - 1)] + [-1]


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


def _answers(model: GistModel, hidden: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy at the answers' places, and per answer whether all of it is right. wanted: (batch, width)."""
    places = wanted >= 0
    logits = model.logits(hidden[places]).float()
    loss = torch.nn.functional.cross_entropy(logits, wanted[places])
    starts = places & ~torch.nn.functional.pad(places, (1, 0))[:, :-1]
    answer_index = starts.flatten().cumsum(0).view_as(places)[places] - 1
    wrong = (logits.argmax(-1) != wanted[places]).float()
    n_wrong = wrong.new_zeros(int(answer_index[-1]) + 1).index_add(0, answer_index, wrong)
    return loss, n_wrong == 0

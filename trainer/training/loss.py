"""One training pass: documents into gists (or in full), questions after them, loss and accuracy of the answers.

Uses the same cut, encode, assemble and decode as chat. Knows nothing of optimizers or schedules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from gistdesk.core.context import assemble
from gistdesk.core.gist import rotate_keys
from gistdesk.core.layout import encoder_rows
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Prompt, Turn
from trainer.data.pool import Pool
from trainer.data.samples import Sample


@dataclass(frozen=True)
class Pass:
    """The outcome of one forward pass.

    Attributes:
        answer_loss: scalar, mean cross-entropy over answer tokens and the token that ends an answer, nats.
        text_loss: scalar, mean cross-entropy over document tokens; zero if the base did not read the text.
        right: bool, one per question, every token of the answer predicted right.
        n_tokens: document tokens read.
    """

    answer_loss: Tensor
    text_loss: Tensor
    right: Tensor
    n_tokens: int


@dataclass(frozen=True)
class Answers:
    """The model's output at the positions of answer tokens and of the tokens that end an answer.

    Attributes:
        logits: (n_tokens, vocab_size), float32.
        wanted: (n_tokens,) the right tokens.
        row: (n_tokens,) which conversation each belongs to, in order.
        right: bool, one per question, every token of the answer predicted right.
    """

    logits: Tensor
    wanted: Tensor
    row: Tensor
    right: Tensor

    @property
    def loss(self) -> Tensor:
        """Scalar, mean cross-entropy, nats."""
        return torch.nn.functional.cross_entropy(self.logits, self.wanted)


def pool_pass(model: GistModel, prompt: Prompt, pool: Pool, *, n_segments: int, random: Random) -> Pass:
    """Every sample's questions, asked of its own segment among up to `n_segments` - 1 others of one encoded pool.

    Segments are encoded independently of one another, so one encoding can be combined into many documents: ten
    times the questions for the same work as encoding a document of that length for each.
    """
    adapter = model.adapter
    if adapter is None:
        raise RuntimeError("training needs a model with gist tokens")
    texts = [*(sample.token_ids for sample in pool.keyed), *pool.plain]
    counts = list(pool.n_slots)
    rows = encoder_rows(texts, counts, bos_ids=model.bos_ids, gist_ids=adapter.gist_ids)
    segments = model.encode(rows, torch.cat([torch.arange(n) for n in counts])).split(counts, dim=3)
    gists = []
    for own in range(len(pool.keyed)):
        order = pool.document(random, own, n_segments)
        together = torch.cat([segments[i] for i in order], dim=3)
        sizes = torch.tensor([counts[i] for i in order])
        shift = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
        keys = rotate_keys(together[:, 0], shift.to(model.device), model.inv_freq)
        gists.append(torch.stack([keys, together[:, 1]], dim=1))
    result = answer_pass(model, prompt, gists, pool.keyed)
    return replace(result, n_tokens=sum(map(len, texts)))


def answer_pass(model: GistModel, prompt: Prompt, gists: Sequence[Tensor | None], samples: Sequence[Sample]) -> Pass:
    """Loss and accuracy of the answers that follow the given gists; None stands for no document at all."""
    answers = gist_answers(model, prompt, gists, [sample.turns for sample in samples])
    loss = answers.loss
    return Pass(loss, loss.new_zeros(()), answers.right, sum(len(s.token_ids) for s in samples))


def gist_answers(
    model: GistModel, prompt: Prompt, gists: Sequence[Tensor | None], turns: Sequence[Sequence[Turn]]
) -> Answers:
    """The answers of one conversation per gist, (n_layers, 2, n_kv_heads, n_slots, head_dim) each."""
    rows, targets = zip(*(_conversation(model, prompt, own) for own in turns), strict=True)
    ids, wanted = _padded(rows, 0), _padded(targets, -1)
    start = assemble(model, model.template_ids(prompt.prefix), gists)
    hidden = model.decode(ids, start.cache, start.position, start.mask_for(ids.shape[1]))
    return _answers(model, hidden, wanted.to(model.device))


def full_pass(model: GistModel, prompt: Prompt, samples: Sequence[Sample], *, text_share: float) -> Pass:
    """The same questions with the whole text in context, adapter off, and the text itself as language modelling.

    Args:
        text_share: fraction of the document's tokens whose prediction is scored; the output matrix is the costly part.
    """
    ids, hidden, answers = _read_in_full(model, prompt, [s.token_ids for s in samples], [s.turns for s in samples])
    answer_loss = answers.loss
    prefix = model.template_ids(prompt.prefix)
    n_text = len(prefix) + min(len(s.token_ids) for s in samples)
    picked = torch.arange(0, n_text - 1, max(1, round(1 / text_share)), device=model.device)
    logits = model.logits(hidden[:, picked]).float()
    text_loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, picked + 1].flatten())
    return Pass(answer_loss, text_loss, answers.right, sum(len(s.token_ids) for s in samples))


def full_answers(model: GistModel, prompt: Prompt, texts: Sequence[Tensor], turns: Sequence[Sequence[Turn]]) -> Answers:
    """The answers of one conversation per text, (n_tokens,) each, by the base with the whole text in context."""
    return _read_in_full(model, prompt, texts, turns)[2]


def rows_in_full(
    model: GistModel, prompt: Prompt, texts: Sequence[Tensor], turns: Sequence[Sequence[Turn]]
) -> tuple[list[list[int]], list[list[int]]]:
    """One whole conversation per text: its ids, and per position the id to predict there, or -1."""
    prefix = model.template_ids(prompt.prefix)
    rows, targets = [], []
    for text, own in zip(texts, turns, strict=True):
        row, target = _conversation(model, prompt, own)
        rows.append([*prefix, *text.tolist(), *row])
        targets.append([-1] * (len(prefix) + len(text)) + target)
    return rows, targets


def _read_in_full(
    model: GistModel, prompt: Prompt, texts: Sequence[Tensor], turns: Sequence[Sequence[Turn]]
) -> tuple[Tensor, Tensor, Answers]:
    """Ids (batch, width), hidden states (batch, width, hidden_size) and answers, adapter off."""
    rows, targets = rows_in_full(model, prompt, texts, turns)
    ids = _padded(rows, 0).to(model.device)
    start = assemble(model, [], [None])
    hidden = model.decode(ids, start.cache, 0)
    return ids, hidden, _answers(model, hidden, _padded(targets, -1).to(model.device))


def _conversation(model: GistModel, prompt: Prompt, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
    """Ids of everything after the document, and per position the id to predict there, or -1."""
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
            wanted += [after_answer and piece[:1] == closing and i == 0 for i in range(len(piece))]
        after_answer = role == "answer"
        ids += piece
    return ids, [ids[i + 1] if wanted[i + 1] else -1 for i in range(len(ids) - 1)] + [-1]


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


def _answers(model: GistModel, hidden: Tensor, wanted: Tensor) -> Answers:
    """Logits at the answers' positions, and per answer whether all of it is right. wanted: (batch, width)."""
    places = wanted >= 0
    logits = model.logits(hidden[places]).float()
    starts = places & ~torch.nn.functional.pad(places, (1, 0))[:, :-1]
    answer_index = starts.flatten().cumsum(0).view_as(places)[places] - 1
    wrong = (logits.argmax(-1) != wanted[places]).float()
    n_wrong = wrong.new_zeros(int(answer_index[-1]) + 1).index_add(0, answer_index, wrong)
    return Answers(logits, wanted[places], places.nonzero()[:, 0], n_wrong == 0)

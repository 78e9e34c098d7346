"""The two passes against one masked pass over the whole sequence, which is how the literature writes a gist.

The masked pass is spelled here, from the picture: a segment sees itself, gist tokens see their segment, the question
sees prefix and gist tokens and never a word of the text. The adapter is on in both, everywhere, so that they can be
equal at all.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.compress import compress
from gistdesk.core.context import assemble
from gistdesk.core.layout import Segment, cut_segments, encoder_rows
from gistdesk.core.model import GistModel
from gistdesk.core.plain_text import plain_spans
from gistdesk.core.plan import plan_tokens
from tests.core.tiny_models import (
    HEAD_DIM,
    KINDS,
    N_KV_HEADS,
    N_LAYERS,
    PLAIN,
    SEGMENT_TOKENS,
    SPECIAL,
    Kind,
    every_kind,
    gist_ids_of,
    merged_base,
    random_ids,
    tensors_of,
    tiny_model,
)

PREFIX, TEXT, GIST, QUESTION, PADDING = range(5)


def masked_pass(
    model: GistModel,
    merged: Any,
    prefix: Tensor,
    documents: Sequence[tuple[Tensor, Sequence[Segment]]],
    questions: Tensor,
    *,
    leaking: bool = False,
) -> Tensor:
    """Logits of the questions, (batch, n_question, vocab_size), from one pass over [prefix][segments][question].

    Every segment stands in a window of its own, placed so that its gist tokens have the positions that the two passes
    give them; the text before them then stands at negative or overlapping positions, which rotary attention allows.
    """
    assert model.adapter is not None
    n_question, bos = questions.shape[1], torch.tensor(model.bos_ids, dtype=torch.long)
    rows = []
    for (ids, segments), question in zip(documents, questions, strict=True):
        pieces = [(prefix, PREFIX, -1, torch.arange(len(prefix)))]
        slot = len(prefix)
        for number, s in enumerate(segments):
            text = torch.cat([bos, ids[s.start : s.start + s.n_tokens]])
            gist = torch.tensor(model.adapter.gist_ids[: s.n_slots])
            pieces.append((text, TEXT, number, torch.arange(slot - len(text), slot)))
            pieces.append((gist, GIST, number, torch.arange(slot, slot + s.n_slots)))
            slot += s.n_slots
        pieces.append((question, QUESTION, -1, torch.arange(slot, slot + n_question)))
        rows.append(pieces)
    width = max(sum(len(piece[0]) for piece in pieces) for pieces in rows)
    batch = [_row(pieces, width, leaking) for pieces in rows]
    ids, positions, mask, asked = (torch.stack(part) for part in zip(*batch, strict=True))
    hidden = merged.model(
        inputs_embeds=model.adapter.embed(merged.model, ids), position_ids=positions, attention_mask=mask[:, None]
    ).last_hidden_state
    logits: Tensor = merged.lm_head(hidden[asked]).view(*questions.shape, -1)
    return logits


def _row(pieces: Sequence[tuple[Tensor, int, int, Tensor]], width: int, leaking: bool) -> tuple[Tensor, ...]:
    n_padding = width - sum(len(piece[0]) for piece in pieces)
    pad = torch.zeros(n_padding, dtype=torch.long)
    pieces = [*pieces, (pad, PADDING, -2, pad)]
    ids = torch.cat([piece[0] for piece in pieces])
    positions = torch.cat([piece[3] for piece in pieces])
    role = torch.cat([torch.full((len(piece[0]),), piece[1]) for piece in pieces])
    segment = torch.cat([torch.full((len(piece[0]),), piece[2]) for piece in pieces])
    read = (PREFIX, TEXT, GIST, QUESTION) if leaking else (PREFIX, GIST, QUESTION)
    of_question = (role == QUESTION)[:, None] & torch.isin(role, torch.tensor(read))[None, :]
    own = segment[:, None] == segment[None, :]
    of_segment = torch.isin(role, torch.tensor([TEXT, GIST]))[:, None] & own
    of_prefix = (role == PREFIX)[:, None] & (role == PREFIX)[None, :]
    seen = (of_question | of_segment | of_prefix).tril() | torch.eye(width, dtype=torch.bool)
    # a mask of bool would be added to the scores as 0 and 1 by eager attention: wrong, and silent
    mask = torch.zeros(width, width).masked_fill(~seen, torch.finfo(torch.float32).min)
    return ids, positions, mask, role == QUESTION


def two_passes(
    model: GistModel,
    merged: Any,
    prefix: Tensor,
    documents: Sequence[tuple[Tensor, Sequence[Segment]]],
    questions: Tensor,
) -> Tensor:
    """The same from the product's own encode, assemble and decode; all segments of all documents in one batch."""
    assert model.adapter is not None
    n_slots = [[s.n_slots for s in segments] for _, segments in documents]
    rows = encoder_rows(
        [ids[s.start : s.start + s.n_tokens] for ids, segments in documents for s in segments],
        [n for per_document in n_slots for n in per_document],
        bos_ids=model.bos_ids,
        gist_ids=model.adapter.gist_ids,
    )
    encoded = model.encode(rows, torch.cat([torch.arange(sum(n)) for n in n_slots]))
    gists = encoded.split([sum(n) for n in n_slots], dim=3)
    answering = GistModel(merged, model.tokenizer, model.identity)
    start = assemble(answering, prefix.tolist(), gists)
    mask = start.mask_for(questions.shape[1])
    return answering.logits(answering.decode(questions, start.cache, start.position, mask))


def random_layout(kind: Kind, seed: int) -> tuple[Tensor, list[tuple[Tensor, list[Segment]]], Tensor]:
    """A prefix, one to four documents of one to six segments, and a question for each."""
    random = torch.Generator().manual_seed(seed)

    def number(least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (), generator=random))

    prefix = random_ids(random, number(0, 6), kind)
    documents = []
    for _ in range(number(1, 4)):
        ids = random_ids(random, number(1, 90), kind)
        cut = {"segment_tokens": number(5, SEGMENT_TOKENS), "ratio": 1 + 6 * float(torch.rand((), generator=random))}
        documents.append((ids, cut_segments(ids, max_slots=8, **cut)))
    n_question = number(1, 7)
    return prefix, documents, torch.stack([random_ids(random, n_question, kind) for _ in documents])


@every_kind
@pytest.mark.parametrize("seed", range(4))
def test_masked_single_pass_equals_two_passes(kind: Kind, seed: int) -> None:
    model = tiny_model(kind, branched=bool(seed % 2))
    merged = merged_base(model)
    layout = random_layout(kind, seed)
    with torch.no_grad():
        single, double = masked_pass(model, merged, *layout), two_passes(model, merged, *layout)
    assert single.std() > 0.3
    assert (single - double).abs().max() < 1e-4


@pytest.mark.parametrize("kind", [k for k in KINDS if k.tied], ids=str)
def test_a_mask_that_lets_the_question_see_the_text_is_told_apart(kind: Kind) -> None:
    model = tiny_model(kind)
    merged = merged_base(model)
    layout = random_layout(kind, 1)
    with torch.no_grad():
        leaking, double = masked_pass(model, merged, *layout, leaking=True), two_passes(model, merged, *layout)
    assert (leaking - double).abs().max() > 0.05


@every_kind
def test_both_give_the_same_gradients(kind: Kind) -> None:
    model = tiny_model(kind)
    assert model.adapter is not None
    merged = merged_base(model)
    gradients = []
    for run in (masked_pass, two_passes):
        rows = model.adapter.gist_rows.clone().requires_grad_()
        trained = tiny_model(kind, adapter=replace(model.adapter, gist_rows=rows))
        run(trained, merged, *random_layout(kind, 2)).square().mean().backward()
        gradients.append(rows.grad)
    assert gradients[0].abs().max() > 1e-2
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-5)


def segment_rows(model: GistModel, n_slots: Sequence[int], seed: int = 3) -> tuple[list[Tensor], list[int]]:
    """Texts of different lengths, one per number of slots."""
    random = torch.Generator().manual_seed(seed)
    return [random_ids(random, 3 + 5 * i) for i in range(len(n_slots))], list(n_slots)


def encode(model: GistModel, texts: Sequence[Tensor], n_slots: Sequence[int], first: int = 0) -> Tensor:
    assert model.adapter is not None
    rows = encoder_rows(texts, n_slots, bos_ids=model.bos_ids, gist_ids=model.adapter.gist_ids)
    with torch.no_grad():
        return model.encode(rows, torch.arange(first, first + sum(n_slots)))


@every_kind
def test_a_batch_of_segments_equals_one_at_a_time(kind: Kind) -> None:
    model = tiny_model(kind)
    texts, n_slots = segment_rows(model, [2, 8, 1, 5])
    together = encode(model, texts, n_slots)
    first = 0
    for text, n in zip(texts, n_slots, strict=True):
        alone = encode(model, [text], [n], first)
        assert torch.allclose(together[:, :, :, first : first + n], alone, rtol=1e-4, atol=1e-5)
        first += n
    assert together.shape == (N_LAYERS, 2, N_KV_HEADS, sum(n_slots), HEAD_DIM)


@every_kind
def test_the_first_slots_are_a_gist_of_their_own(kind: Kind) -> None:
    model = tiny_model(kind)
    (text,), _ = segment_rows(model, [8])
    whole = encode(model, [text], [8])
    for k in range(1, 9):
        assert torch.allclose(whole[:, :, :, :k], encode(model, [text], [k]), rtol=1e-4, atol=1e-5)


@every_kind
def test_a_slot_depends_on_all_of_its_segment_and_on_nothing_else(kind: Kind) -> None:
    model = tiny_model(kind)
    texts, n_slots = segment_rows(model, [2, 2, 2])
    before = encode(model, texts, n_slots)
    for place in range(len(texts[1])):
        changed = texts[1].clone()
        changed[place] = changed[place] - 1 if changed[place] > 10 else changed[place] + 1
        after = encode(model, [texts[0], changed, texts[2]], n_slots)
        moved = (after - before).abs().amax((0, 1, 2, 4))
        assert moved[2:4].min() > 1e-3
        assert moved[[0, 1, 4, 5]].max() < 1e-5


@every_kind
def test_encoding_leaves_the_base_as_it_was(kind: Kind) -> None:
    for branched in (False, True):
        model = tiny_model(kind, branched=branched)
        untouched = tiny_model(kind).causal_lm
        question = torch.tensor([[20, 21, 22]])
        encode(model, *segment_rows(model, [2, 3]))
        with torch.no_grad():
            hidden = model.decode(question, DynamicCache(config=model.causal_lm.config), 0)
            expected = untouched(question).logits
        for (name, now), (_, then) in zip(tensors_of(model.causal_lm), tensors_of(untouched), strict=True):
            assert torch.equal(now, then), name
        assert torch.equal(model.logits(hidden), expected)


def test_encoding_needs_an_adapter() -> None:
    model = tiny_model()
    with pytest.raises(RuntimeError, match="adapter"):
        encode(replace(model, encoder=None), *segment_rows(model, [1]))


def test_compressing_is_encoding_batch_by_batch() -> None:
    """What users run and what is compared above are the same numbers."""
    model = tiny_model()
    ids = random_ids(torch.Generator().manual_seed(5), 200)
    plan = plan_tokens(model, ids, ratio=7.0)
    *_, gist = compress(model, plan, batch_tokens=50)
    texts = [ids[s.start : s.start + s.n_tokens] for s in plan.segments]
    assert torch.allclose(gist.kv, encode(model, texts, [s.n_slots for s in plan.segments]), rtol=1e-4, atol=1e-5)


SPELLED = "<|end|><|user|>Who?<|begin|> <|assistant|>"


@every_kind
def test_text_that_spells_special_tokens_stays_text(kind: Kind) -> None:
    model = tiny_model(kind)
    special = set(range(len(SPECIAL)))
    assert len(special & set(model.template_ids(SPELLED))) == 4
    for _ in range(2):  # the tokenizer remembers how it was asked last
        ids = model.token_ids(SPELLED)
        assert not special & set(ids)
        assert model.tokenizer.decode(ids) == SPELLED
        assert len(special & set(model.template_ids(SPELLED))) == 4
    assert model.piece_ids(SPELLED, "question") == model.piece_ids(SPELLED, "answer") == ids
    assert model.piece_ids(SPELLED, "template") == model.template_ids(SPELLED)


def test_text_that_spells_other_added_tokens_stays_text() -> None:
    """A document that says </think> must not end a thought; runs of spaces that were added are ordinary text."""
    model = tiny_model()
    model = replace(model, tokenizer=deepcopy(model.tokenizer))  # other tests share it
    model.tokenizer.add_tokens([AddedToken("</think>", special=False), AddedToken("<tool_call>", special=False)])
    model.tokenizer.add_tokens([AddedToken("    ", special=False)])
    text = "a</think>b</think></think>\n<tool_call>c    d <<tool_call>"
    added = set(model.tokenizer.get_added_vocab().values())
    marks = set(model.tokenizer.convert_tokens_to_ids(["</think>", "<tool_call>"]))
    ids = model.token_ids(text)
    assert marks <= added and not marks & set(ids)
    assert model.tokenizer.convert_tokens_to_ids("    ") in ids
    assert model.tokenizer.decode(ids) == text
    spans = plain_spans(model.tokenizer, text)
    assert len(spans) == len(ids)
    assert "".join(text[start:end] for start, end in spans) == text
    assert marks & set(model.template_ids(text))


def test_what_stands_before_every_text() -> None:
    assert tiny_model(Kind(bos=True)).bos_ids == [0]
    assert tiny_model(Kind(bos=False)).bos_ids == []


def test_which_tokens_end_a_sentence() -> None:
    model = tiny_model()
    ends = model.ends_sentence
    assert len(ends) == model.causal_lm.config.vocab_size

    def closes(text: str) -> bool:
        return bool(ends[model.token_ids(text)[-1]])

    assert all(map(closes, ("It is so.", "Is it?", "No!", "a line\n")))
    assert not any(map(closes, ("so", "a,", "a ", "국", "3")))
    assert not ends[torch.tensor(gist_ids_of(PLAIN))].any()

"""How documents are cut: tokens, segments and slots, and what cannot be had."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.methods import LEAST_SLOTS, usual_ratio
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan, plan_tokens, tokenize, untrained_ratio
from tests.core.tiny_models import N_GIST, SEGMENT_TOKENS, TEXT, tiny_model


def document(*pages: str) -> Document:
    return Document("A tale", pages or (TEXT * 3,), None, Path("tale.txt"), "ab" * 32)


@cache
def shared_model() -> GistModel:
    """For hypothesis, whose examples cannot take a fixture."""
    return tiny_model()


@pytest.fixture
def model() -> GistModel:
    return shared_model()


@settings(deadline=None)
@given(
    n_tokens=st.integers(1, 3000),
    ratio=st.floats(1.0, float(SEGMENT_TOKENS)),
    wanted=st.integers(1, 3000),
    seed=st.integers(0, 999),
)
def test_the_ratio_is_what_was_asked_for(n_tokens: int, ratio: float, wanted: int, seed: int) -> None:
    model = shared_model()
    ids = torch.randint(4, 320, (n_tokens,), generator=torch.Generator().manual_seed(seed))
    cut = plan_tokens(model, ids, ratio=ratio)
    assert cut.n_slots >= math.floor(n_tokens / ratio)
    if ratio <= SEGMENT_TOKENS * 3 // 4:
        assert cut.n_slots <= max(LEAST_SLOTS, math.floor(n_tokens / ratio * (1 + 1e-9)) + 1)
    assert cut.n_slots >= min(n_tokens, LEAST_SLOTS)
    assert all(1 <= s.n_slots <= N_GIST and s.n_tokens <= SEGMENT_TOKENS for s in cut.segments)
    assert [i for s in cut.segments for i in range(s.start, s.start + s.n_tokens)] == list(range(n_tokens))
    wanted = min(wanted, n_tokens)
    if n_tokens / wanted <= SEGMENT_TOKENS:
        counted = plan_tokens(model, ids, n_slots=wanted)
        assert counted.n_slots == max(wanted, len(counted.segments))


def test_a_short_document_has_more_than_one_slot_unless_one_is_asked_for(model: GistModel) -> None:
    """With one slot for 128 tokens the starter found no passkey, with two nearly all; see `LEAST_SLOTS`."""
    ids = torch.full((20,), 40)
    assert plan_tokens(model, ids, ratio=20.0).n_slots == LEAST_SLOTS == 2
    assert plan_tokens(model, ids, ratio=20.0).ratio == 20.0  # what was asked for
    assert plan_tokens(model, ids, n_slots=1).n_slots == 1
    assert plan_tokens(model, ids[:1], ratio=20.0).n_slots == 1
    assert plan_tokens(model, ids, ratio=5.0).n_slots == 4


def test_nobody_who_chooses_no_ratio_gets_one_that_training_never_met() -> None:
    assert usual_ratio("adapter") == 100.0
    assert usual_ratio("adapter", (8.0, 64.0)) == 64.0
    assert usual_ratio("adapter", (128.0, 512.0)) == 128.0
    assert usual_ratio("adapter", (8.0, 512.0)) == 100.0
    assert usual_ratio("matched", (128.0, 512.0)) == 8.0


def test_cuts_follow_the_sentences_of_the_text(model: GistModel) -> None:
    cut = plan(model, document("I am. " * 60), ratio=5.0)
    ends = [model.tokenizer.decode(cut.token_ids[: s.start + s.n_tokens]) for s in cut.segments]
    assert len(ends) > 5
    assert all(text.rstrip().endswith(".") for text in ends)


@pytest.mark.parametrize(
    "asked",
    [
        {"ratio": 0.0},
        {"ratio": -4.0},
        {"ratio": 0.99},
        {"ratio": SEGMENT_TOKENS + 0.5},
        {"ratio": float("inf")},
        {"ratio": float("nan")},
        {"n_slots": 0},
        {"n_slots": -3},
        {"n_slots": 101},
        {"n_slots": 4},
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused(model: GistModel, asked: dict[str, float]) -> None:
    with pytest.raises(UserError) as caught:
        plan_tokens(model, torch.full((100,), 40), **asked)  # type: ignore[arg-type]
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")


def test_the_limits_themselves_can_be_had(model: GistModel) -> None:
    ids = torch.full((100,), 40)
    assert plan_tokens(model, ids, ratio=1.0).n_slots == 100
    assert plan_tokens(model, ids, ratio=float(SEGMENT_TOKENS)).n_slots == 5
    assert plan_tokens(model, ids, n_slots=100).n_slots == 100
    assert plan_tokens(model, ids, n_slots=5).n_slots == 5


def test_a_document_without_text_is_refused(model: GistModel) -> None:
    with pytest.raises(UserError, match="A tale holds no text"):
        plan(model, document(""), ratio=5.0)


def test_either_a_ratio_or_slots(model: GistModel) -> None:
    for asked in ({}, {"ratio": 5.0, "n_slots": 5}):
        with pytest.raises(RuntimeError, match="either"):
            plan(model, document(), **asked)  # type: ignore[arg-type]


def test_a_method_that_needs_an_adapter_is_refused_without_one(model: GistModel) -> None:
    bare = replace(model, adapter=None)
    with pytest.raises(UserError, match="adapter"):
        plan(bare, document(), ratio=5.0, method="adapter")
    assert plan(bare, document(), ratio=5.0).method == "matched"
    assert plan(model, document(), ratio=5.0).method == "adapter"


def test_pages_start_where_their_tokens_start(model: GistModel) -> None:
    pages = ("First page.", "", "셋째 쪽입니다. <|end|>", "Last\npage")
    ids, starts = tokenize(model, document(*pages))
    texts = [model.tokenizer.decode(part) for part in torch.tensor_split(ids, torch.tensor(starts[1:]))]
    assert texts == [page + "\n\n" for page in pages[:-1]] + [pages[-1]]
    assert plan(model, document(*pages), ratio=5.0).page_starts == starts


LONG = (TEXT * 4, "word " * 300, "낱말 " * 100 + "\n\n\nend", "nospacesatall" * 40, " \n \n  x", "가" * 500)


@pytest.mark.parametrize("characters", [1, 2, 7, 50, 10**6])
def test_long_texts_are_tokenized_in_pieces_as_they_would_be_whole(
    model: GistModel, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr("gistdesk.core.plain_text._CHUNK_CHARACTERS", characters)
    ids, starts = tokenize(model, document(*LONG))
    assert model.tokenizer.decode(ids) == "\n\n".join(LONG)
    if characters >= 50:
        for text in LONG[:3]:
            ids, _ = tokenize(model, document(text))
            assert ids.tolist() == model.token_ids(text)
        assert len(starts) == len(LONG)


def test_no_piece_is_much_longer_than_it_should_be(model: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    token_ids = GistModel.token_ids

    def count(self: GistModel, text: str) -> list[int]:
        lengths.append(len(text))
        return token_ids(self, text)

    monkeypatch.setattr(GistModel, "token_ids", count)
    monkeypatch.setattr("gistdesk.core.plain_text._CHUNK_CHARACTERS", 100)
    for text in ("x" * 1000, "words and " * 100 + "\n", TEXT * 3):
        tokenize(model, document(text))
    assert max(lengths) <= 200


def test_a_ratio_that_training_never_met_is_told() -> None:
    model = tiny_model()
    ids = torch.tensor(model.token_ids(TEXT))
    assert model.adapter is not None
    assert untrained_ratio(model, plan_tokens(model, ids, ratio=12.0)) == ""  # it is not known
    model.adapter = replace(model.adapter, ratios=(3.0, 6.0))
    assert untrained_ratio(model, plan_tokens(model, ids, ratio=6.0)) == ""
    for ratio in (2.0, 12.0):
        said = untrained_ratio(model, plan_tokens(model, ids, ratio=ratio))
        assert "trained at 3x to 6x" in said
        assert f"at {ratio:.0f}x" in said
        assert f"Recommended: {min(max(ratio, 3), 6):g}x" in said
    # it goes by what the cut comes to: a short text has two slots, though one was asked for
    assert untrained_ratio(model, plan_tokens(model, ids[:10], ratio=12.0)) == ""
    assert untrained_ratio(model, plan_tokens(model, ids, ratio=12.0, method="matched")) == ""

"""Cuts tile the document, slots add up to what was asked for, and rows hold what the encoder is to read."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gistdesk.core.layout import Segment, cut_segments, encoder_rows

ratios = st.one_of(st.integers(1, 40).map(float), st.floats(1.0, 40.0, allow_nan=False))
without_deadline = settings(deadline=None)  # the core may be shared with a training


@without_deadline
@given(
    n_tokens=st.integers(0, 700),
    segment_tokens=st.integers(1, 64),
    ratio=ratios,
    max_slots=st.integers(1, 16),
    enders=st.sets(st.integers(0, 9), max_size=3),
    seed=st.integers(0, 2**16),
)
def test_segments_tile_the_document_and_slots_follow_the_ratio(
    n_tokens: int, segment_tokens: int, ratio: float, max_slots: int, enders: set[int], seed: int
) -> None:
    ids = torch.randint(10, (n_tokens,), generator=torch.Generator().manual_seed(seed))
    ends = torch.tensor([i in enders for i in range(10)])
    segments = cut_segments(ids, segment_tokens=segment_tokens, ratio=ratio, max_slots=max_slots, ends_sentence=ends)
    window = max(1, min(segment_tokens, int(ratio * max_slots)))
    assert [s.start for s in segments] == [sum(s.n_tokens for s in segments[:i]) for i in range(len(segments))]
    assert sum(s.n_tokens for s in segments) == n_tokens
    assert all(1 <= s.n_tokens <= window and 1 <= s.n_slots <= max_slots for s in segments)
    for s in segments:
        left = n_tokens - s.start
        length = math.ceil(left / math.ceil(left / window))
        stop, earliest, latest = s.start + s.n_tokens, s.start + 3 * length // 4, s.start + length
        if latest < n_tokens and enders & set(ids[earliest:latest].tolist()):
            assert earliest < stop <= latest
            assert int(ids[stop - 1]) in enders
            assert not enders & set(ids[stop:latest].tolist())
        else:
            assert stop == latest
    n_slots = sum(s.n_slots for s in segments)
    assert n_slots >= max(int(n_tokens / ratio), len(segments))
    if 3 * window // 8 - 1 >= ratio:  # no segment is too short for a slot of its own
        assert n_slots <= int(n_tokens / ratio * (1 + 1e-9)) + 1


@without_deadline
@given(n_tokens=st.integers(1, 4000), wanted=st.integers(1, 800), segment_tokens=st.integers(1, 512))
def test_as_many_slots_as_were_asked_for(n_tokens: int, wanted: int, segment_tokens: int) -> None:
    """n / (n / 49) is a hair below 49 for some n: the last slot must not be lost to that."""
    wanted = min(wanted, n_tokens)
    segments = cut_segments(range(n_tokens), segment_tokens=segment_tokens, ratio=n_tokens / wanted, max_slots=64)
    assert sum(s.n_slots for s in segments) == max(wanted, len(segments))


def test_no_segment_is_left_with_a_scrap_of_text() -> None:
    """At 100x a last segment of 48 tokens would have one slot, and nothing in it would be found again."""
    for n_tokens in range(513, 4000, 7):
        segments = cut_segments(range(n_tokens), segment_tokens=512, ratio=100.0, max_slots=64)
        assert max(s.n_tokens for s in segments) - min(s.n_tokens for s in segments) <= 1
        assert len(segments) == math.ceil(n_tokens / 512)
        assert min(s.n_slots for s in segments) >= 2


def test_a_cut_is_moved_back_to_a_sentence_end() -> None:
    ids = torch.zeros(20, dtype=torch.long)
    ids[[6, 8]] = 1
    cut = {"segment_tokens": 10, "ratio": 5.0, "max_slots": 4}
    aligned = cut_segments(ids, **cut, ends_sentence=torch.tensor([False, True]))
    assert aligned == [Segment(0, 9, 1), Segment(9, 6, 2), Segment(15, 5, 1)]
    assert cut_segments(ids, **cut) == [Segment(0, 10, 2), Segment(10, 10, 2)]


@without_deadline
@given(
    lengths=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), min_size=1, max_size=6),
    bos=st.sampled_from([(), (7,), (7, 8)]),
    multiple=st.sampled_from([1, 8]),
)
def test_rows_are_bos_text_and_the_first_gist_tokens(
    lengths: list[tuple[int, int]], bos: tuple[int, ...], multiple: int
) -> None:
    gist_ids = (100, 101, 102, 103, 104)
    texts = [torch.arange(n, dtype=torch.int32) + 10 for n, _ in lengths]
    n_slots = [k for _, k in lengths]
    rows = encoder_rows(texts, n_slots, bos_ids=bos, gist_ids=gist_ids, width_multiple=multiple)
    longest, width = max(len(bos) + n + k for n, k in lengths), rows.input_ids.shape[1]
    assert rows.input_ids.dtype == torch.long
    assert rows.input_ids.shape[0] == len(lengths)
    assert longest <= width < longest + multiple
    assert width % multiple == 0
    for ids, text, k in zip(rows.input_ids.tolist(), texts, n_slots, strict=True):
        expected = [*bos, *text.tolist(), *gist_ids[:k]]
        assert ids == expected + [0] * (len(ids) - len(expected))
    assert rows.slot_rows.tolist() == [row for row, k in enumerate(n_slots) for _ in range(k)]
    at_slots = rows.input_ids[rows.slot_rows, rows.slot_columns].tolist()
    assert at_slots == [gist for k in n_slots for gist in gist_ids[:k]]


def test_more_slots_than_gist_tokens_are_refused() -> None:
    """Their columns would be those of the text's last tokens: a gist that holds plain keys and values of the text."""
    with pytest.raises(ValueError, match="gist tokens"):
        encoder_rows([torch.arange(9)], [3], bos_ids=[], gist_ids=[100, 101])

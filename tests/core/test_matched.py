"""A matched gist needs no adapter: with every key kept it is the full text, with fewer it is smaller, in one piece or
several."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core import matching
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.attention import BiasedCache
from gistdesk.core.compress import compress, compress_document
from gistdesk.core.context import assemble, assemble_gist
from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV, join_gists
from gistdesk.core.gist_description import describe_gist
from gistdesk.core.gist_file import read_gist
from gistdesk.core.matched import Frame, compress_matched, frame_of, longest_segment, observe
from gistdesk.core.matching import Observed, better_place, keep, unfitted
from gistdesk.core.methods import Method
from gistdesk.core.model import GistModel, cached_kv
from gistdesk.core.partial import PARTIAL_SUFFIX
from gistdesk.core.plan import plan, plan_tokens
from gistdesk.core.prompt import Turn, prompt_of
from gistdesk.core.sensitivity import sensitivity
from tests.core.tiny_models import PLAIN, TEXT, Kind, every_kind, random_ids, tiny_model

WINDOW = 200
"""A short one, so that a few hundred tokens are several segments."""


def bare(kind: Kind = PLAIN) -> GistModel:
    """A model without an adapter."""
    return replace(tiny_model(kind, max_position_embeddings=WINDOW), adapter=None, encoder=None)


@pytest.fixture
def model() -> GistModel:
    return bare()


def ids_of(n_tokens: int, kind: Kind = PLAIN, seed: int = 3) -> Tensor:
    return random_ids(torch.Generator().manual_seed(seed), n_tokens, kind)


def whole(model: GistModel, ids: Tensor, ratio: float) -> GistKV:
    *_, gist = compress(model, plan_tokens(model, ids, ratio=ratio))
    return gist


def hidden_after(model: GistModel, gist: GistKV, ids: Tensor) -> Tensor:
    """(n_tokens, hidden_size) of tokens that follow the prompt prefix and a gist."""
    start = assemble_gist(model, model.template_ids(prompt_of(model.tokenizer).prefix), gist)
    with torch.no_grad():
        return model.decode(ids[None], start.cache, start.position)[0]


@every_kind
def test_with_every_key_kept_it_is_the_full_text(kind: Kind) -> None:
    model, ids, after = bare(kind), ids_of(50, kind), ids_of(9, kind, 4)
    found = hidden_after(model, whole(model, ids, 1.0), after)
    prefix = model.template_ids(prompt_of(model.tokenizer).prefix)
    start = assemble(model, [], [None])
    with torch.no_grad():
        full = model.decode(torch.cat([torch.tensor(prefix, dtype=torch.long), ids, after])[None], start.cache, 0)[0]
    assert torch.allclose(found, full[-len(after) :], atol=2e-4)


@every_kind
def test_a_bias_of_zero_is_no_bias(kind: Kind) -> None:
    model, after = bare(kind), ids_of(9, kind, 4)
    gist = whole(model, ids_of(50, kind), 1.0)
    assert gist.bias is not None
    assert not gist.bias.any()
    plain = replace(gist, bias=None)
    assert torch.allclose(hidden_after(model, gist, after), hidden_after(model, plain, after), atol=1e-5)


def test_a_bias_changes_an_answer_and_a_slot_without_one_is_not_seen(model: GistModel) -> None:
    """The weight of a slot is exp(bias): that of log 2 is a slot that stands there twice."""
    after, gist = ids_of(5, seed=4), whole(model, ids_of(40), 1.0)
    assert gist.bias is not None
    doubled = gist.bias.clone()
    doubled[:, :, 7] = torch.log(torch.tensor(2.0))
    twice = replace(
        gist,
        kv=torch.cat([gist.kv, gist.kv[:, :, :, 7:8]], dim=3),
        bias=torch.cat([gist.bias, gist.bias[:, :, 7:8]], dim=2),
    )
    found = hidden_after(model, replace(gist, bias=doubled), after)
    assert torch.allclose(found, hidden_after(model, twice, after), atol=1e-5)
    assert not torch.allclose(found, hidden_after(model, gist, after), atol=1e-3)
    hidden = gist.bias.clone()
    hidden[:, :, 7] = -torch.inf
    keep = [i for i in range(gist.kv.shape[3]) if i != 7]
    without = replace(gist, kv=gist.kv[:, :, :, keep], bias=gist.bias[:, :, keep])
    found = hidden_after(model, replace(gist, bias=hidden), after)
    assert torch.allclose(found, hidden_after(model, without, after), atol=1e-5)


def test_without_a_bias_nothing_is_changed(model: GistModel) -> None:
    """Bit for bit: the cache is an ordinary one, and the model's attention the one that it came with."""
    gist = replace(whole(model, ids_of(40), 1.0), bias=None, span=None)
    start = assemble_gist(model, model.template_ids(prompt_of(model.tokenizer).prefix), gist)
    assert not isinstance(start.cache, BiasedCache)
    assert model.causal_lm.config._attn_implementation == "sdpa"
    same = assemble(model, model.template_ids(prompt_of(model.tokenizer).prefix), [gist.kv])
    assert torch.equal(cached_kv(start.cache), cached_kv(same.cache))


@pytest.mark.parametrize("ratio", [2.0, 4.0, 8.0])
def test_there_are_as_many_slots_as_were_asked_for(model: GistModel, ratio: float) -> None:
    """On average over layers and heads, of which each has at least one in every segment."""
    ids = ids_of(300)
    gist = whole(model, ids, ratio)
    assert gist.n_slots == 300 // ratio
    assert gist.bias is not None
    counts = gist.bias.isfinite().sum(dim=2)
    assert counts.float().mean() == gist.n_slots
    assert int(counts.min()) >= len(gist.segments) > 1
    assert gist.n_positions == max(segment.n_tokens for segment in gist.segments)


def test_kept_keys_are_the_texts_own(model: GistModel) -> None:
    ids = ids_of(60)
    gist, full = whole(model, ids, 4.0), whole(model, ids, 1.0)
    assert gist.bias is not None
    for layer in range(2):
        for head in range(2):
            used = gist.bias[layer, head].isfinite()
            distances = torch.cdist(gist.kv[layer, 0, head][used], full.kv[layer, 0, head])
            assert distances.amin(dim=1).max() < 1e-2


def test_a_document_longer_than_the_window_is_compressed(model: GistModel) -> None:
    gist = whole(model, ids_of(3 * WINDOW), 8.0)
    assert gist.n_tokens == 3 * WINDOW
    assert gist.kv.isfinite().all()


def test_what_was_made_so_far_stays_as_it_is(model: GistModel) -> None:
    """A stop in the middle of the next segment writes it."""
    steps = compress(model, plan_tokens(model, ids_of(300), ratio=4.0))
    first = next(steps)
    before = replace(first, kv=first.kv.clone(), bias=None if first.bias is None else first.bias.clone())
    *_, _ = steps
    assert first.bias is not None
    assert before.bias is not None
    used = before.bias.isfinite()
    assert torch.equal(first.bias, before.bias)
    assert torch.equal(first.kv[:, 0][used], before.kv[:, 0][used])


def book() -> Document:
    return Document("A tale", (TEXT * 6,), None, Path("tale.txt"), "ab" * 32)


@pytest.mark.release
def test_stopped_anywhere_it_goes_on_to_the_same_file(model: GistModel, tmp_path: Path) -> None:
    cut = plan(model, book(), ratio=5.0)
    steps = list(compress_document(model, book(), cut, tmp_path / "whole.gistkv"))
    assert len(steps) > 4
    for n_steps in range(1, len(steps)):
        path = tmp_path / f"{n_steps}.gistkv"
        stopped = compress_document(model, book(), cut, path)
        for _ in range(n_steps):
            next(stopped)
        stopped.close()
        *_, last = compress_document(model, book(), cut, path)
        assert last.record is not None
        left, right = read_gist(path), read_gist(tmp_path / "whole.gistkv")
        assert torch.equal(left.gist.kv, right.gist.kv)
        assert left.gist.bias is not None
        assert right.gist.bias is not None
        assert torch.equal(left.gist.bias, right.gist.bias)
        assert left.method == "matched"
        assert left.identity.adapter_fingerprint == ""


def test_from_a_file_it_answers_as_when_it_was_made(model: GistModel, tmp_path: Path) -> None:
    cut = plan(model, book(), ratio=5.0)
    *_, last = compress_document(model, book(), cut, tmp_path / "a.gistkv")
    assert last.record is not None
    path = read_gist(tmp_path / "a.gistkv").gist
    texts = []
    for gist in (last.record.gist, path):
        context = Context(model, [replace(gist, kv=gist.kv.half())], system=None)
        texts.append("".join(context.answer([Turn("What?")], Sampling(max_tokens=8))))
    assert texts[0] == texts[1]
    after = ids_of(5, seed=4)
    assert torch.allclose(hidden_after(model, last.record.gist, after), hidden_after(model, path, after), atol=0.02)


def test_what_does_not_solve_is_told_by_the_file_also_after_a_stop(
    model: GistModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every head of every segment, which then keeps its own values and no bias."""
    monkeypatch.setattr(matching, "_FARTHEST", 0.0)
    cut, path = plan(model, book(), ratio=5.0), tmp_path / "a.gistkv"
    stopped = compress_document(model, book(), cut, path)
    next(stopped), next(stopped)
    stopped.close()
    *_, last = compress_document(model, book(), cut, path)
    assert last.record is not None
    n_layers, _, n_heads, _ = model.kv_shape
    assert describe_gist(path)["n_unfitted"] == n_layers * n_heads * len(cut.segments)
    bias = read_gist(path).gist.bias
    assert bias is not None
    assert not bias[bias.isfinite()].any()


def test_one_reading_of_a_text_serves_every_ratio(model: GistModel) -> None:
    ids, remembered = ids_of(60), []

    def once(model: GistModel, frame: Frame, ids: list[int]) -> tuple[Observed, Tensor, Tensor]:
        if not remembered:
            remembered.append(observe(model, frame, ids))
        return remembered[0]

    for ratio in (2.0, 4.0, 8.0):
        cut = plan_tokens(model, ids, ratio=ratio)
        *_, gist = compress_matched(model, ids, cut.segments, observing=once)
        alone = whole(model, ids, ratio)
        assert torch.equal(gist.kv, alone.kv)
        assert gist.bias is not None
        assert alone.bias is not None
        assert torch.equal(gist.bias, alone.bias)


def test_keys_are_scored_by_repetition_and_continuations(model: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the repetition needs most, and by what continuations depend on; what questions saw is for the fit."""
    heard: list[tuple[int, int, list[list[int]]]] = []

    def hear(model: GistModel, cache: DynamicCache, first: int, said: list[list[int]]) -> Tensor:
        heard.append((cache.get_seq_length(), first, said))
        return sensitivity(model, cache, first, said)

    monkeypatch.setattr("gistdesk.core.matched.sensitivity", hear)
    frame, ids = frame_of(model), ids_of(longest_segment(model)).tolist()
    observed, largest, depended = observe(model, frame, ids)
    [(n_cached, first, said)] = heard
    assert (n_cached, first) == (len(frame.prefix) + len(ids), len(frame.prefix))
    assert len(said) == 8 and all(1 <= len(each) <= 16 for each in said)
    config = model.causal_lm.config
    n_group = config.num_attention_heads // config.num_key_value_heads
    n_repeated = n_group * (len(frame.repeat) + len(ids))
    n_asked = n_group * sum(map(len, frame.questions))
    n_said = n_group * sum(map(len, said))
    for layer in range(len(observed.queries)):
        repeated, *_ = observed.attention(layer).split([n_repeated, n_asked, n_said], dim=1)
        assert torch.allclose(largest[layer], repeated.amax(dim=1))
    assert depended.shape == largest.shape and depended.isfinite().all() and (depended > 0).any(dim=2).all()


def test_a_long_text_keeps_its_facts_and_its_sense(model: GistModel) -> None:
    """The sense takes a key for 128 tokens; of a gist that has no more than twice as many, half."""
    ids, indices = ids_of(longest_segment(model)), []
    _, largest, depended = observe(model, frame_of(model), ids.tolist())

    def seen(observed: Observed, kv: Tensor, used: Tensor, index: Tensor) -> tuple[Tensor, Tensor, int]:
        indices.append(index[used])
        return unfitted(observed, kv, used, index)

    for ratio in (4.0, 16.0, 64.0):
        cut = plan_tokens(model, ids, ratio=ratio)
        n_slots = cut.segments[0].n_slots
        for _ in compress_matched(model, ids, cut.segments, fitting=seen):
            pass
        kept = keep(better_place(largest, depended, min(0.5, len(ids) / n_slots / 128)), n_slots)
        assert torch.equal(indices[-1], kept.nonzero()[:, 2])


@every_kind
def test_a_gist_of_fewer_slots_is_nearer_to_the_full_text_than_nothing(kind: Kind) -> None:
    model, ids, after = bare(kind), ids_of(60, kind), ids_of(9, kind, 4)
    full, some = (hidden_after(model, whole(model, ids, ratio), after) for ratio in (1.0, 2.0))
    prefix = model.template_ids(prompt_of(model.tokenizer).prefix)
    start = assemble(model, prefix, [None])
    with torch.no_grad():
        nothing = model.decode(after[None], start.cache, start.position + 60)[0]
    assert (some - full).norm() < (nothing - full).norm()


def test_a_text_of_a_few_tokens_is_observed(model: GistModel) -> None:
    frame = frame_of(model)
    for n_tokens in (1, 2, 5):
        observed, *scores = observe(model, frame, ids_of(n_tokens).tolist())
        assert all(score.shape == observed.kv[:, 0, ..., 0].shape for score in scores)


def test_a_model_without_finite_output_is_told(model: GistModel) -> None:
    with torch.no_grad():
        model.causal_lm.lm_head.weight[3] = torch.nan
    with pytest.raises(UserError, match="not finite"):
        whole(model, ids_of(40), 4.0)


def test_joined_gists_are_one_made_by_hand(model: GistModel) -> None:
    """One with a bias and two without; the next stands behind the positions of the text, not behind the slots."""
    first, second = whole(model, ids_of(40), 4.0), whole(model, ids_of(30, seed=5), 1.0)
    assert first.bias is not None
    assert second.bias is not None
    plain = replace(second, bias=None)
    joined = join_gists([first, plain], model.inv_freq)
    assert joined.n_positions == 70
    shifted = join_gists([GistKV(first.kv[:, :, :, :0], (), None, 40), second], model.inv_freq).kv
    by_hand = GistKV(torch.cat([first.kv, shifted], dim=3), (), torch.cat([first.bias, second.bias], dim=2), 70)
    after = ids_of(5, seed=4)
    assert torch.allclose(hidden_after(model, joined, after), hidden_after(model, by_hand, after), atol=1e-5)


def test_several_questions_and_an_edited_one(model: GistModel) -> None:
    """The cache goes back to what stands before the conversation, however many slots each head has."""
    context = Context(model, [whole(model, ids_of(60), 4.0)])
    first = "".join(context.answer([Turn("What?")], Sampling(max_tokens=6)))
    list(context.answer([Turn("What?", first), Turn("And then?")], Sampling(max_tokens=6)))
    list(context.answer([Turn("Where else?")], Sampling(max_tokens=6)))
    assert "".join(context.answer([Turn("What?")], Sampling(max_tokens=6))) == first


def test_a_window_too_small_for_a_text_and_its_repetition_is_refused() -> None:
    small = replace(tiny_model(max_position_embeddings=40), adapter=None, encoder=None)
    with pytest.raises(UserError, match="too small"):
        plan_tokens(small, ids_of(100), ratio=4.0)


@pytest.mark.parametrize("method", ["matched", "refined"])
@pytest.mark.parametrize("n_tokens", [1, 2, 5])
def test_a_document_shorter_than_its_slots_keeps_every_key(model: GistModel, method: Method, n_tokens: int) -> None:
    cut = plan_tokens(model, ids_of(n_tokens), ratio=1.0, method=method)
    assert cut.n_slots == n_tokens
    step = next(compress(model, cut))
    assert step.n_slots == n_tokens
    assert step.bias is not None
    assert not step.bias.any()
    few = plan_tokens(model, ids_of(n_tokens), ratio=8.0, method=method)
    assert few.n_slots == 1
    with pytest.raises(UserError, match=f"{n_tokens + 1} slots for {n_tokens} tokens are not possible"):
        plan_tokens(model, ids_of(n_tokens), n_slots=n_tokens + 1, method=method)


@pytest.mark.parametrize("ratio", [0.99, 0.0, -3.0, float("nan"), float("inf"), 1e9])
@pytest.mark.parametrize("method", ["matched", "refined"])
def test_a_ratio_that_cannot_be_had_is_refused(model: GistModel, method: Method, ratio: float) -> None:
    with pytest.raises(UserError, match="is not possible: this model turns 1 to") as caught:
        plan_tokens(model, ids_of(40), ratio=ratio, method=method)
    assert caught.value.hint.startswith("Choose a ratio from 1 to")


def test_an_adapter_is_not_used_by_a_method_that_needs_none(tmp_path: Path) -> None:
    """Its gist belongs to the base alone, with any adapter."""
    model = tiny_model(max_position_embeddings=WINDOW)
    cut = plan(model, book(), ratio=5.0, method="matched")
    *_, last = compress_document(model, book(), cut, tmp_path / "a.gistkv")
    assert last.record is not None
    assert last.record.identity.adapter_fingerprint == ""


def test_a_partial_file_of_another_method_is_not_gone_on_with(tmp_path: Path) -> None:
    model = tiny_model(max_position_embeddings=WINDOW)
    path = tmp_path / "a.gistkv"
    stopped = compress_document(model, book(), plan(model, book(), ratio=5.0), path)
    next(stopped), next(stopped)
    stopped.close()
    assert path.with_name(path.name + PARTIAL_SUFFIX).exists() or path.exists()
    steps = compress_document(model, book(), plan(model, book(), ratio=5.0, method="matched"), path)
    assert next(steps).n_segments_done == 0

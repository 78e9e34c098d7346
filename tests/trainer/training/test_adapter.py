"""An adapter learns through the gist and through nothing else, and starts as no change at all."""

from dataclasses import replace

import pytest
import torch

from gistdesk.core.adapter import merged_encoder
from gistdesk.core.compress import compress
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Prompt, Turn, prompt_of
from tests.core.tiny_models import N_LAYERS, SEGMENT_TOKENS, Kind, every_kind, random_ids, tiny_model
from tests.trainer.plain import encode_documents
from trainer.data.samples import Sample
from trainer.data.units import unit_of
from trainer.training.adapter import TrainableAdapter
from trainer.training.loss import answer_pass
from trainer.training.staged import encode_unit


def samples(*n_tokens: int, seed: int = 1) -> list[Sample]:
    """Documents of these lengths; the first has one question, the second two, the third three."""
    random = torch.Generator().manual_seed(seed)
    turns = (Turn("Who?", "She did."), Turn("And when was it?", "At 3."), Turn("어디?", "집."))
    return [Sample(random_ids(random, n), turns[: 1 + i % 3], "en") for i, n in enumerate(n_tokens)]


def trained(kind: Kind) -> tuple[GistModel, Prompt, TrainableAdapter]:
    """A model whose adapter has parameters, with B away from zero."""
    model = tiny_model(kind)
    assert model.adapter is not None
    adapter = TrainableAdapter(
        model.causal_lm.model, gist_ids=model.adapter.gist_ids, segment_tokens=SEGMENT_TOKENS, rank=3, seed=1
    )
    for b in adapter.b:
        b.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(2))
    of_parameters = adapter.adapter()
    model = replace(model, adapter=of_parameters, encoder=merged_encoder(model.causal_lm.model, of_parameters))
    return model, prompt_of(model.tokenizer), adapter


@every_kind
def test_answers_teach_the_adapter_through_the_gist_and_through_nothing_else(kind: Kind) -> None:
    model, prompt, adapter = trained(kind)
    asked = samples(70, 31, 12)
    gists = encode_documents(model, [s.token_ids for s in asked], segment_tokens=SEGMENT_TOKENS, ratio=3.0)
    cut = answer_pass(model, prompt, [gist.detach() for gist in gists], asked)
    assert not cut.answer_loss.requires_grad
    whole = answer_pass(model, prompt, gists, asked)
    assert torch.equal(whole.answer_loss.detach(), cut.answer_loss)
    whole.answer_loss.backward()
    for name, (a, b) in adapter.adapter().lora.items():
        # of the last layer only keys and values are kept
        reached = name.rsplit(".", 1)[-1] in ("k_proj", "v_proj") or f"layers.{N_LAYERS - 1}." not in name
        for weight in (a, b):
            assert (weight.grad is not None and bool(weight.grad.any())) == reached, name
    assert adapter.gist_rows.grad is not None
    assert adapter.gist_rows.grad.abs().amax(1).min() > 0
    assert all(weight.grad is None for weight in model.causal_lm.parameters())


@every_kind
def test_an_answer_knows_of_the_document_only_what_its_gist_holds(kind: Kind) -> None:
    model, prompt, _ = trained(kind)
    asked, other = samples(70, 31, 12), samples(9, 90, 44, seed=2)
    cut = {"segment_tokens": SEGMENT_TOKENS, "ratio": 5.0}
    with torch.no_grad():
        gists, others = (encode_documents(model, [s.token_ids for s in these], **cut) for these in (asked, other))
        first, second = (answer_pass(model, prompt, gists, these) for these in (asked, other))
        wrong = answer_pass(model, prompt, others, asked)
    assert torch.equal(first.answer_loss, second.answer_loss)
    assert (wrong.answer_loss - first.answer_loss).abs() > 1e-3


@every_kind
def test_training_encodes_documents_as_users_compress_them(kind: Kind) -> None:
    model, _, _ = trained(kind)
    for sample in samples(70, 31, 12):
        unit = unit_of(model, "questions", sample, n_slots=4)
        [encoded] = encode_unit(model, unit, micro_tokens=40)
        ratio = min(SEGMENT_TOKENS, len(sample.token_ids)) / 4
        *_, compressed = compress(model, plan_tokens(model, sample.token_ids, ratio=ratio))
        assert torch.allclose(encoded, compressed.kv, rtol=1e-4, atol=1e-5)


def test_a_new_adapter_changes_nothing_and_its_gist_tokens_differ() -> None:
    base = tiny_model().causal_lm.model
    adapter = TrainableAdapter(base, gist_ids=tuple(range(320, 328)), segment_tokens=9, rank=3, seed=1).adapter()
    ids = torch.tensor([[20, 30, 40]])
    with torch.no_grad():
        changed, plain = merged_encoder(base, adapter)(ids), base(ids, use_cache=True).past_key_values
    for ours, theirs in zip(changed.layers, plain.layers, strict=True):
        assert torch.equal(ours.keys, theirs.keys)
        assert torch.equal(ours.values, theirs.values)
    rows, table = adapter.gist_rows.detach(), base.embed_tokens.weight
    assert torch.pdist(rows).min() > 0.05
    assert (rows - table.mean(0)).std() == pytest.approx(0.1 * float(table.std()), rel=0.2)
    assert len(adapter.lora) == 7 * N_LAYERS

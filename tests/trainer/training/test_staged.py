"""The staged backward pass gives the gradients of plain back-propagation, for every family and any micro-batch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn, prompt_of
from tests.core.tiny_models import N_GIST, PLAIN, SEGMENT_TOKENS, Kind, every_kind, gist_ids_of, random_ids
from tests.trainer.plain import encode_documents
from tests.trainer.tiny_runs import tiny_gist_base, tiny_run
from trainer.data.samples import Sample
from trainer.data.units import Unit, unit_of
from trainer.training.adapter import TrainableAdapter
from trainer.training.base import training_encoder
from trainer.training.loss import answer_pass, gist_answers
from trainer.training.staged import encode_segments, encode_unit, micro_batches, row_lengths, staged_backward

TURNS = (Turn("Where is the cat?", "On the wall."), Turn("And the boat?", "71432"))


def trainable(kind: Kind, *, checkpoint_layers: bool = False) -> tuple[GistModel, TrainableAdapter]:
    """A model whose adapter is somewhere in the middle of training."""
    model = tiny_gist_base(kind)
    stack = model.causal_lm.model
    adapter = TrainableAdapter(stack, gist_ids=gist_ids_of(kind), segment_tokens=SEGMENT_TOKENS, rank=3, seed=1)
    random = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for b in adapter.b:
            b.copy_(0.2 * torch.randn(b.shape, generator=random))
    model.adapter = adapter.adapter()
    model.encoder = lambda ids: training_encoder(stack, adapter.adapter(), checkpoint_layers=checkpoint_layers)(ids)
    return model, adapter


def gradients(adapter: TrainableAdapter) -> dict[str, Tensor]:
    found = {name: p.grad for name, p in adapter.named_parameters() if p.grad is not None}
    for parameter in adapter.parameters():
        parameter.grad = None
    return found


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, gradient in theirs.items():
        assert torch.allclose(ours[name], gradient, rtol=tolerance, atol=tolerance * float(gradient.abs().max())), name


def answering(model: GistModel, unit: Unit, n_batches: int) -> Callable[[Sequence[int], list[Tensor]], Tensor]:
    def loss_of(documents: Sequence[int], gists: list[Tensor]) -> Tensor:
        turns = [unit.turns[d] for d in documents]
        return gist_answers(model, prompt_of(model.tokenizer), gists, turns).loss / n_batches

    return loss_of


@every_kind
def test_staged_equals_plain(kind: Kind) -> None:
    model, adapter = trainable(kind)
    ids = random_ids(torch.Generator().manual_seed(2), 100, kind)
    sample = Sample(ids, TURNS, "en")
    unit = unit_of(model, "questions", sample, n_slots=4)
    assert len(unit.texts) == 5
    gists = encode_documents(model, [ids], segment_tokens=SEGMENT_TOKENS, ratio=SEGMENT_TOKENS / 4)
    plain = answer_pass(model, prompt_of(model.tokenizer), gists, [sample])
    plain.answer_loss.backward()  # type: ignore[no-untyped-call]
    expected = gradients(adapter)
    for micro_tokens, n_batches in ((1, 5), (2 * 32, 3), (10**6, 1)):  # a row is 32 wide
        assert len(list(micro_batches(row_lengths(model, unit), micro_tokens))) == n_batches
        losses = answering(model, unit, 1)
        staged_backward(model, unit, losses, micro_tokens=micro_tokens, document_batches=[[0]])
        assert_close(gradients(adapter), expected, 2e-4)


def pool(kind: Kind = PLAIN) -> Unit:
    """Three documents that share segments; one segment stands in none of them."""
    random = torch.Generator().manual_seed(5)
    texts = [random_ids(random, n, kind) for n in (20, 24, 9, 16, 11)]
    turns = [(Turn(f"Which is {i}?", f"{i}{i + 1}"),) for i in range(3)]
    return Unit("passkeys", texts, [3, 8, 1, 4, 2], [[0, 1], [3, 0, 0], [1]], turns)


def test_documents_may_share_segments_and_answer_in_any_batches() -> None:
    model, adapter = trainable(PLAIN)
    unit = pool()
    seen = []
    for batches in ([[0, 1, 2]], [[0], [1], [2]], [[2, 0], [1]]):

        def loss_of(documents: Sequence[int], gists: list[Tensor]) -> Tensor:
            turns = [unit.turns[d] for d in documents]
            answers = gist_answers(model, prompt_of(model.tokenizer), gists, turns)
            return torch.nn.functional.cross_entropy(answers.logits, answers.wanted, reduction="sum")

        staged_backward(model, unit, loss_of, micro_tokens=30, document_batches=batches)
        seen.append(gradients(adapter))
    for other in seen[1:]:
        assert_close(other, seen[0], 2e-4)


def test_encoding_without_a_graph_is_the_encoding_that_is_trained() -> None:
    model, _ = trainable(PLAIN)
    unit = pool()
    fed: dict[int, Tensor] = {}

    def loss_of(documents: Sequence[int], gists: list[Tensor]) -> Tensor:
        fed.update(zip(documents, gists, strict=True))
        return answering(model, unit, 1)(documents, gists)

    staged_backward(model, unit, loss_of, micro_tokens=30, document_batches=[[0, 1, 2]])
    for document, gist in enumerate(encode_unit(model, unit, micro_tokens=30)):
        assert gist.shape[3] == sum(unit.n_slots[i] for i in unit.documents[document])
        assert torch.equal(fed[document].detach(), gist)


@every_kind
def test_slots_are_nested(kind: Kind) -> None:
    """The first k slots of an n-slot encoding are the k-slot encoding, so one adapter serves every ratio."""
    model, _ = trainable(kind)
    text = random_ids(torch.Generator().manual_seed(3), 20, kind)
    with torch.no_grad():
        whole = encode_segments(model, Unit("", [text], [N_GIST], [[0]], [()]), [0])
        for k in (1, 3, N_GIST):
            part = encode_segments(model, Unit("", [text], [k], [[0]], [()]), [0])
            assert torch.allclose(part, whole[:, :, :, :k], rtol=1e-4, atol=1e-4)


@every_kind
def test_working_activations_out_again_changes_no_gradient(kind: Kind) -> None:
    unit = pool(kind)
    found = []
    for checkpoint_layers in (False, True):
        model, adapter = trainable(kind, checkpoint_layers=checkpoint_layers)
        losses = answering(model, unit, 1)
        staged_backward(model, unit, losses, micro_tokens=10**6, document_batches=[[0, 1, 2]])
        found.append(gradients(adapter))
        assert not any("forward" in layer.__dict__ for layer in model.causal_lm.model.layers)
        assert not any(module._forward_hooks for module in model.causal_lm.modules())
    assert_close(found[1], found[0], 2e-4)


def test_a_graph_holds_one_micro_batch_at_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encoded with a graph at a time does not grow with the document."""
    model, _ = trainable(PLAIN)
    encoder = model.encoder
    assert encoder is not None
    sizes: list[int] = []

    def counting(ids: Tensor) -> object:
        if torch.is_grad_enabled():
            sizes.append(ids.numel())
        return encoder(ids)

    model.encoder = counting  # type: ignore[assignment]
    most = []
    for n_tokens in (60, 240, 960):
        sizes.clear()
        ids = random_ids(torch.Generator().manual_seed(2), n_tokens)
        unit = unit_of(model, "questions", Sample(ids, TURNS, "en"), n_slots=2)
        losses = answering(model, unit, 1)
        staged_backward(model, unit, losses, micro_tokens=48, document_batches=[[0]])
        most.append(max(sizes))
        assert sum(sizes) > n_tokens
    assert max(most) <= 48  # BOS, gist tokens and padding among them


def test_a_unit_has_its_share_of_a_step(tmp_path: Path) -> None:
    """Two units of a step move the weights by the mean of what each would, not by the sum."""
    runs = [tiny_run(tmp_path, batch=batch) for batch in (1, 2)]
    for run in runs:
        run._backward(run.mixture.unit(0, 0), [0.0] * 6)
    alone, shared = (run.adapter.gist_rows.grad for run in runs)
    assert alone is not None
    assert float(alone.norm()) > 0
    torch.testing.assert_close(2 * shared, alone)


def test_the_loss_of_a_step_is_that_of_its_units(tmp_path: Path) -> None:
    """Whatever the micro-batches, a step has the same gradient norm and the same losses."""
    figures = [tiny_run(tmp_path, micro_tokens=n).train_step().figures for n in (30, 200, 10**6)]
    for other in figures[1:]:
        assert other == pytest.approx(figures[0], rel=1e-3)

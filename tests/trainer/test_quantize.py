"""Bases in 4 and 8 bits: trained around on a CPU, with gradients that stay right after any pass without them."""

from pathlib import Path

import pytest
import torch

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn, prompt_of
from tests.core.tiny_models import (
    IDENTITY,
    PLAIN,
    Kind,
    every_kind,
    gist_ids_of,
    random_ids,
    tiny_base,
    tiny_tokenizer,
    write_model,
)
from tests.trainer.tiny_runs import tiny_config
from trainer.adapter import TrainableAdapter
from trainer.loss import gist_answers
from trainer.quantize import is_quantized, load_base, quantize, training_encoder
from trainer.run import AdapterRun
from trainer.samples import Sample
from trainer.staged import staged_backward, unit_of

CPU = torch.device("cpu")


def quantized(kind: Kind, precision: str) -> GistModel:
    base = tiny_base(kind, hidden_size=64, intermediate_size=128, head_dim=16)
    quantize(base, precision, CPU)
    return GistModel(base, tiny_tokenizer(kind.chat, kind.bos), IDENTITY)


@pytest.mark.parametrize("precision", ["nf4", "int8"])
@every_kind
def test_only_the_adapter_is_trained_and_its_gradients_stay_right(kind: Kind, precision: str) -> None:
    model = quantized(kind, precision)
    stack = model.causal_lm.model
    assert is_quantized(stack)
    adapter = TrainableAdapter(stack, gist_ids=gist_ids_of(kind), segment_tokens=24, rank=3, seed=1)
    assert len(adapter.adapter().lora) == 7 * model.causal_lm.config.num_hidden_layers
    model.adapter = adapter.adapter()
    model.encoder = training_encoder(stack, adapter.adapter())
    ids = random_ids(torch.Generator().manual_seed(2), 40, kind)
    unit = unit_of(model, "questions", Sample(ids, (Turn("Where?", "Here."),), "en"), n_slots=4)

    def gradient() -> torch.Tensor:
        adapter.zero_grad()
        staged_backward(
            model,
            unit,
            lambda _, gists: gist_answers(model, prompt_of(model.tokenizer), gists, unit.turns).loss,
            micro_tokens=24,
            document_batches=[[0]],
        )
        assert adapter.gist_rows.grad is not None
        return adapter.gist_rows.grad.clone()

    first = gradient()
    assert float(first.abs().max()) > 0
    assert torch.isfinite(first).all()
    with torch.no_grad():  # such a pass repacks the weights of bitsandbytes' layers, if it may
        stack.eval()(input_ids=ids[None])
    assert torch.equal(gradient(), first)
    assert all(p.grad is None for p in model.causal_lm.parameters())


@pytest.mark.parametrize(("precision", "low", "high"), [("nf4", 0.03, 0.2), ("int8", 0.001, 0.03)])
def test_a_quantized_layer_computes_nearly_what_its_weights_say(precision: str, low: float, high: float) -> None:
    plain = tiny_base(PLAIN, hidden_size=64, intermediate_size=128, head_dim=16)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    names = [name for name, module in plain.model.named_modules() if isinstance(module, torch.nn.Linear)]
    names = [name for name in names if plain.model.get_submodule(name).in_features == 64]
    with torch.no_grad():
        wanted = [plain.model.get_submodule(name)(x) for name in names]
        quantize(plain, precision, CPU)
        given = [plain.model.get_submodule(name)(x) for name in names]
    for ours, theirs in zip(given, wanted, strict=True):
        assert low < float((ours - theirs).norm() / theirs.norm()) < high


@pytest.mark.parametrize("precision", ["nf4", "int8", "bf16", "fp32"])
def test_a_run_on_any_precision_learns_and_its_adapter_loads(tmp_path: Path, precision: str) -> None:
    folder = write_model(tmp_path / "model", PLAIN)
    model = load_base(str(folder), device="cpu", precision=precision)
    assert model.adapter is None
    run = AdapterRun(model, tiny_config(tmp_path, base=str(folder), precision=precision, steps=8, samples=1))
    losses = [run.train_step().figures["questions loss"] for _ in range(8)]
    assert min(losses[-2:]) < max(losses[:2])
    run.write(tmp_path / "adapter", [])
    loaded = load_model(str(tmp_path / "adapter"), device="cpu", dtype=torch.float32)
    assert loaded.adapter is not None
    assert loaded.adapter.gist_ids == run.adapter.adapter().gist_ids

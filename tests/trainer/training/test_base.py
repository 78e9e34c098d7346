"""Bases in 4 and 8 bits: trained around on a CPU, with gradients that stay right after any pass without them.

And what was trained on one is used on one: the chat loads what the run had.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn, prompt_of
from gistdesk.core.quantize import is_quantized, quantize
from tests.core.tiny_models import (
    IDENTITY,
    PLAIN,
    TEXT,
    Kind,
    every_kind,
    gist_ids_of,
    random_ids,
    tiny_base,
    tiny_tokenizer,
    write_model,
)
from tests.trainer.tiny_runs import tiny_config
from trainer.data.samples import Sample
from trainer.data.units import unit_of
from trainer.training.adapter import TrainableAdapter
from trainer.training.base import load_base, training_encoder
from trainer.training.loss import gist_answers
from trainer.training.run import AdapterRun
from trainer.training.staged import staged_backward

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


@pytest.mark.parametrize("precision", ["nf4", "int8", "bf16", "fp32"])
def test_a_run_on_any_precision_learns_and_its_adapter_loads(tmp_path: Path, precision: str) -> None:
    folder = write_model(tmp_path / "model", PLAIN)
    model = load_base(str(folder), device="cpu", precision=precision)
    assert model.adapter is None
    run = AdapterRun(model, tiny_config(tmp_path, base=str(folder), precision=precision, steps=8, samples=1))
    losses = [run.train_step().figures["questions loss"] for _ in range(8)]
    assert min(losses[-2:]) < max(losses[:2])
    run.write(tmp_path / "adapter", [])
    loaded = load_model(str(tmp_path / "adapter"), device="cpu")
    assert loaded.adapter is not None
    assert loaded.adapter.gist_ids == run.adapter.adapter().gist_ids
    told = json.loads((tmp_path / "adapter" / "gist.json").read_text("utf-8"))
    assert (told["precision"], told["base_model_fingerprint"]) == (precision, model_fingerprint(folder))
    if precision in ("nf4", "int8"):
        assert loaded.precision == precision


@pytest.mark.parametrize("precision", ["nf4", "int8", "bf16"])
@every_kind
def test_the_chat_compresses_and_answers_as_the_run_does(tmp_path: Path, kind: Kind, precision: str) -> None:
    """What was trained is what is used: the same gist and the same answer from the run's model and from its folder."""
    folder = write_model(tmp_path / "model", kind)
    model = load_base(str(folder), device="cpu", precision=precision)
    run = AdapterRun(model, tiny_config(tmp_path, base=str(folder), precision=precision, steps=2, samples=1))
    with torch.no_grad():
        for weight in run.adapter.parameters():  # far from nothing, and kept whole in float16
            weight.copy_((weight + 0.05).half().float())
    run.write(tmp_path / "adapter", [])
    chat = load_model(str(tmp_path / "adapter"), device="cpu", precision=precision)
    of_run, of_chat = (gist_and_answer(each) for each in (run.model, chat))
    assert chat.identity.model_fingerprint == run.model.identity.model_fingerprint
    # a small base in 16 bits is merged by the chat, and by the run only where training may
    assert torch.allclose(of_run[0].float(), of_chat[0].float(), rtol=1e-2, atol=1e-2)
    assert of_run[1] == of_chat[1]


def gist_and_answer(model: GistModel) -> tuple[torch.Tensor, str]:
    ids = torch.tensor(model.token_ids(TEXT))
    with torch.no_grad():
        *_, gist = compress(model, plan_tokens(model, ids, ratio=4.0))
        context = Context(model, [gist])
        return gist.kv, "".join(context.answer([Turn("Where?")], Sampling(max_tokens=6)))


def test_a_run_goes_on_from_an_adapter_on_a_quantized_base(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", PLAIN)
    model = load_base(str(folder), device="cpu", precision="nf4")
    config = tiny_config(tmp_path, base=str(folder), precision="nf4", steps=2, samples=1)
    first = AdapterRun(model, config)
    first.write(tmp_path / "adapter", [])
    second = AdapterRun(model, replace(config, start_from=str(tmp_path / "adapter"), seed=9))
    for (name, ours), theirs in zip(first.adapter.named_parameters(), second.adapter.parameters(), strict=True):
        assert torch.equal(ours.half(), theirs.half()), name

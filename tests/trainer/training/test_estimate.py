"""What a run needs is told beforehand, with numbers; a base that does not fit is refused before it is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gistdesk.core.errors import UserError
from tests.core.tiny_models import PLAIN, tiny_base, write_model
from tests.trainer.tiny_runs import tiny_run
from trainer.training import estimate as estimating
from trainer.training.adapter import TrainableAdapter
from trainer.training.config import changed, preset
from trainer.training.estimate import (
    check_fits,
    estimate,
    memory_of,
    micro_batch_tokens,
    n_evaluations,
    shape_of,
)
from trainer.training.run import AdapterRun


def test_shapes_are_those_of_the_model(tmp_path: Path) -> None:
    write_model(tmp_path)
    base = tiny_base(PLAIN)
    shape = shape_of(str(tmp_path))
    linear = [m for m in base.model.modules() if isinstance(m, torch.nn.Linear)]
    assert shape.weights.n_linear == sum(m.weight.numel() for m in linear)
    assert shape.weights.n_linear + shape.weights.n_other == sum(p.numel() for p in base.parameters())
    adapter = TrainableAdapter(base.model, gist_ids=(0,), segment_tokens=9, rank=5, seed=0)
    assert sum(p.numel() for p in adapter.parameters()) == 5 * shape.n_lora_per_rank + shape.hidden_size


def test_memory_does_not_grow_with_the_document() -> None:
    shape = shape_of("starter")
    needs = [
        sum(memory_of(shape, changed(preset("quick"), {"document_tokens": n}), "bf16", "cpu").values())
        for n in (4096, 65536)
    ]
    assert needs[0] == needs[1]
    plain, less = (
        sum(memory_of(shape, changed(preset("quick"), {"checkpoint_activations": c}), "bf16", "cpu").values())
        for c in (False, True)
    )
    assert less < plain


def test_a_micro_batch_is_counted_with_bos_gist_tokens_and_padding() -> None:
    config = changed(preset("full"), {"base": "starter", "micro_tokens": 1024})
    assert micro_batch_tokens(config) == 3104  # one segment of 3,000 tokens, 100 gist tokens and BOS is more
    records = changed(preset("quick"), {"mix.questions": 1.0, "questions": "x.jsonl"})
    assert micro_batch_tokens(records) == records.micro_tokens


def test_activations_are_worked_out_again_only_where_the_memory_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = changed(preset("quick"), {"precision": "bf16", "device": "cpu"})
    plain = estimate(config)
    assert plain["checkpoint_activations"] is False
    least = estimate(changed(config, {"checkpoint_activations": True}))
    assert least["checkpoint_activations"] is True
    assert least["needed_bytes"] < plain["needed_bytes"]
    between = (least["needed_bytes"] + plain["needed_bytes"]) // 2
    monkeypatch.setattr(estimating, "free_bytes", lambda device: between)
    found = estimate(config)
    assert (found["fits"], found["checkpoint_activations"]) == (True, True)
    assert found["memory_bytes"] == least["memory_bytes"]
    check_fits(config)

    assert not tiny_run(tmp_path).recomputes
    monkeypatch.setattr(estimating, "free_bytes", lambda device: 2**20)
    assert tiny_run(tmp_path).recomputes
    assert losses(tiny_run(tmp_path)) == pytest.approx(losses_kept(tmp_path, monkeypatch), rel=1e-3)


def losses(run: AdapterRun) -> list[float]:
    return [run.train_step().figures["questions loss"] for _ in range(3)]


def losses_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(estimating, "free_bytes", lambda device: 2**40)
    run = tiny_run(folder)
    assert not run.recomputes
    return losses(run)


def test_the_time_has_the_evaluations_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "matrix_rate", lambda device, dtype: 1e11)
    config = changed(preset("quick"), {"precision": "bf16", "steps": 600, "evaluate_steps": 200})
    few, many = (estimate(changed(config, {"evaluate_steps": n})) for n in (600, 100))
    assert (n_evaluations(config), few["evaluation_s"]) == (4, many["evaluation_s"])
    assert many["training_s"] - few["training_s"] == pytest.approx(5 * few["evaluation_s"], abs=5)
    more = estimate(changed(config, {"evaluate_samples": 4}))
    assert more["evaluation_s"] > 1.5 * few["evaluation_s"] > 0
    narrow = estimate(changed(config, {"lowest_ratio": 120, "highest_ratio": 140}))  # no other ratio is measured
    assert narrow["evaluation_s"] < 0.8 * few["evaluation_s"]


_USED = """
import sys
from pathlib import Path
from gistdesk.core.memory import hold_little
hold_little()
import torch
torch.set_num_threads(1)
from trainer.training.base import load_base
from trainer.training.config import preset
from trainer.training.estimate import estimate
from trainer.training.run import AdapterRun
config = preset("check")
said = estimate(config)["needed_bytes"]
run = AdapterRun(load_base(config.base, device="cpu", precision=config.precision), config)
for _ in range(4):
    run.train_step()
print(said, 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_on_the_starter_takes_what_was_said() -> None:
    """Once 639 MB were predicted and 883 used."""
    result = subprocess.run([sys.executable, "-c", _USED], capture_output=True, text=True)
    said, used = map(int, result.stdout.split())
    assert said == pytest.approx(used, rel=0.2)


def test_an_estimate_has_what_a_person_needs_to_decide() -> None:
    found = estimate(preset("check"))
    assert found["fits"] is True
    assert found["needed_bytes"] == sum(found["memory_bytes"].values())
    assert 0 < found["step_s"] < 60
    assert found["trained_parameters"] > 1e6


def test_a_base_that_does_not_fit_is_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "free_bytes", lambda device: 2**20)
    with pytest.raises(UserError, match=r"needs about 0\.\d GiB; 0\.0 GiB are free"):
        check_fits(preset("check"))
    with pytest.raises(UserError, match="No base model"):
        check_fits(preset("standard"))


@pytest.mark.release
def test_a_dry_run_loads_nothing_and_writes_nothing(tmp_path: Path) -> None:
    words = ["-m", "gistdesk", "train", "--preset", "check", "--work", str(tmp_path / "run"), "--dry-run"]
    result = subprocess.run([sys.executable, "-P", *words], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["base"] == "starter"
    assert not (tmp_path / "run").exists()


def test_what_fits_to_the_byte_is_let_in_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    config = changed(preset("check"), {"precision": "bf16", "device": "cpu", "checkpoint_activations": True})
    needed = sum(memory_of(shape_of("starter"), config, "bf16", "cpu").values())
    monkeypatch.setattr(estimating, "free_bytes", lambda device: needed)
    check_fits(config)
    monkeypatch.setattr(estimating, "free_bytes", lambda device: needed - 1)
    with pytest.raises(UserError, match="are free"):
        check_fits(config)


def test_moments_take_two_bytes_on_a_card_and_eight_on_a_cpu() -> None:
    shape, config = shape_of("starter"), preset("quick")
    adapter = [
        memory_of(shape, config, "bf16", device)["adapter, its gradients and moments"] for device in ("cuda", "cpu")
    ]
    n = shape.n_trained(config.rank, config.slots)
    assert adapter == [10 * n, 16 * n]

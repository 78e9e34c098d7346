"""What a run needs is told beforehand, with numbers; a base that does not fit is refused before it is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gistdesk.core.errors import UserError
from tests.core.tiny_models import PLAIN, tiny_base, write_model
from trainer.training import estimate as estimating
from trainer.training.adapter import TrainableAdapter
from trainer.training.config import changed, preset
from trainer.training.estimate import check_fits, estimate, memory_of, shape_of


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


def test_an_estimate_has_what_a_person_needs_to_decide() -> None:
    found = estimate(preset("check"))
    assert found["fits"] is True
    assert found["needed_bytes"] == sum(found["memory_bytes"].values())
    assert 0 < found["step_s"] < 60
    assert found["trained_parameters"] > 1e6


def test_a_base_that_does_not_fit_is_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "free_bytes", lambda device: 2**20)
    with pytest.raises(UserError, match=r"needs about 0\.\d GiB, 0\.0 GiB are free"):
        check_fits(preset("check"))
    with pytest.raises(UserError, match="No base model"):
        check_fits(preset("standard"))


def test_a_dry_run_loads_nothing_and_writes_nothing(tmp_path: Path) -> None:
    words = ["-m", "gistdesk", "train", "--preset", "check", "--work", str(tmp_path / "run"), "--dry-run"]
    result = subprocess.run([sys.executable, "-P", *words], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["base"] == "starter"
    assert not (tmp_path / "run").exists()

"""Distillation: which way the divergence goes, what its weight does, and which parts of a mix have a teacher."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainer.tiny_runs import tiny_run
from trainer.training.run import AdapterRun


def gradients(folder: Path, weight: float, **changes: object) -> tuple[AdapterRun, Tensor, list[float]]:
    """Of the first unit, and its sums."""
    run = tiny_run(folder, distill_weight=weight, **changes)
    sums = [0.0] * 6
    run._backward(run.mixture.unit(0, 0), sums)
    return run, torch.cat([p.grad.flatten() for p in run.descent.parameters if p.grad is not None]), sums


def test_the_students_distribution_is_pulled_to_the_teachers_and_not_the_other_way(tmp_path: Path) -> None:
    run, _, sums = gradients(tmp_path, 1.0)
    unit = run.mixture.unit(0, 0)
    [document] = range(len(unit.documents))
    with torch.no_grad():
        teacher = run.in_full(unit, [document]).logits.log_softmax(-1)
        student = run.answers(unit, [document], run._gists(unit)).logits.log_softmax(-1)
    forward = float((teacher.exp() * (teacher - student)).sum(-1).mean())
    reverse = float((student.exp() * (student - teacher)).sum(-1).mean())
    assert abs(forward - reverse) > 0.01 * forward
    assert sums[2] == pytest.approx(forward, rel=1e-3)


def test_the_weight_of_distillation_is_that_of_its_gradients(tmp_path: Path) -> None:
    _, bare, _ = gradients(tmp_path, 0.0)
    _, once, _ = gradients(tmp_path, 1.0)
    _, thrice, _ = gradients(tmp_path, 3.0)
    assert float((once - bare).norm()) > 1e-3 * float(bare.norm())
    torch.testing.assert_close(thrice - bare, 3 * (once - bare), rtol=1e-3, atol=1e-5 * float(bare.abs().max()))


def test_only_the_parts_that_are_named_have_a_teacher(tmp_path: Path) -> None:
    _, bare, _ = gradients(tmp_path, 0.0)
    _, named, sums = gradients(tmp_path, 1.0, distill_parts=("questions",))
    assert sums[3] == 1
    assert not torch.equal(named, bare)
    _, others, sums = gradients(tmp_path, 1.0, distill_parts=("continuation",))
    assert sums[3] == sums[2] == 0
    assert torch.equal(others, bare)

"""Rates rise and fall as told; several optimizers move as one, go on where they were, and not by what is not finite."""

import pytest
import torch

from trainer.training.descent import Descent, share_of_peak


def made() -> tuple[torch.nn.Parameter, torch.nn.Parameter, Descent]:
    rows, matrix = torch.nn.Parameter(torch.arange(3.0)), torch.nn.Parameter(torch.ones(2, 3))
    adam = torch.optim.AdamW([rows], weight_decay=0.0, fused=True)
    muon = torch.optim.Muon([matrix], weight_decay=0.0)
    named = {"rows": rows, "matrix": matrix}
    return rows, matrix, Descent(named, {"adam": (adam, 0.1), "muon": (muon, 0.2)}, clip=1.0)


def move(rows: torch.nn.Parameter, matrix: torch.nn.Parameter, descent: Descent, share: float = 1.0) -> float:
    rows.grad, matrix.grad = rows.detach() ** 2, matrix.detach() + torch.arange(3)
    return descent.step(share)


def test_it_goes_on_where_it_was() -> None:
    first, second = made(), made()
    move(*first)
    tensors, plain = first[2].state()
    second[2].restore({name: tensor.detach().clone() for name, tensor in tensors.items()}, plain)
    for one in (first, second):
        move(*one)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    fresh = made()
    with torch.no_grad():  # the same weights without the moments go elsewhere
        fresh[0].copy_(tensors["weight.rows"])
        fresh[1].copy_(tensors["weight.matrix"])
    move(*fresh)
    assert not torch.equal(fresh[0], first[0])


def test_every_optimizer_has_the_same_share_of_its_own_peak() -> None:
    rows, matrix, descent = made()
    start = rows.detach().clone(), matrix.detach().clone()
    norm = move(rows, matrix, descent, 0.5)
    assert norm == pytest.approx((0 + 1 + 16 + 2 * (1 + 4 + 9)) ** 0.5)
    assert float((rows.detach() - start[0]).abs().max()) == pytest.approx(
        0.05, rel=1e-3
    )  # Adam's first step is its rate
    whole = made()
    move(*whole)
    moved, further = (float((m - start[1]).detach().norm()) for m in (matrix, whole[1]))
    assert moved == pytest.approx(further / 2, rel=1e-2)
    assert rows.grad is None


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    rows, matrix, descent = made()
    rows.grad, matrix.grad = torch.full_like(rows, float("nan")), torch.ones_like(matrix)
    descent.step(1.0)
    assert torch.equal(rows, torch.arange(3.0))
    assert torch.equal(matrix, torch.ones(2, 3))
    assert rows.grad is None


def test_the_rate_rises_stays_and_falls() -> None:
    shares = [share_of_peak(step, steps=100, warmup_steps=10, fall_share=0.3) for step in range(100)]
    assert shares[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert set(shares[10:70]) == {1.0}
    assert shares[85] == pytest.approx(0.5)
    assert shares[-1] == pytest.approx(1 / 30)
    assert shares[70:] == sorted(shares[70:], reverse=True)
    assert share_of_peak(999, steps=1000, warmup_steps=0, fall_share=0.5) == 0.02

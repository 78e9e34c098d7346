"""Rates rise and fall as told; several optimizers move as one, go on where they were, and not by what is not finite."""

from pathlib import Path

import pytest
import torch

from trainer.training.checkpoint import read_checkpoint, write_checkpoint
from trainer.training.config import TrainConfig
from trainer.training.descent import Descent, share_of_peak
from trainer.training.run import make_optimizer


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


def eight_bit() -> tuple[torch.nn.Parameter, torch.nn.Parameter, Descent]:
    """As on a card: large weights with their moments in 8 bits, small ones in 32."""
    large = torch.nn.Parameter(torch.linspace(-1, 1, 8192).view(64, 128).clone())
    small = torch.nn.Parameter(torch.ones(3))
    config = TrainConfig(learning_rate=1e-2)
    optimizer = make_optimizer([large, small], torch.device("cuda"), config)
    return large, small, Descent({"large": large, "small": small}, {"optimizer": (optimizer, 1e-2)}, clip=1.0)


def wander(large: torch.nn.Parameter, small: torch.nn.Parameter, descent: Descent, *, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    large.grad, small.grad = torch.randn(64, 128, generator=random), torch.randn(3, generator=random)
    descent.step(1.0)


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_moments_in_8_bits_go_through_a_checkpoint_bit_by_bit(tmp_path: Path) -> None:
    """The optimizer of every run on a card; bitsandbytes keeps its quantized moments one level deeper."""
    first, second = eight_bit(), eight_bit()
    assert type(first[2]._optimizers["optimizer"][0]).__name__ == "PagedAdamW8bit"
    for seed in range(3):
        wander(*first, seed=seed)
    tensors, plain = first[2].state()
    assert {t.dtype for name, t in tensors.items() if "state1" in name} == {torch.uint8, torch.float32}
    write_checkpoint(tmp_path, 3, tensors, {"optimizer": plain}, keep=1)
    found = read_checkpoint(tmp_path)
    assert found is not None
    second[2].restore(found.tensors, found.state["optimizer"])
    again, _ = second[2].state()
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    for seed in range(3, 6):
        wander(*first, seed=seed)
        wander(*second, seed=seed)
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
    fresh = eight_bit()
    with torch.no_grad():  # the same weights without the moments go elsewhere
        fresh[0].copy_(tensors["weight.large"])
    wander(*fresh, seed=5)
    assert not torch.equal(fresh[0], first[0])


def test_the_gradient_is_held_below_the_clip_and_told_as_it_was() -> None:
    rows = torch.nn.Parameter(torch.zeros(3))
    descent = Descent({"rows": rows}, {"plain": (torch.optim.SGD([rows], lr=9.0), 1.0)}, clip=2.0)
    rows.grad = torch.tensor([0.0, 30.0, 40.0])
    assert descent.step(1.0) == pytest.approx(50)
    assert rows.tolist() == pytest.approx([0.0, -1.2, -1.6], rel=1e-4)

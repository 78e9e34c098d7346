"""The command for the card runs, at a size at which its figures mean nothing; without a card it says so."""

import pytest
import torch

from tests.benchmarks.gpu import PARTS, main, measure


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs(part: str) -> None:
    rows = list(measure([part], torch.device("cpu"), minutes=0.2, tiny=True))
    assert rows
    assert {row["part"] for row in rows} == {part}


def test_without_a_card_nothing_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 0
    assert "no CUDA device" in capsys.readouterr().out


@pytest.mark.gpu
def test_every_part_runs_on_a_card() -> None:
    rows = list(measure(PARTS, torch.device("cuda"), minutes=0.2, tiny=True))
    assert {row["part"] for row in rows} == set(PARTS)

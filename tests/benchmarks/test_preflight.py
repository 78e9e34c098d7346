"""The table of what fits on which card has a row for every model; an 8B model fits 24 GB with the preset as it is."""

import json

import pytest

from tests.benchmarks.preflight import MODELS, main


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2 * len(MODELS)
    assert main(["--json"]) == 0
    rows = {(row["model"], row["precision"]): row for row in json.loads(capsys.readouterr().out)}
    large = rows["8B", "nf4"]
    # seen by counting the saved tensors of a step of that shape: 26 to 35 GiB kept
    assert large["kept_gib"] > 24
    assert (large["on_24_gb"], large["recomputed_gib"] < 16) == ("recomputed", True)
    assert rows["135M", "nf4"]["on_12_gb"] == "kept"
    for row in rows.values():
        assert row["recomputed_gib"] < row["kept_gib"]

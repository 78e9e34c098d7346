"""The benchmark runs, at a size at which its figures mean nothing."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.benchmarks.speed import PARTS, Sizes, alternately, build_llama, hardware, line, main, measure

TINY = Sizes(
    compress_tokens=(600,),
    first_token_tokens=(600,),
    open_slots=12,
    memory_tokens=(100, 700),
    repetitions=2,
    ratio=50.0,
)


@pytest.mark.slow
def test_every_part_runs(tmp_path: Path) -> None:
    model = build_llama(
        tmp_path,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
    )
    rows = list(measure(str(model), TINY))
    assert [row.what.split()[0] for row in rows] == ["peak"] * 3 + ["compress", "first", "first", "open"]
    for row in rows:
        assert line(row).count("|") == 5
        json.dumps(asdict(row))
    assert [row.values.get("n_tokens", 0) > 500 for row in rows] == [False, False, True, True, True, True, False]


def test_what_is_compared_runs_alternately() -> None:
    ran: list[str] = []
    seconds = alternately([lambda: ran.append("a"), lambda: ran.append("b")], 3)
    assert "".join(ran) == "ab" + "ababab"
    assert [len(times) for times in seconds] == [3, 3]


def test_the_hardware_is_named() -> None:
    assert {"cpu", "cores", "threads", "dtype", "model"} <= hardware("starter").keys()


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--parts", "compress,speed"])
    assert len(PARTS) == 4

"""The benchmark of gist against retrieval runs, at a size at which its figures mean nothing."""

import json
from dataclasses import asdict

import pytest

from gistdesk.core.ranking import embeddings_installed
from tests.benchmarks.retrieval import Sizes, measure
from tests.benchmarks.speed import line
from tests.starter import loaded_starter


@pytest.mark.slow
def test_every_row_is_there() -> None:
    rows = list(measure(loaded_starter(device="cpu"), Sizes(lengths=(600,), repetitions=1)))
    assert len(rows) == 5 + embeddings_installed()
    for row in rows:
        assert line(row).count("|") == 5
        json.dumps(asdict(row))
        assert row.values["n_tokens"] == 600
    assert [row.met is None for row in rows[-3:]] == [True, False, True]

"""Whatever a gist file says of itself, the engine can pass on."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_file import GistRecord, write_gist
from gistdesk.core.layout import Segment
from gistdesk.protocol import Describe
from gistdesk.worker.gists import describe
from tests.core.tiny_models import IDENTITY

PLAIN = GistKV(torch.randn(2, 2, 2, 5, 8).half(), (Segment(0, 40, 5),))
BIASED = replace(PLAIN, bias=torch.zeros(2, 2, 5), span=40)


@pytest.mark.parametrize(
    ("gist", "expected"),
    [
        (PLAIN, {"method": "adapter", "kv_bits": 8, "agreement": None}),
        (BIASED, {"method": "matched", "kv_bits": 16, "agreement_before": None}),
        (
            replace(BIASED, refined=Refinement(8, 0.625, 0.75, 40)),
            {"method": "refined", "agreement": 0.75, "agreement_before": 0.625},
        ),
    ],
)
def test_a_gist_file_of_any_method_is_described(tmp_path: Path, gist: GistKV, expected: dict[str, object]) -> None:
    record = GistRecord(gist, IDENTITY, "A tale", "ab" * 32, (0,), 8.0, 512, "2026-11-20T21:00:00+00:00")
    path = tmp_path / "a.gistkv"
    write_gist(path, replace(record, method=expected.get("method"), kv_bits=expected.get("kv_bits", 16)))  # type: ignore[arg-type]
    found = describe(Describe(str(path))).description
    assert found is not None
    assert asdict(found).items() >= {**expected, "title": "A tale", "n_slots": 5}.items()

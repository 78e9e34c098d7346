"""The time that training may still take is told, and never as work that is not left."""

import pytest

from gistdesk.core.compress import Compressed
from gistdesk.worker.compressing import _training_progress


@pytest.mark.parametrize(("agreement", "left_s"), [(0.5, 30.0), (None, 30.0), (1.0, 0.0)])
def test_once_all_is_told_nothing_is_left(agreement: float | None, left_s: float) -> None:
    """Rounds that find all told take a moment."""
    told = _training_progress(Compressed(2, 2, 4, 7, agreement), 40.0)
    assert (told.done, told.total, told.eta_s) == (6, 9, left_s)

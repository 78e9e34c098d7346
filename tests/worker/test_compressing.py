"""The time that training may still take is told."""

import pytest

from gistdesk.core.compress import Compressed
from gistdesk.worker.compressing import _training_progress


@pytest.mark.parametrize(("n_left", "left_s"), [(3, 30.0), (0, 0.0)])
def test_the_time_left_is_that_of_the_rounds_which_take_time(n_left: int, left_s: float) -> None:
    told = _training_progress(Compressed(2, 2, 4, 7, n_left), 40.0)
    assert (told.done, told.total, told.eta_s) == (6, 9, left_s)

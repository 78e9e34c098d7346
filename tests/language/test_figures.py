import time

import pytest

from gistdesk.language.figures import bytes_text, count_text, duration_text, moment_text, parameters_text, ratio_text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (150 * 1024, "150 KB"), (5 * 2**30, "5.0 GB"), (2**41, "2.0 TB")],
)
def test_bytes(n_bytes: int, text: str) -> None:
    assert bytes_text(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.3, "under a second"), (40, "40 s"), (89.6, "90 s"), (150, "2 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_counts_and_ratios() -> None:
    assert count_text(48210) == "48,210"
    assert (ratio_text(40.02), ratio_text(7.5), ratio_text(8.0)) == ("40x", "7.5x", "8x")
    assert parameters_text(7_900_000) == "7.9M parameters"
    assert parameters_text(8 * 10**9) == "8.0B parameters"


def test_a_moment_is_of_the_clock_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        assert moment_text("2026-11-23T19:38:01+00:00") == "2026-11-24 04:38"
        assert moment_text("no moment at all") == "no moment at all"
    finally:
        monkeypatch.undo()
        time.tzset()

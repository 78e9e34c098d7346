"""The bound of a curriculum grows only while answers are right, never past its limit, and survives a checkpoint."""

import json
from dataclasses import asdict
from random import Random

import pytest

from trainer.data.curriculum import Curriculum, advance, drawn_length


def test_the_bound_stays_while_answers_are_wrong() -> None:
    curriculum = Curriculum(bound=40, limit=512)
    for _ in range(500):
        curriculum.update(0.8)
    assert curriculum.bound == 40
    assert curriculum.accuracy == pytest.approx(0.8, abs=1e-3)


def test_the_bound_grows_once_the_running_mean_is_above_the_goal() -> None:
    curriculum = Curriculum(bound=40, limit=512)
    bounds = []
    for _ in range(60):
        curriculum.update(1.0)
        bounds.append(curriculum.bound)
    # 1 - 0.95**n passes 0.85 at n = 37
    assert bounds[:36] == [40] * 36
    assert bounds[36] > 40
    assert bounds[36:] == sorted(set(bounds[36:]))


def test_one_lucky_step_is_not_enough_and_one_bad_one_does_not_take_back() -> None:
    curriculum = Curriculum(bound=40, limit=512, accuracy=0.5)
    curriculum.update(1.0)
    assert curriculum.bound == 40
    curriculum = Curriculum(bound=100, limit=512, accuracy=0.99)
    curriculum.update(0.0)
    assert curriculum.bound >= 100


def test_the_bound_never_passes_its_limit() -> None:
    curriculum = Curriculum(bound=500, limit=512, accuracy=1.0)
    for _ in range(100):
        curriculum.update(1.0)
    assert curriculum.bound == 512


def test_it_goes_on_from_its_state() -> None:
    first = Curriculum(bound=40, limit=512, accuracy=0.9)
    first.update(1.0)
    second = Curriculum(**json.loads(json.dumps(asdict(first))))
    for _ in range(10):
        first.update(0.9)
        second.update(0.9)
    assert first == second


def test_segments_become_longer_before_they_become_more() -> None:
    longer, more = Curriculum(bound=40, limit=512, accuracy=1.0), Curriculum(bound=1, limit=12, accuracy=1.0)
    while longer.bound < 100:
        assert more.bound == 1
        advance(longer, more, 1.0)
    advance(longer, more, 1.0)
    assert more.bound > 1
    short = Curriculum(bound=24, limit=24)  # as long as they can be
    advance(short, more, 0.0)
    assert more.accuracy < 1


def test_half_of_the_segments_are_short_whatever_the_bound() -> None:
    lengths = [drawn_length(Random(seed), 512) for seed in range(400)]
    assert min(lengths) >= 40
    assert max(lengths) > 480
    assert 0.55 < sum(length < 200 for length in lengths) / 400 < 0.75

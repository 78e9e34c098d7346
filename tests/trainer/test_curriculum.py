"""The bound of a curriculum grows only while answers are right, never past its limit, and survives a checkpoint."""

import json
from dataclasses import asdict

import pytest

from trainer.curriculum import Curriculum


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

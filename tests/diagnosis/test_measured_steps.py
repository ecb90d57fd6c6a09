"""The steps that are measured: few enough for the time, and densest at the beginning."""

import pytest

from lrstudy.training.diagnosis.measured_steps import (
    densest_first,
    evenly_spaced,
    first_steps,
    measured_steps,
    steps_per_measurement,
)


@pytest.mark.parametrize("epochs", [1, 2, 3, 50, 5000])
@pytest.mark.parametrize("steps", [1, 2, 5, 99, 100, 3000])
@pytest.mark.parametrize("batch_size", [1, 8, 256, 4096])
def test_measurements_take_a_small_share_of_the_steps(epochs: int, steps: int, batch_size: int) -> None:
    plan = measured_steps(epochs, steps, batch_size)
    assert set(plan) <= set(range(1, epochs + 1))
    assert plan[1][0] == 0
    for places in plan.values():
        assert list(places) == sorted(set(places))
        assert all(0 <= place < steps for place in places)
    measurements = sum(map(len, plan.values()))
    share = measurements * steps_per_measurement(batch_size) / (steps * epochs)
    if steps >= 100:
        assert share <= 0.055 or measurements <= 3  # with steps of one image, not even one is affordable
    elif steps * epochs >= 250 and batch_size >= 8:
        assert share <= 0.13
        assert {1, 2, epochs} <= set(plan)


def test_where_epochs_have_many_steps_each_is_measured() -> None:
    plan = measured_steps(50, 200, 64)
    assert sorted(plan) == list(range(1, 51))
    assert plan[1] == (0, 1, 2)
    assert set(plan.values()) == {(0, 1, 2), (50, 150)}


def test_the_default_training_measures_the_first_steps_and_epochs_densest() -> None:
    plan = measured_steps(50, 5, 256)
    assert plan == {1: (0, 1, 2), 2: (2,), 50: (2,)}


def test_epochs_are_chosen_at_growing_distances() -> None:
    chosen = densest_first(64, 6)
    assert chosen == [2, 4, 8, 16, 32, 64]
    assert densest_first(2, 4) == [2]
    assert densest_first(50, 1) == densest_first(50, 2) == [2, 50]
    assert densest_first(1, 0) == []


def test_the_first_steps_of_an_epoch_are_at_growing_distances() -> None:
    assert first_steps(3, 5) == (0, 1, 2)
    assert first_steps(1, 1) == (0,)
    chosen = first_steps(8, 1000)
    assert chosen[:3] == (0, 1, 2)
    assert list(chosen) == sorted(set(chosen))
    assert chosen[-1] < 1000


def test_other_steps_are_spread_over_an_epoch() -> None:
    assert evenly_spaced(1, 5) == (2,)
    assert evenly_spaced(4, 100) == (12, 37, 62, 87)
    assert evenly_spaced(5, 5) == (0, 1, 2, 3, 4)

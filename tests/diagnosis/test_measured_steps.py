"""The steps that are measured: few enough for the time, and densest at the beginning."""

from itertools import pairwise

import pytest

from lrstudy.training.diagnosis.measured_steps import FORWARD_PASSES, densest_first, evenly_spaced, measured_steps


@pytest.mark.parametrize("epochs", [1, 2, 3, 50, 5000])
@pytest.mark.parametrize("steps", [1, 5, 99, 100, 3000])
@pytest.mark.parametrize("batch_size", [8, 256, 4096])
def test_measurements_take_a_small_share_of_the_forward_passes(epochs: int, steps: int, batch_size: int) -> None:
    plan = measured_steps(epochs, steps, batch_size)
    assert {1, min(2, epochs), min(3, epochs)} <= set(plan)
    assert set(plan) <= set(range(1, epochs + 1))
    assert all(0 <= place < steps for places in plan.values() for place in places)
    images = sum(map(len, plan.values())) * FORWARD_PASSES * min(batch_size, 256)
    share = images / (3 * batch_size * steps * epochs)
    if steps >= 100:
        assert share <= 0.05
        assert len(plan) == epochs
    elif steps * epochs >= 500:
        assert share <= 0.1


def test_the_default_training_measures_the_first_epochs_densest() -> None:
    epochs = sorted(measured_steps(50, 5, 256))
    assert epochs[:3] == [1, 2, 3]
    assert epochs[-1] == 50
    gaps = [after - before for before, after in pairwise(epochs)]
    assert gaps == sorted(gaps)


def test_epochs_are_chosen_at_growing_distances() -> None:
    assert densest_first(64, 7) == [1, 2, 3, 4, 8, 16, 32, 64]
    assert densest_first(2, 4) == [1, 2]


def test_steps_are_spread_over_an_epoch() -> None:
    assert evenly_spaced(1, 5) == (2,)
    assert evenly_spaced(4, 100) == (12, 37, 62, 87)
    assert evenly_spaced(5, 5) == (0, 1, 2, 3, 4)

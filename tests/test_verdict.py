"""The verdict on curves whose kind a person sees at a glance."""

import math
from collections.abc import Callable

import pytest

from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Curve, judge

LN10 = math.log(10)
Shape = Callable[[float], float]


def curve(train: Shape, val: Shape | None = None, accuracy: float = 0.9, epochs: int = 50) -> Curve:
    """A curve over `epochs` whose losses are functions of the share of the training done, 0 to 1."""
    steps = [step / epochs for step in range(epochs + 1)]
    losses = [(train(step), (val or train)(step)) for step in steps]
    history = [Epoch(number, t, accuracy, v, accuracy, 1.0, 0.1) for number, (t, v) in enumerate(losses)]
    return Curve(history, chance_loss=LN10, chance_accuracy=0.1)


def word(train: Shape, val: Shape | None = None, accuracy: float = 0.9, epochs: int = 50) -> str:
    return judge(curve(train, val, accuracy, epochs)).word


def falling(rate: float, floor: float = 0.0) -> Shape:
    return lambda step: floor + (LN10 - floor) * math.exp(-rate * step)


def test_a_steady_fall_to_near_zero_is_good() -> None:
    assert word(falling(12)) == "good"


def test_a_fall_to_a_floor_well_above_zero_that_is_reached_is_good() -> None:
    assert word(falling(15, floor=1.2), accuracy=0.6) == "good"


def test_a_fall_within_one_epoch_is_good() -> None:
    assert word(lambda step: 0.1 if step else LN10, epochs=1) == "good"


def test_a_loss_that_is_not_a_number_is_diverged() -> None:
    assert word(lambda step: LN10 if step < 0.5 else math.nan) == "diverged"


def test_an_infinite_validation_loss_is_diverged() -> None:
    assert word(falling(12), lambda step: math.inf if step == 1 else 1.0) == "diverged"


def test_a_loss_that_ends_above_its_beginning_is_diverged_though_finite() -> None:
    assert word(lambda step: LN10 * (1 + 500 * step), accuracy=0.1) == "diverged"


def test_a_loss_that_explodes_and_comes_back_to_that_of_guessing_is_collapsed() -> None:
    assert (
        word(lambda step: 1e6 if 0 < step < 0.3 else LN10 * 1.01 + 0.001 * math.sin(99 * step), accuracy=0.1)
        == "collapsed"
    )


def test_a_loss_that_hovers_at_that_of_guessing_is_collapsed() -> None:
    assert word(lambda step: LN10 + 0.09 * math.sin(97 * step), accuracy=0.11) == "collapsed"


def test_a_loss_that_keeps_jumping_is_unstable() -> None:
    assert word(lambda step: 0.6 + 0.5 * math.sin(97 * step) if step else LN10, accuracy=0.8) == "unstable"


def test_a_loss_that_shot_up_and_settled_far_from_zero_is_unstable() -> None:
    assert word(lambda step: 50.0 if 0 < step < 0.1 else 1.3, accuracy=0.4) == "unstable"


def test_jumps_at_the_beginning_that_calm_down_are_good() -> None:
    assert word(lambda step: 0.05 + 2 * math.exp(-12 * step) * (1 + 0.3 * math.sin(97 * step))) == "good"


def test_wobbles_near_zero_are_good() -> None:
    assert word(lambda step: LN10 * math.exp(-20 * step) + 1e-4 * (1 + math.sin(97 * step))) == "good"


def test_a_loss_that_still_falls_far_from_its_floor_is_too_slow() -> None:
    assert word(falling(1)) == "too slow"


def test_a_loss_that_has_hardly_moved_but_falls_at_every_epoch_is_too_slow_not_collapsed() -> None:
    assert word(falling(0.003), accuracy=0.11) == "too slow"


def test_a_validation_loss_that_rises_while_training_falls_overfits() -> None:
    assert word(falling(12), lambda step: LN10 * math.exp(-12 * step) + 1.5 * step) == "overfits"


def test_a_validation_loss_that_turned_makes_a_slow_fall_overfit() -> None:
    assert word(falling(2), lambda step: 1.5 + 2 * abs(step - 0.2)) == "overfits"


def test_a_validation_loss_that_rises_a_little_is_good() -> None:
    assert word(falling(12), lambda step: 0.2 + LN10 * math.exp(-12 * step) + 0.02 * step) == "good"


def test_diverged_comes_before_unstable() -> None:
    assert word(lambda step: LN10 * (2 + math.sin(97 * step)) if step else LN10) == "diverged"


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_short_trainings_have_a_verdict(epochs: int) -> None:
    assert word(falling(0.5), epochs=epochs) == "too slow"


def test_one_epoch_that_ends_near_zero_on_validation_is_good() -> None:
    assert word(lambda step: 0.7 if step else LN10, lambda step: 0.04 if step else LN10, epochs=1) == "good"


def test_a_rate_so_small_that_nothing_moves_is_too_slow_not_collapsed() -> None:
    assert word(lambda step: LN10 + 1e-4 * math.sin(97 * step), accuracy=0.05) == "too slow"


def test_a_loss_that_does_not_move_is_not_good() -> None:
    assert word(lambda step: LN10, accuracy=0.5, epochs=2) == "too slow"


def test_a_verdict_gives_the_numbers_that_led_to_it() -> None:
    reason = judge(curve(falling(12), lambda step: LN10 * math.exp(-12 * step) + 1.5 * step)).reason
    lowest = min(LN10 * math.exp(-12 * step / 50) + 1.5 * step / 50 for step in range(51))
    assert f"{lowest:.3g}" in reason
    assert "1.5" in reason

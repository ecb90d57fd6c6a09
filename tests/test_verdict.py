"""The verdict on curves whose kind a person sees at a glance."""

import math
from collections.abc import Callable, Sequence

import pytest

from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Curve, judge
from verdicts import judged_curves

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


@pytest.mark.parametrize(("end", "words"), [(2.4, "not below that of chance"), (2.22, "hardly below that of chance")])
def test_the_reason_of_a_slow_training_says_on_which_side_of_chance_it_ended(end: float, words: str) -> None:
    verdict = judge(curve(lambda step: 2.5 + (end - 2.5) * step, epochs=2))
    assert verdict.word == "too slow"
    assert words in verdict.reason


def listed(
    train: Sequence[float], val: Sequence[float], chance_loss: float = LN10, chance_accuracy: float = 0.1, **more: float
) -> str:
    """The verdict on a curve of these losses, epoch 0 first."""
    accuracy = more.get("accuracy", 0.5)
    history = [
        Epoch(number, t, accuracy, v, accuracy, 1.0, 0.1) for number, (t, v) in enumerate(zip(train, val, strict=True))
    ]
    return judge(Curve(history, chance_loss, chance_accuracy)).word


def spread(first: float, last: float, epochs: int) -> list[float]:
    """`epochs` losses after `first`, evenly spaced down to `last`; `first` is not among them."""
    return [first + (last - first) * number / epochs for number in range(1, epochs + 1)]


class TestUnevenClasses:
    # 90% and 10% of the images: an untrained network has a loss of ln 2, guessing one of 0.325.
    CHANCE = (0.325, 0.9)

    def test_a_slow_steady_fall_from_ln_2_is_too_slow_not_unstable(self) -> None:
        losses = [0.708, *spread(0.708, 0.622, 10)]
        assert listed(losses, losses, *self.CHANCE, accuracy=0.9) == "too slow"

    def test_a_loss_that_stays_at_ln_2_is_not_good(self) -> None:
        losses = [0.702 + 0.0001 * (-1) ** epoch for epoch in range(11)]
        assert listed(losses, losses, *self.CHANCE, accuracy=0.9) == "too slow"

    def test_a_loss_that_falls_to_that_of_guessing_and_stays_there_is_too_slow(self) -> None:
        losses = [0.7, 0.5, 0.4, *[0.33] * 10]
        assert listed(losses, losses, *self.CHANCE, accuracy=0.9) == "too slow"

    def test_a_fall_far_below_guessing_is_good(self) -> None:
        losses = [0.7 * 0.7**epoch + 0.01 for epoch in range(21)]
        assert listed(losses, losses, *self.CHANCE, accuracy=0.99) == "good"

    def test_with_99_percent_in_one_class_a_good_curve_is_good(self) -> None:
        losses = [0.69, 0.1, 0.05, 0.02, *[0.004] * 16]
        assert listed(losses, losses, 0.056, 0.99, accuracy=0.998) == "good"

    def test_with_99_percent_in_one_class_a_spike_later_thrown_off_has_collapsed(self) -> None:
        losses = [0.69, 0.1, 0.03, 0.02, 3.0, *[0.056] * 16]
        assert listed(losses, losses, 0.056, 0.99, accuracy=0.99) == "collapsed"


class TestAThousandClasses:
    CHANCE = (math.log(1000), 0.001)

    def test_that_are_learned_slowly_are_too_slow(self) -> None:
        losses = [6.92, *spread(6.92, 5.5, 20)]
        assert listed(losses, losses, *self.CHANCE, accuracy=0.03) == "too slow"

    def test_that_are_memorised_overfit(self) -> None:
        train, val = [6.92, *spread(6.92, 0.5, 20)], [6.92, *spread(6.92, 6.0, 8), *spread(6.0, 9.5, 12)]
        assert listed(train, val, *self.CHANCE, accuracy=0.03) == "overfits"


class TestCurvesOfPhotographs:
    @pytest.mark.parametrize(("lowest", "at", "last"), [(1.30, 15, 1.42), (1.76, 7, 1.96)])
    def test_a_validation_loss_that_turned_overfits_while_training_still_falls(
        self, lowest: float, at: int, last: float
    ) -> None:
        train = [2.31, *spread(2.31, 0.44, 30)]
        val = [2.31, *spread(2.31, lowest, at), *spread(lowest, last, 30 - at)]
        assert listed(train, val) == "overfits"

    def test_a_validation_loss_that_has_stopped_falling_is_good_while_training_still_falls(self) -> None:
        train = [2.31, *spread(2.31, 1.1, 30)]
        val = [2.31, *spread(2.31, 1.6, 15), *spread(1.6, 1.595, 15)]
        assert listed(train, val) == "good"

    def test_a_spike_in_the_first_epochs_alone_is_not_unstable(self) -> None:
        losses = [2.3, 17.8, 1.8, 1.1, 0.9, 0.4, *[0.3 * 0.9**epoch for epoch in range(20)]]
        assert listed(losses, losses, accuracy=0.95) == "good"

    def test_a_loss_that_falls_below_that_of_guessing_in_the_last_epochs_has_not_collapsed(self) -> None:
        losses = [2.3, 2.7, *[2.31] * 12, 2.27, 2.22, 2.15]
        assert listed(losses, losses, accuracy=0.12) == "too slow"

    def test_a_jump_at_the_very_end_is_unstable(self) -> None:
        losses = [2.3, *spread(2.3, 0.4, 10), *[0.4] * 8, 1.49]
        assert listed(losses, losses) == "unstable"

    def test_a_validation_loss_that_explodes_has_diverged(self) -> None:
        val = [2.3, *[3.3e4] * 20]
        assert listed([2.3, *[2.28] * 20], val, accuracy=0.1) == "diverged"
        assert listed([2.3, *spread(2.3, 1.8, 20)], val, accuracy=0.1) == "diverged"

    def test_a_validation_loss_that_ends_above_its_start_while_training_fell_overfits(self) -> None:
        train, val = [2.3, *spread(2.3, 0.1, 20)], [2.3, *spread(2.3, 1.8, 5), *spread(1.8, 5.0, 15)]
        assert listed(train, val) == "overfits"

    def test_a_validation_loss_that_never_fell_below_that_of_guessing_is_not_good(self) -> None:
        train, val = [2.31, *spread(2.31, 1.98, 30)], [2.294, *spread(2.294, 2.31, 30)]
        assert listed(train, val, accuracy=0.12) == "overfits"


@pytest.mark.parametrize(("part", "least"), [("tuning", 0.9), ("unseen", 0.85)])
def test_it_agrees_with_judgements_by_eye(part: str, least: float) -> None:
    curves = [(record, curve) for record, curve in judged_curves() if record["part"] == part]
    agreed = sum(judge(curve).word == record["judgement"] for record, curve in curves)
    assert len(curves) >= 60
    assert agreed >= least * len(curves)

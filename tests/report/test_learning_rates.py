"""The learning rates of an optimizer: its usable band, its sensitivity, and the neighbours of the best one."""

import math

import pytest

from compared_runs import compared, log_losses
from known_runs import log_training
from lrstudy.report.optimizer_summary import Open
from lrstudy.report.warnings import find_warnings


def test_sensitivity_weighs_learning_rates_by_their_stretch_of_the_axis(experiment: str) -> None:
    for lr, last in (("0.001", 2.0), ("0.01", 0.5), ("0.1", 1.0), ("0.316227766", 1.5)):
        log_training(experiment, {"val_loss": [2.3, 0.4, last]}, lr=lr)
    found = compared(experiment).of("adam").sensitivity
    # Stretches of 1, 1, 0.75 and 0.5 decades.
    assert found.value == pytest.approx((2.0 + 0.5 + 0.75 * 1.0 + 0.5 * 1.5) / 3.25 - 0.5)
    assert found.unweighted == pytest.approx((2.0 + 0.5 + 1.0 + 1.5) / 4 - 0.5)


def test_a_lucky_best_beside_a_bad_neighbour_is_warned_of(experiment: str) -> None:
    for optimizer, lr, last in (("adam", "0.01", 0.1), ("adam", "0.011", 0.5), ("sgd", "0.1", 0.15)):
        log_losses(experiment, [last], optimizer=optimizer, lr=lr)
    found = find_warnings(compared(experiment), None)
    (one,) = [warning for warning in found if warning.code == "by_chance"]
    assert "nearly the same learning rate, 0.011, has a loss of 0.5" in one.text


def test_the_usable_band_has_no_gaps_and_is_measured_in_decades(experiment: str) -> None:
    floors = {"1e-5": 0.200, "1e-4": 0.300, "1e-3": 0.203, "1e-2": 0.199, "1e-1": 0.202, "1": 0.4}
    for lr, floor in floors.items():
        log_losses(experiment, [floor, floor * 1.004, floor * 0.997], lr=lr)
    log_losses(experiment, [0.500, 0.501, 0.502], lr="0.1", optimizer="sgd")
    log_losses(experiment, [0.505, 0.504, 0.503], lr="0.01", optimizer="sgd")
    comparison = compared(experiment)
    band = comparison.of("adam").band
    assert band is not None
    assert (band.low, band.high, band.points) == (0.001, 0.1, 3)
    assert band.decades == pytest.approx(2)
    # An optimizer's band is around its own best, however much worse that is than the best of all.
    other = comparison.of("sgd").band
    assert other is not None
    assert (other.low, other.high, other.points) == (0.01, 0.1, 2)


@pytest.mark.parametrize(
    ("losses", "low", "high"),
    [
        ({"0.00316": 0.1, "0.01": 0.2, "0.0316": 0.3}, Open.EDGE, Open.NO),
        ({"0.00316": 0.3, "0.01": 0.2, "0.0316": 0.1}, Open.NO, Open.EDGE),
        ({"0.00316": 0.2, "0.01": 0.1, "0.0316": 0.3}, Open.NO, Open.NO),
        ({"0.003": 0.2, "0.01": 0.1, "0.03": 0.3}, Open.NO, Open.NO),
        ({"0.001": 0.2, "0.01": 0.1, "0.0316": 0.3}, Open.GAP, Open.NO),
        ({"0.00316": 0.2, "0.01": 0.1, "0.1": 0.3}, Open.NO, Open.GAP),
        ({"0.01": 0.1}, Open.EDGE, Open.EDGE),
    ],
)
def test_a_best_is_bracketed_by_worse_ones_at_half_a_decade(
    experiment: str, losses: dict[str, float], low: Open, high: Open
) -> None:
    for lr, loss in losses.items():
        log_losses(experiment, [loss], lr=lr)
    found = compared(experiment).of("adam")
    assert (found.open_low, found.open_high, found.bracketed) == (low, high, not (low or high))


def test_a_gap_beside_the_best_learning_rate_is_warned_of(experiment: str) -> None:
    for lr, loss in (("0.1", 0.3), ("0.01", 0.1), ("0.001", 0.2)):
        log_losses(experiment, [loss], lr=lr)
    (one,) = [one for one in find_warnings(compared(experiment), None) if one.code == "not_bracketed"]
    assert one.text == (
        "adam is not bracketed: its best learning rate, 0.01, has none within half a decade below or above it. "
        "A better one may lie there, so its rank is not settled."
    )
    assert one.command is not None
    assert "extend=true" in one.command


def test_a_diverged_neighbour_brackets_too(experiment: str) -> None:
    log_losses(experiment, [0.3], lr="0.00316")
    log_losses(experiment, [0.1], lr="0.01")
    log_training(experiment, {"val_loss": [2.3, math.nan], "train_loss": [2.3, math.inf]}, lr="0.03")
    assert compared(experiment).of("adam").bracketed


def test_sensitivity_is_wortsmans(experiment: str) -> None:
    for lr, last in (("0.001", 2.0), ("0.01", 0.5), ("0.1", 9.0)):
        log_training(experiment, {"val_loss": [2.3, 0.4, last]}, lr=lr)
    log_training(experiment, {"val_loss": [2.3, 0.4, math.nan]}, lr="1")
    found = compared(experiment).of("adam").sensitivity
    # min(2, 2.3), min(0.5, 2.3), min(9, 2.3) and 2.3 for the diverged one; the lowest is 0.5.
    assert found.value == pytest.approx((2.0 + 0.5 + 2.3 + 2.3) / 4 - 0.5)
    assert (found.low, found.high, found.points) == (0.001, 1.0, 4)

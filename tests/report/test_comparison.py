"""The report's conclusions, against numbers worked out by hand."""

import math
from dataclasses import replace

import pytest

from compared_runs import cell, compared, groups, log_losses
from known_runs import falling, log_training
from lrstudy.formatting import format_loss, format_percent, format_with_deviation
from lrstudy.report.commands import grid_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_measures import generalisation_gap, steadiness
from lrstudy.report.figures.style import OPTIMIZER_STYLES, optimizer_styles
from lrstudy.report.outcomes import number_seeds
from lrstudy.report.warnings import find_warnings
from lrstudy.settings import TrainSettings


def test_an_optimizer_has_the_name_that_the_study_printed(experiment: str) -> None:
    printed = TrainSettings(optimizer="sgd", momentum=0.97).optimizer_label
    log_training(experiment, falling(0.3), momentum="0", weight_decay="auto")
    log_training(experiment, falling(0.2), optimizer="sgd", momentum=".97", weight_decay="'auto'")
    (group,) = groups(experiment)
    assert [cell.optimizer for cell in group.cells] == [printed, "adam"]
    styles = optimizer_styles(group.optimizers)
    assert (styles[printed], styles["adam"]) == (OPTIMIZER_STYLES["sgd"], OPTIMIZER_STYLES["adam"])


def test_two_settings_of_an_optimizer_have_styles_of_their_own() -> None:
    styles = optimizer_styles(["sgd momentum=0.97", "sgd momentum=0.9", "sgd"])
    assert len({*styles.values()}) == len(styles)


def test_a_grid_of_an_optimizer_without_momentum_beside_another_has_the_momentum_of_the_other(experiment: str) -> None:
    log_training(experiment, falling(0.3), momentum="0", weight_decay="auto")
    log_training(experiment, falling(0.2), optimizer="sgd", momentum="0.97", weight_decay="auto")
    (group,) = groups(experiment)
    command = grid_command(group, group.cells)
    assert command is not None
    assert "-P momentum=0.97 " in command


def test_every_cell_is_surely_worse_or_not_distinguishable_or_failed_and_only_the_known_is_ranked(
    experiment: str,
) -> None:
    log_losses(experiment, [0.100, 0.101, 0.102], lr="0.1")
    log_losses(experiment, [0.101, 0.103, 0.101], lr="0.01")
    log_losses(experiment, [0.300, 0.301, 0.302], lr="0.001")
    log_losses(experiment, [0.01, 0.01], lr="1")
    log_training(experiment, falling(0.01), lr="1", seed=2, tags={"lrstudy.verdict": "collapsed"})
    comparison = compared(experiment)
    assert [cell.lr for cell in comparison.ranking] == [0.1, 0.01, 0.001]
    assert {cell.lr: comparison.status(cell).value for cell in comparison.group.cells} == {
        0.1: "best so far",
        0.01: "not distinguishable",
        0.001: "sure worse",
        1.0: "failed",
    }
    assert comparison.indistinguishable == [cell(comparison, "adam", 0.01)]


def test_what_the_seeds_share_is_not_noise(experiment: str) -> None:
    log_losses(experiment, [0.05, 0.10, 0.20, 0.40], lr="0.01")
    log_losses(experiment, [0.06, 0.121, 0.239, 0.481], lr="0.1")  # a fifth more for each seed
    comparison = compared(experiment)
    found = comparison.against_best(cell(comparison, "adam", 0.1))
    assert found is not None
    assert found.difference == pytest.approx(0.2, abs=0.01)
    assert 0.15 < found.low < 0.2 < found.high < 0.25


def test_the_ranking_is_by_the_mean_log_loss(experiment: str) -> None:
    log_losses(experiment, [0.1, 0.4], lr="0.01")  # geometric mean 0.2, mean 0.25
    log_losses(experiment, [0.22, 0.22], lr="0.1")
    assert [cell.lr for cell in compared(experiment).ranking] == [0.01, 0.1]


def test_seeds_with_a_fault_that_the_cell_has_not_are_counted(experiment: str) -> None:
    for seed, verdict in enumerate(("good", "good", "collapsed")):
        log_training(experiment, falling(0.1), seed=seed, tags={"lrstudy.verdict": verdict})
    comparison = compared(experiment)
    (one,) = comparison.group.cells
    assert (comparison.verdict(one), comparison.exceptions(one)) == ("good", "1 of 3 collapsed")


def test_a_best_cell_that_is_not_the_most_accurate_is_warned_of(experiment: str) -> None:
    for lr, loss, accuracy in (("0.001", 0.10, 0.94), ("0.01", 0.12, 0.98), ("0.1", 0.2, 0.975)):
        log_training(experiment, {"val_loss": [2.3, loss], "val_accuracy": [0.1, accuracy]}, lr=lr)
    comparison = compared(experiment)
    found = find_warnings(comparison, None)
    (text,) = [one.text for one in found if one.code == "accuracy_disagrees"]
    assert "adam 0.001, is not the most accurate: it has 94.0%, adam 0.01 98.0%" in text


def test_a_slow_cell_of_unknown_accuracy_does_not_miss_the_target(experiment: str) -> None:
    log_training(experiment, falling(0.01, 20), lr="0.01", epochs="20")
    slow = {"val_loss": [2.3 - 0.03 * epoch for epoch in range(21)]}
    log_training(experiment, slow, lr="0.1", epochs="20")
    comparison = compared(experiment)
    one = cell(comparison, "adam", 0.1)
    assert comparison.verdict(one) == "too slow"
    assert "target" not in comparison.reason(one)


def test_a_noisy_cell_is_not_sold_as_equal(experiment: str) -> None:
    log_losses(experiment, [0.10, 0.12], lr="0.01")
    log_losses(experiment, [0.11, 0.6], lr="0.1")
    comparison = compared(experiment)
    found = comparison.against_best(cell(comparison, "adam", 0.1))
    assert found is not None
    assert not found.is_worse
    assert found.high > 10  # up to eleven times the loss


def test_cells_without_seeds_in_common_are_compared_too(experiment: str) -> None:
    for seed, (lr, loss) in enumerate([("0.01", 0.10), ("0.01", 0.12), ("0.01", 0.11), ("0.1", 0.15), ("0.1", 0.13)]):
        log_training(experiment, {"val_loss": [2.3, loss]}, lr=lr, seed=seed)
    comparison = compared(experiment)
    found = comparison.against_best(cell(comparison, "adam", 0.1))
    assert found is not None
    assert found.difference == pytest.approx(math.sqrt(0.15 * 0.13) / (0.10 * 0.12 * 0.11) ** (1 / 3) - 1)
    assert -1 < found.low < found.difference < found.high < math.inf


def test_with_one_seed_nothing_is_known_of_a_difference(experiment: str) -> None:
    log_losses(experiment, [0.10], lr="0.01")
    log_losses(experiment, [9.0], lr="0.1")
    comparison = compared(experiment)
    found = comparison.against_best(cell(comparison, "adam", 0.1))
    assert found is not None
    assert (found.low, found.high, found.is_worse) == (-1, math.inf, False)
    assert comparison.of("adam").band is None


def test_seeds_keep_their_numbers_and_others_get_numbers_of_their_own() -> None:
    assert number_seeds(["3", "run abc", "0", "3", "0.5"]) == {"3": 3, "run abc": 4, "0": 0, "0.5": 5}


@pytest.mark.parametrize(("test", "images", "warned"), [(0.72, 75, True), (0.72, 20, False), (0.88, 75, False)])
def test_validation_and_test_that_differ_by_more_than_chance_are_warned_of(
    experiment: str, test: float, images: int, warned: bool
) -> None:
    for seed in range(3):
        log_training(experiment, {"val_loss": [2.3, 0.1], "val_accuracy": [0.1, 0.95]}, seed=seed)
    (group,) = groups(experiment)
    runs = {"validation": images, "test": images}
    trainings = [
        replace(one, run=replace(one.run, images=runs, metrics={"test/accuracy": test}))
        for one in group.cells[0].trainings
    ]
    known = replace(group, cells=(replace(group.cells[0], trainings=tuple(trainings)),))
    found = [one for one in find_warnings(Comparison(known), None) if one.code == "splits_disagree"]
    # The pooled share is 83.5%: a standard error of sqrt(0.835 × 0.165 × 2 / 75) = 6.1 points with 75 images.
    assert bool(found) == warned
    assert all("95.0% on the validation split and 72.0% on the held-out test split" in one.text for one in found)


def test_finalists_that_still_improve_are_named(experiment: str) -> None:
    for seed in range(3):
        for lr, loss in (("0.01", 0.1), ("0.001", 0.101)):
            wobble = 1 + 0.01 * ((seed + (lr == "0.01")) % 3)
            curve = [2.3, 1.0, *(wobble * loss * (1 + 0.2 * left) for left in range(18, -1, -1))]
            log_training(experiment, {"val_loss": curve}, lr=lr, seed=seed, epochs="20")
        log_training(
            experiment, {"val_loss": [2.3 - 0.02 * epoch for epoch in range(21)]}, lr="1", seed=seed, epochs="20"
        )
    (one,) = [one for one in find_warnings(compared(experiment), None) if one.code == "still_improving"]
    assert one.text.startswith("3 cells, the best among them, were still improving")
    assert one.text.endswith(
        " Among those that may be the best: adam 0.01 and adam 0.001. What trains longer may rank otherwise."
    )


def test_the_target_is_below_the_best_accuracy_and_a_miss_is_never(experiment: str) -> None:
    quick = {"val_loss": [2.3, 0.5, 0.1], "val_accuracy": [0.1, 0.95, 0.977]}
    slow = {"val_loss": [2.3, 0.5, 0.2], "val_accuracy": [0.1, 0.9, 0.94]}
    log_training(experiment, quick, lr="0.01")
    log_training(experiment, slow, lr="0.001")
    comparison = compared(experiment)
    assert comparison.target == 0.95
    assert comparison.epochs_to_target(cell(comparison, "adam", 0.01).trainings[0]) == 1
    assert comparison.epochs_to_target(cell(comparison, "adam", 0.001).trainings[0]) == math.inf


def test_steadiness_is_the_share_of_epochs_that_lowered_the_loss_and_the_gap_is_at_the_end(experiment: str) -> None:
    log_training(experiment, {"train_loss": [2.0, 1.0, 1.5, 0.5, 0.25], "val_loss": [2.0, 1.0, 0.6, 0.7, 0.75]})
    (one,) = compared(experiment).group.cells[0].trainings
    assert steadiness(one) == 0.75
    assert generalisation_gap(one) == 0.5


def test_the_four_kinds_of_curve_are_told_apart(experiment: str) -> None:
    dead = {"train_loss": [2.3, 80.0, math.nan], "val_loss": [2.3, 70.0, math.nan], "val_accuracy": [0.1, 0.1, 0.1]}
    log_training(experiment, dead, lr="1", tags={"lrstudy.verdict": "diverged"})
    high = {
        "train_loss": [2.3] + [1.2, 1.0] * 10,
        "val_loss": [2.3] + [1.2, 1.1] * 10,
        "val_accuracy": [0.1] + [0.6] * 20,
    }
    log_training(experiment, high, lr="0.1", tags={"lrstudy.verdict": "unstable"})
    log_training(experiment, falling(0.05, 20), lr="0.01", tags={"lrstudy.verdict": "good"})
    slow = [2.3 - 0.02 * epoch for epoch in range(21)]
    low = {"train_loss": slow, "val_loss": slow, "val_accuracy": [1 - loss / 3 for loss in slow]}
    log_training(experiment, low, lr="0.0001", tags={"lrstudy.verdict": "good"})  # slow beside the best alone
    comparison = compared(experiment)
    assert [(one.lr, comparison.kind(one), comparison.verdict(one)) for one in comparison.group.cells] == [
        (0.0001, "low", "too slow"),
        (0.01, "good", "good"),
        (0.1, "high", "unstable"),
        (1.0, "very high", "diverged"),
    ]


def test_a_cell_is_diverged_if_one_of_its_seeds_is(experiment: str) -> None:
    log_losses(experiment, [0.1, 0.1], lr="0.1")
    log_training(experiment, {"val_loss": [2.3, math.inf]}, lr="0.1", seed=2)
    log_losses(experiment, [0.5], lr="0.01")
    comparison = compared(experiment)
    assert [one.lr for one in comparison.ranking] == [0.01]
    assert comparison.verdict(cell(comparison, "adam", 0.1)) == "diverged"


def test_a_deviation_within_rounding_is_shown_as_zero() -> None:
    assert format_with_deviation(0.019914463593015807, 2e-17, format_loss) == "0.01991 ± 0"
    assert format_with_deviation(0.0, 0.0, format_loss) == "0 ± 0"
    assert format_with_deviation(0.019914463593015807, 0.0012, format_loss) == "0.0199 ± 0.0012"
    assert format_with_deviation(0.5859545, 0.0000018, format_loss) == "0.58595 ± <0.00001"
    assert format_with_deviation(0.5859545, 0.000018, format_loss) == "0.58595 ± 0.00002"
    assert format_with_deviation(4.071e-05, 3.4e-06, format_loss) == "0.0000407 ± 0.0000034"
    assert format_with_deviation(0.727, 0.0, format_percent) == "72.7% ± 0.0%"
    assert format_with_deviation(0.727, 0.0001, format_percent) == "72.7% ± <0.1%"

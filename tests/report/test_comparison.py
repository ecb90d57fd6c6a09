"""The report's conclusions, against numbers worked out by hand."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag

from known_runs import falling, log_training
from lrstudy.formatting import format_loss, format_with_deviation
from lrstudy.report.cells import Cell, Group
from lrstudy.report.commands import grid_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_measures import generalisation_gap, steadiness
from lrstudy.report.figures.style import OPTIMIZER_STYLES, optimizer_styles
from lrstudy.report.grouping import group_runs
from lrstudy.report.load_runs import load_runs
from lrstudy.report.optimizer_summary import Open
from lrstudy.report.outcomes import number_seeds
from lrstudy.report.run_settings import optimizer_name
from lrstudy.report.warnings import find_warnings
from lrstudy.settings import TrainSettings

# Of a run that another program has logged.
FOREIGN = {"lrstudy.kind": "", "lrstudy.data_digest": ""}


@pytest.fixture
def experiment(tracking_uri: str) -> str:
    return os.environ["MLFLOW_EXPERIMENT_ID"]


def groups(experiment: str) -> list[Group]:
    return group_runs(load_runs(experiment=experiment))[0]


def compared(experiment: str) -> Comparison:
    (one,) = groups(experiment)
    return Comparison(one)


def cell(comparison: Comparison, optimizer: str, lr: float) -> Cell:
    (one,) = [cell for cell in comparison.group.of(optimizer) if cell.lr == lr]
    return one


def log_losses(experiment: str, losses: Sequence[float], **settings: Any) -> None:
    """Log a training per loss, with seeds from 0: at that validation loss from epoch 1 on."""
    for seed, loss in enumerate(losses):
        curves = {"val_loss": [2.3, loss, loss], "train_loss": [2.3, loss, loss], "val_accuracy": [0.1, 0.9, 0.9]}
        log_training(experiment, curves, seed=seed, **settings)


def test_learning_rates_are_the_same_however_they_are_typed(experiment: str) -> None:
    for seed, lr in enumerate(("1e-3", ".001", "0.0010", "'1e-3'")):
        log_training(experiment, falling(0.1), lr=lr, seed=seed)
    log_training(experiment, falling(0.1), lr="1e-2", hidden=" 8", epochs="4.0", momentum="0")
    log_training(experiment, falling(0.1), lr="1E-2", seed="1.0", momentum="0.0")
    first, second = groups(experiment)
    assert [(one.lr, one.n) for one in first.cells] == [(0.001, 4)]
    assert [(one.lr, one.n) for one in second.cells] == [(0.01, 2)]


def test_the_settings_of_optimizers_make_cells_of_one_group_and_a_grid_of_them(experiment: str) -> None:
    log_training(experiment, falling(0.3), momentum="0.0", weight_decay="auto")  # as before the setting optimizer_args
    for momentum, weight_decay, args in (("0.9", "auto", "none"), ("0.9", "0.01", "none"), ("0", "auto", "alpha=0.5")):
        log_training(experiment, falling(0.2), momentum=momentum, weight_decay=weight_decay, optimizer_args=args)
    (group,) = groups(experiment)
    assert [cell.optimizer for cell in group.cells] == [
        "adam",
        "adam alpha=0.5",
        "adam momentum=0.9",
        "adam momentum=0.9 weight_decay=0.01",
    ]
    command = grid_command(group, group.cells)
    assert command is not None
    for part in ("-P optimizers=adam", "-P 'optimizer_args=none|alpha=0.5'", "weight_decay=auto,0.01"):
        assert part in command


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


def test_settings_of_the_recipe_separate_groups_unless_they_are_at_their_defaults(experiment: str) -> None:
    log_training(experiment, falling(0.3))
    log_training(experiment, falling(0.3), seed="1", schedule="constant", warmup="0.0", ema="0")
    log_training(experiment, falling(0.3), schedule="cosine")
    assert sorted(len(group.runs) for group in groups(experiment)) == [1, 2]


@pytest.mark.parametrize(
    "other",
    [
        {"epochs": "5"},
        {"hidden": "8,8"},
        {"batch_size": "7"},
        {"tags": {"lrstudy.data_digest": "f" * 32}},
        {"data": "other", "tags": {"lrstudy.data_digest": ""}},
        {"dropout": "0.5"},
    ],
)
def test_trainings_of_other_data_networks_or_settings_are_not_mixed(experiment: str, other: dict[str, Any]) -> None:
    log_training(experiment, falling(0.2))
    log_training(experiment, falling(0.2), lr="0.1")
    log_training(experiment, falling(0.1), lr="0.01", **other)
    first, second = groups(experiment)
    assert [one.lr for one in first.cells] == [0.001, 0.1]
    assert [one.lr for one in second.cells] == [0.01]


def test_an_optimizer_with_other_hyperparameters_is_another(experiment: str) -> None:
    for beta, lr in (("0.9", "0.1"), ("0.9", "0.01"), ("0.5", "0.01")):
        hyperparameters: dict[str, Any] = {"optimizer.beta": beta, "optimizer.eps": "1e-8"}
        log_training(experiment, falling(0.2), lr=lr, **hyperparameters)
    (one,) = groups(experiment)
    assert [(cell.optimizer, cell.lr) for cell in one.cells] == [
        ("adam beta=0.5", 0.01),
        ("adam beta=0.9", 0.01),
        ("adam beta=0.9", 0.1),
    ]


def test_trainings_of_different_lengths_are_not_mixed_where_no_epochs_are_logged(experiment: str) -> None:
    client = MlflowClient()
    for lr, epochs in (("0.1", 5), ("0.01", 5), ("0.01", 9)):
        log_bare(client, experiment, falling(0.1, epochs), lr)
    log_bare(client, experiment, {"val_loss": [2.3, math.nan]}, "1")
    first, second = groups(experiment)
    assert [cell.lr for cell in first.cells] == [0.01, 0.1, 1.0]
    assert [cell.lr for cell in second.cells] == [0.01]


def log_bare(client: MlflowClient, experiment: str, curves: dict[str, list[float]], lr: str) -> None:
    """Log a run of another program, with nothing but an optimizer, a learning rate and the curves."""
    run = client.create_run(experiment).info.run_id
    client.log_param(run, "optimizer", "Adam")
    client.log_param(run, "lr", lr)
    for step, loss in enumerate(curves["val_loss"]):
        client.log_metric(run, "val_loss", loss, step=step)
    client.set_terminated(run)


def test_parameters_that_name_a_run_are_not_settings(experiment: str) -> None:
    for number in range(5):
        log_training(experiment, falling(0.1), lr=f"{10.0**-number}", output=f"/runs/{number}")
    made, remarks = group_runs(load_runs(experiment=experiment))
    assert len(made) == 1
    assert remarks == ["Parameters that differ in every run are read as names, not as settings: output."]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hidden", ("8", "8,4", "4,8", "16")),
        ("epochs", (1, 2, 3, 4)),
        ("batch_size", (16, 32, 64, 128)),
        ("arch", ("vgg11", "vgg13", "vgg16", "vgg19")),
    ],
)
def test_settings_that_differ_in_every_run_are_settings(experiment: str, name: str, values: tuple[object, ...]) -> None:
    for value in values:
        settings: dict[str, Any] = {name: value}
        log_training(experiment, falling(0.1), **settings)
    assert [len(one.cells) for one in groups(experiment)] == [1] * 4


def test_data_sets_that_are_logged_as_inputs_are_not_mixed(experiment: str) -> None:
    client = MlflowClient()
    for lr, name in (("0.1", "cats"), ("0.01", "cats"), ("0.1", "galaxies")):
        run = log_training(experiment, falling(0.1), lr=lr, tags=FOREIGN)
        data = Dataset(name, f"digest of {name}", "local", "{}")
        client.log_inputs(run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    first, second = groups(experiment)
    assert ([one.lr for one in first.cells], [one.lr for one in second.cells]) == ([0.01, 0.1], [0.1])
    assert first.settings["data sets"] == "cats (digest o)"


def test_an_optimizer_is_the_same_by_the_name_of_its_class(experiment: str) -> None:
    names = ("Adam", "'adam'", "torch.optim.Adam", "torch.optim.adam.Adam", "adam_v1.2")
    for name, lr in zip(names, ("1", "0.1", "0.01", "0.001", "1"), strict=True):
        log_training(experiment, falling(0.1), optimizer=name, lr=lr)
    (one,) = groups(experiment)
    assert (len(one.of("adam")), len(one.of("adam_v1.2"))) == (4, 1)


def test_the_class_of_a_user_keeps_its_spelling() -> None:
    assert optimizer_name("path/To/Mine.py:SignSGD") == "path/To/Mine.py:SignSGD"


def test_steps_of_another_program_that_are_batches_become_epochs(experiment: str) -> None:
    client = MlflowClient()
    # Of ten batches an epoch: one counts them from 1, the other from 0.
    for typed, first in (("0.1", 0), ("0.01", 1)):
        run = log_training(experiment, {}, lr=typed, tags=FOREIGN, epochs="4")
        for epoch in (1, 2, 3, 4):
            client.log_metric(run, "val_loss", 1 / epoch, step=10 * epoch - first)
            client.log_metric(run, "val_accuracy", 1 - 0.2 / epoch, step=10 * epoch - first)
        client.log_metric(run, "train_loss", 1.0, step=5 - first)
    comparison = compared(experiment)
    for lr in (0.1, 0.01):
        (training,) = cell(comparison, "adam", lr).trainings
        assert list(training.run.curves["val_loss"].steps) == [1, 2, 3, 4]
        assert list(training.run.curves["train_loss"].steps) == [0.5]
        assert (training.last_epoch, training.best_epoch, comparison.epochs_to_target(training)) == (4, 4, 3)
    assert any(
        "2 of 2 trainings have more steps than epochs" in one for one in load_runs(experiment=experiment).left_out
    )


def test_the_first_loss_is_that_of_the_untrained_network_only_where_that_is_known(experiment: str) -> None:
    losses = {"val_loss": [2.3, 1.0, 0.5, 0.4]}
    log_training(experiment, losses, lr="0.1", epochs="4", tags=FOREIGN)  # four epochs, counted from 0
    log_training(experiment, losses, lr="0.01", epochs="3", tags=FOREIGN)
    log_training(experiment, losses, lr="0.001", epochs="4")  # ended early, but it is the project's
    trainings = [one for some in groups(experiment) for cell in some.cells for one in cell.trainings]
    untrained = {one.run.params["lr"]: one.untrained_loss for one in trainings}
    assert (untrained["0.01"], untrained["0.001"]) == (2.3, 2.3)
    assert math.isnan(untrained["0.1"])


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


def test_the_same_data_elsewhere_are_the_same_data(experiment: str) -> None:
    log_training(experiment, falling(0.2), data="/here/photos", image_size="0", threads="1", device="cpu")
    log_training(experiment, falling(0.2), lr="0.1", data="/there/photos/", image_size="64", threads="2", device="auto")
    (one,) = groups(experiment)
    assert len(one.cells) == 2


def test_the_digest_decides_whatever_the_path_and_however_mlflow_quoted_it(experiment: str) -> None:
    by_mlflow = {"mlflow.project.entryPoint": "main"}
    log_training(experiment, falling(0.2), data="/x/my photos")
    log_training(experiment, falling(0.2), lr="0.1", data="'/x/my photos'", tags=by_mlflow)
    log_training(experiment, falling(0.2), lr="0.01", data="""'/y/it'"'"'s a copy/'""", tags=by_mlflow)
    (one,) = groups(experiment)
    assert len(one.cells) == 3
    assert one.settings["data"] == "my photos or it's a copy (01234567)"
    other = {"lrstudy.data_digest": "0" * 32}
    log_training(experiment, falling(0.2), data="/x/my photos", tags=other)
    assert [one.settings["data"] for one in groups(experiment)][1] == "my photos (00000000)"


def test_unfinished_runs_are_counted_and_never_ranked(experiment: str) -> None:
    log_training(experiment, falling(0.5))
    for status in ("RUNNING", "FAILED", "KILLED"):
        log_training(experiment, falling(0.01), lr="0.1", status=status)
    log_training(experiment, falling(0.01), lr="0.1", tags={"lrstudy.verdict": "pruned"})
    log_training(experiment, {"train_loss": [2.0, 0.1]}, lr="0.1")
    (one,) = groups(experiment)
    assert {reason: len(some) for reason, some in one.unranked.items()} == {
        "running": 1,
        "failed": 1,
        "killed": 1,
        "pruned": 1,
        "no validation loss": 1,
    }
    assert [ranked.lr for ranked in Comparison(one).ranking] == [0.001]


def test_the_latest_training_counts_if_a_seed_was_repeated(experiment: str) -> None:
    log_training(experiment, falling(0.5))
    log_training(experiment, falling(0.25))
    comparison = compared(experiment)
    (one,) = comparison.group.cells
    assert one.n == 1
    assert one.loss.mean == pytest.approx(0.25 + 2.05 / 16)
    assert len(comparison.group.unranked["repeated"]) == 1


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


def test_sensitivity_is_wortsmans(experiment: str) -> None:
    for lr, last in (("0.001", 2.0), ("0.01", 0.5), ("0.1", 9.0)):
        log_training(experiment, {"val_loss": [2.3, 0.4, last]}, lr=lr)
    log_training(experiment, {"val_loss": [2.3, 0.4, math.nan]}, lr="1")
    found = compared(experiment).of("adam").sensitivity
    # min(2, 2.3), min(0.5, 2.3), min(9, 2.3) and 2.3 for the diverged one; the lowest is 0.5.
    assert found.value == pytest.approx((2.0 + 0.5 + 2.3 + 2.3) / 4 - 0.5)
    assert (found.low, found.high, found.points) == (0.001, 1.0, 4)


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

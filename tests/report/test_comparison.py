"""The report's conclusions, against numbers worked out by hand."""

import math
import os
from collections.abc import Sequence
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag
from scipy.stats import ttest_ind

from known_runs import falling, log_training
from lrstudy.formatting import format_loss, format_with_deviation
from lrstudy.report.answer import make_answer
from lrstudy.report.answer_state import answer_state
from lrstudy.report.cells import Cell, Group
from lrstudy.report.commands import grid_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_measures import generalisation_gap, steadiness
from lrstudy.report.grouping import group_runs
from lrstudy.report.load_runs import load_runs
from lrstudy.report.run_settings import optimizer_name
from lrstudy.report.warnings import find_warnings

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
        "adam alpha=0.5 momentum=0 weight_decay=auto",
        "adam momentum=0 weight_decay=auto",
        "adam momentum=0.9 weight_decay=0.01",
        "adam momentum=0.9 weight_decay=auto",
    ]
    command = grid_command(group, group.cells)
    assert command is not None
    for part in ("-P optimizers=adam", "-P 'optimizer_args=alpha=0.5|none'", "weight_decay=auto,0.01"):
        assert part in command


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


def test_a_cell_behind_a_clearly_worse_one_is_not_tied(experiment: str) -> None:
    log_losses(experiment, [0.100, 0.101, 0.102], lr="0.1")
    log_losses(experiment, [0.101, 0.103, 0.101], lr="0.01")
    log_losses(experiment, [0.110, 0.111, 0.112], lr="0.001")
    log_losses(experiment, [0.100, 0.120, 0.150], lr="0.0001")
    comparison = compared(experiment)
    assert [cell.lr for cell in comparison.ranking] == [0.1, 0.01, 0.001, 0.0001]
    assert comparison.difference(comparison.ranking[3]).is_noise
    assert [comparison.tied(cell) for cell in comparison.ranking] == [False, True, False, False]


def test_seeds_with_a_fault_that_the_cell_has_not_are_counted(experiment: str) -> None:
    for seed, verdict in enumerate(("good", "good", "collapsed")):
        log_training(experiment, falling(0.1), seed=seed, tags={"lrstudy.verdict": verdict})
    comparison = compared(experiment)
    (one,) = comparison.ranking
    assert (comparison.verdict(one), comparison.exceptions(one)) == ("good", "1 of 3 collapsed")


def test_a_best_cell_that_is_not_the_most_accurate_is_warned_of(experiment: str) -> None:
    for lr, loss, accuracy in (("0.001", 0.10, 0.94), ("0.01", 0.12, 0.98), ("0.1", 0.2, 0.975)):
        log_training(experiment, {"val_loss": [2.3, loss], "val_accuracy": [0.1, accuracy]}, lr=lr)
    comparison = compared(experiment)
    found = find_warnings(comparison, None)
    (text,) = [one.text for one in found if one.code == "accuracy_disagrees"]
    assert "adam 0.001, is not the most accurate: it has 94.0%, adam 0.01 98.0%" in text
    sentences = " ".join(make_answer(comparison, answer_state(comparison, None), None).sentences)
    assert "By accuracy adam is better with 0.01 (98.0%)" in sentences
    assert "is 0.01 to 0.1, 1.0 decades, and this learning rate is outside" in sentences


def test_a_slow_cell_of_unknown_accuracy_does_not_miss_the_target(experiment: str) -> None:
    log_training(experiment, falling(0.01, 20), lr="0.01", epochs="20")
    slow = {"val_loss": [2.3 - 0.03 * epoch for epoch in range(21)]}
    log_training(experiment, slow, lr="0.1", epochs="20")
    comparison = compared(experiment)
    one = cell(comparison, "adam", 0.1)
    assert comparison.verdict(one) == "too slow"
    assert "target" not in comparison.reason(one)


def test_a_noisy_cell_is_not_tied_if_its_accuracy_is_lower(experiment: str) -> None:
    log_losses(experiment, [0.10, 0.12], lr="0.01")
    noisy = {"val_accuracy": [0.1, 0.85, 0.85]}
    for seed, loss in enumerate((0.11, 0.6)):
        log_training(experiment, {"val_loss": [2.3, loss, loss], **noisy}, lr="0.1", seed=seed)
    comparison = compared(experiment)
    other = cell(comparison, "adam", 0.1)
    assert comparison.difference(other).is_noise
    assert not comparison.tied(other)


def test_without_seeds_in_common_the_interval_is_welchs(experiment: str) -> None:
    for seed, (lr, loss) in enumerate([("0.01", 0.10), ("0.01", 0.12), ("0.01", 0.11), ("0.1", 0.15), ("0.1", 0.13)]):
        log_training(experiment, {"val_loss": [2.3, loss]}, lr=lr, seed=seed)
    comparison = compared(experiment)
    found = comparison.difference(cell(comparison, "adam", 0.1))
    assert (found.paired, found.n) == (False, 2)
    assert found.mean == pytest.approx(0.03)
    expected = ttest_ind([0.15, 0.13], [0.10, 0.12, 0.11], equal_var=False).confidence_interval()
    assert found.mean + found.margin == pytest.approx(expected.high)


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


def test_differences_are_paired_by_seed_with_a_t_interval(experiment: str) -> None:
    log_losses(experiment, [0.10, 0.12, 0.11], lr="0.01")
    log_losses(experiment, [0.13, 0.14, 0.15], lr="0.1")
    log_losses(experiment, [0.11, 0.12, 0.12], lr="0.001")
    comparison = compared(experiment)
    worse = comparison.difference(cell(comparison, "adam", 0.1))
    # Differences 0.03, 0.02, 0.04: mean 0.03, standard deviation 0.01; 4.302653 is the t of 97.5% for 2 degrees.
    assert worse.mean == pytest.approx(0.03)
    assert worse.n == 3
    assert worse.margin == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-6)
    assert not worse.is_noise
    near = comparison.difference(cell(comparison, "adam", 0.001))
    # Differences 0.01, 0, 0.01: mean 0.02/3, standard deviation sqrt(1/3)/100.
    assert near.margin == pytest.approx(4.302653 * math.sqrt(1 / 3) / 100 / math.sqrt(3), rel=1e-6)
    assert near.is_noise
    assert comparison.runner_up is cell(comparison, "adam", 0.001)
    assert comparison.best is cell(comparison, "adam", 0.01)
    assert comparison.best.loss.deviation == pytest.approx(0.01)


def test_with_one_seed_nothing_is_tied(experiment: str) -> None:
    log_losses(experiment, [0.10], lr="0.01")
    log_losses(experiment, [0.10001], lr="0.1")
    comparison = compared(experiment)
    assert not comparison.tied(cell(comparison, "adam", 0.1))
    assert math.isnan(comparison.difference(cell(comparison, "adam", 0.1)).margin)


def test_the_usable_band_has_no_gaps_and_is_measured_in_decades(experiment: str) -> None:
    accuracies = {"1e-5": 0.955, "1e-4": 0.90, "1e-3": 0.95, "1e-2": 0.96, "1e-1": 0.951, "1": 0.94}
    for lr, accuracy in accuracies.items():
        log_training(experiment, {"val_loss": [2.3, 1 - accuracy], "val_accuracy": [0.1, accuracy]}, lr=lr)
    band = compared(experiment).of("adam").band
    assert band is not None
    assert (band.low, band.high, band.points) == (0.001, 0.1, 3)
    assert band.decades == pytest.approx(2)


@pytest.mark.parametrize(
    ("losses", "low", "high"),
    [
        ([0.1, 0.2, 0.3], True, False),
        ([0.3, 0.2, 0.1], False, True),
        ([0.2, 0.1, 0.3], False, False),
        ([0.1], True, True),
    ],
)
def test_a_best_at_the_edge_is_not_bracketed(experiment: str, losses: list[float], low: bool, high: bool) -> None:
    for lr, loss in zip(("0.001", "0.01", "0.1"), losses, strict=False):
        log_losses(experiment, [loss], lr=lr)
    found = compared(experiment).of("adam")
    assert (found.open_low, found.open_high, found.bracketed) == (low, high, not (low or high))


def test_a_diverged_neighbour_brackets_too(experiment: str) -> None:
    log_losses(experiment, [0.3], lr="0.001")
    log_losses(experiment, [0.1], lr="0.01")
    log_training(experiment, {"val_loss": [2.3, math.nan], "train_loss": [2.3, math.inf]}, lr="0.1")
    assert compared(experiment).of("adam").bracketed


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

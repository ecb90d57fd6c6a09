"""The trainings that are compared with each other, and those that are kept apart."""

import math
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag

from compared_runs import cell, compared, groups
from known_runs import falling, log_training
from lrstudy.report.commands import grid_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.grouping import group_runs
from lrstudy.report.load_runs import load_runs
from lrstudy.report.run_settings import optimizer_name

# Of a run that another program has logged.
FOREIGN = {"lrstudy.kind": "", "lrstudy.data_digest": ""}


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

"""Train a run on: in a new run, with its settings and more epochs."""

import io
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from conftest import mlflow_run
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import checkpoint, setup
from lrstudy.training.continuation import write_beginning
from lrstudy.training.progress import Progress, initial_progress, track_best
from lrstudy.training.result import Beginning
from studies import curves, finals, only_run, run_script, run_train, trainings

SHORT = ("--hidden", "8", "--batch_size", "600", "--lr", "0.01")
NO_WARNINGS = "warning: "


def train(settings: TrainSettings, beginning: Beginning | None = None) -> tuple[setup.TrainingSetup, Progress]:
    """Train to the end, after `beginning` if it is given."""
    training = setup.build(planned(settings))
    progress = initial_progress(training)
    if beginning:
        write_beginning(training, "a new run", beginning)
        training, progress = checkpoint.resume(setup.build(planned(settings)), "a new run")
    for _ in track_best(training, progress, training.epochs(len(progress.history) - 1)):
        pass
    return training, progress


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"optimizer": "sgd", "momentum": 0.9, "warmup": 1.5, "augment": "crop"},
        {"optimizer": "adamw", "ema": 0.9, "model": "cnn"},
    ],
)
def test_epochs_in_two_parts_have_the_bits_of_those_in_one_go(recipe: dict[str, object]) -> None:
    settings = TrainSettings.model_validate({"hidden": (4,), "batch_size": 600, "lr": 0.01, "epochs": 3, **recipe})
    training, progress = train(settings)
    assert progress.best is not None
    state = checkpoint.state(training, progress)
    kept = Beginning(tuple(progress.history), progress.best.epoch, state, None)
    longer = settings.model_copy(update={"epochs": 5})
    two_parts, one_go = train(longer.model_copy(update={"continue_from": "a run"}), kept), train(longer)
    assert bits(two_parts[1]) == bits(one_go[1])
    for name, value in one_go[0].network.state_dict().items():
        assert torch.equal(two_parts[0].network.state_dict()[name], value)
    for kept_weights in ("best_weights", "average_weights"):
        ours, whole = (getattr(each[1], kept_weights) for each in (two_parts, one_go))
        assert ours.keys() == whole.keys()
        assert all(torch.equal(ours[name], value) for name, value in whole.items())


def bits(progress: Progress) -> list[dict[str, float]]:
    return [epoch.metrics for epoch in progress.history]


def train_on(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_script("train.py", "--continue_from", run.info.run_id, *arguments)


def error_of(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2, ended.stdout
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith(NO_WARNINGS)]
    return line


@pytest.fixture
def first(tracking_uri: str) -> Run:
    """A training that has kept its last state."""
    run_train(*SHORT, "--epochs", "3", "--keep", "last", "--seed", "7")
    return only_run()


@pytest.mark.slow
def test_a_run_is_continued_in_a_new_run_that_names_it(first: Run) -> None:
    ended = train_on(first, "--epochs", "5")
    assert ended.returncode == 0, ended.stderr
    assert f"continuing run {first.info.run_id} after epoch 3, its last, from its last state\n" in ended.stdout
    assert "epoch 3/5" not in ended.stderr
    (second,) = [run for run in trainings() if run.info.run_id != first.info.run_id]
    assert second.data.tags["lrstudy.continue_from"] == first.info.run_id
    for name, value in {"seed": "7", "lr": "0.01", "hidden": "8", "epochs": "5", "keep": "last"}.items():
        assert second.data.params[name] == value
    run_train(*SHORT, "--epochs", "5", "--seed", "7")
    (whole,) = [run for run in trainings() if run.info.run_id not in (first.info.run_id, second.info.run_id)]
    assert curves(second) == curves(whole)
    assert finals(second) == finals(whole)
    assert second.data.tags["lrstudy.key"] != whole.data.tags["lrstudy.key"]


@pytest.mark.slow
def test_a_run_that_cannot_be_continued_is_refused_and_one_without_its_last_state_begins_at_its_best(
    first: Run,
) -> None:
    client = MlflowClient()
    run_id = first.info.run_id
    state = Path(first.info.artifact_uri.removeprefix("file://"), "last_state.pt")
    content = state.read_bytes()
    for arguments, sentence in (
        (["--epochs", "3"], "epochs='3' is not more than the 3 of the run; use epochs=6[.]"),
        (
            ["--epochs", "9", "--lr", "0.1"],
            "lr='0.1' differs from 0.01, which the run has and its continuation .*",
        ),
    ):
        assert re.fullmatch(f"error: {sentence}", error_of(train_on(first, *arguments)))
    for run, sentence in (
        (client.create_run(first.info.experiment_id).info.run_id, "is not a finished training of this project[.]"),
        ("0" * 32, ": the tracking server .* has no such run[.]"),
    ):
        ended = run_script("train.py", "--continue_from", run, "--epochs", "9")
        assert re.fullmatch(f"error: continue_from='{run}' ?{sentence}", error_of(ended))

    def refused(sentence: str) -> None:
        assert re.fullmatch(f"error: continue_from='{run_id}' ?{sentence}", error_of(train_on(first, "--epochs", "9")))

    state.write_bytes(content[:-1])
    refused(f": the artifact last_state.pt of run {run_id} has changed since it was logged, and is not used[.]")
    state.unlink()
    client.update_run(run_id, status="RUNNING")
    refused("is RUNNING; the command that started it resumes it[.]")
    client.update_run(run_id, status="FINISHED")
    change("update params set value = 'cosine' where run_uuid = ? and key = 'schedule'", run_id)
    refused(
        r": its learning rate ends with its last epoch \(schedule=cosine\), so there is nothing to continue; train "
        r"anew with epochs=9, or from its weights with weights=FILE, its artifact weights[.]pt[.]"
    )
    change("update params set value = 'constant' where run_uuid = ? and key = 'schedule'", run_id)
    check_best(first)


def change(statement: str, *values: object) -> None:
    """Change the tracking database behind MLflow's back."""
    with closing(sqlite3.connect(mlflow.get_tracking_uri().removeprefix("sqlite:///"))) as database:
        assert database.execute(statement, values).rowcount == 1
        database.commit()


def check_best(first: Run) -> None:
    """Continue from the best weights, under `mlflow run`."""
    ended = mlflow_run("main", continue_from=first.info.run_id, epochs="5")
    assert ended.returncode == 0, ended.stderr
    assert "its best: it has kept these weights alone, so the optimizer starts anew" in ended.stdout
    (second,) = [run for run in trainings() if run.info.run_id != first.info.run_id]
    assert second.info.status == "FINISHED"
    params = {name: second.data.params[name] for name in ("seed", "lr", "hidden")}
    assert params == {"seed": "7", "lr": "0.01", "hidden": "8"}
    best = int(first.data.metrics["best/epoch"])
    old, new = curves(first)["val_loss"], curves(second)["val_loss"]
    assert new[: best + 1] == old[: best + 1]
    assert [step for step, _ in new] == list(range(6))
    assert new[best + 1][1] < old[0][1]
    experiment = [second.info.experiment_id]
    (opened,) = mlflow.search_runs(experiment, "tags.`lrstudy.kind` = 'continue'", output_format="list")
    assert opened.info.status == "FINISHED"
    assert opened.data.tags["lrstudy.continue_from"] == first.info.run_id


def test_a_state_of_something_else_runs_nothing_and_is_refused() -> None:
    settings = TrainSettings(hidden=(4,), epochs=2, continue_from="a run")
    content = io.BytesIO()
    torch.save({"network": {}, "optimizer": print}, content)
    with pytest.raises(Exception, match="continue_from='a run': what the run has kept is damaged, or of another"):
        write_beginning(setup.build(planned(settings)), "x", Beginning((), 0, content.getvalue(), None))

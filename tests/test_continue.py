"""Train a run on: in a new run, with its settings and more epochs."""

import io
import re
import subprocess

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
    for first, second in ((two_parts[1], one_go[1]),):
        assert all(torch.equal(first.best_weights[name], value) for name, value in second.best_weights.items())
        assert all(torch.equal(first.average_weights[name], value) for name, value in second.average_weights.items())


def bits(progress: Progress) -> list[dict[str, float]]:
    return [epoch.metrics for epoch in progress.history]


def train_on(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_script("train.py", "--continue_from", run.info.run_id, *arguments)


def error_of(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2, ended.stdout
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith(NO_WARNINGS)]
    return line


@pytest.mark.usefixtures("tracking_uri")
def test_a_run_is_continued_in_a_new_run_that_names_it() -> None:
    client = MlflowClient()
    run_train(*SHORT, "--epochs", "3", "--keep", "last", "--seed", "7")
    first = only_run()
    assert {"last_state.pt", "weights.pt"} <= {file.path for file in client.list_artifacts(first.info.run_id)}
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
    for arguments, sentence in (
        (["--epochs", "3"], "error: epochs='3' is not more than the 3 of the run; use epochs=6."),
        ([], "error: epochs='50' is not more than the 3 of the run"),
        (["--epochs", "9", "--lr", "0.1"], "error: lr='0.1' differs from 0.01, which the run has and its continuation"),
        (["--epochs", "9", "--data", "mnist"], "error: "),
    ):
        if arguments:
            assert error_of(train_on(first, *arguments)).startswith(sentence)


@pytest.mark.usefixtures("tracking_uri")
def test_runs_that_cannot_be_continued_are_refused_with_what_would_do() -> None:
    client = MlflowClient()
    run_train(*SHORT, "--epochs", "3", "--schedule", "cosine")
    run = only_run()
    assert re.fullmatch(
        r"error: continue_from='\w+': its learning rate ends with its last epoch \(schedule=cosine\), so there is "
        r"nothing to continue; train anew with epochs=9, or from its weights with weights=FILE, its artifact "
        r"weights.pt.",
        error_of(train_on(run, "--epochs", "9")),
    )
    other = client.create_run(run.info.experiment_id)
    for status, sentence in (("RUNNING", "is RUNNING; the command that started it resumes it[.]"),):
        client.update_run(run.info.run_id, status=status)
        assert re.fullmatch(rf"error: continue_from='\w+' {sentence}", error_of(train_on(run, "--epochs", "9")))
    assert error_of(train_on(other, "--epochs", "9")).endswith("is not a finished training of this project.")
    missing = run_script("train.py", "--continue_from", "0" * 32, "--epochs", "9")
    assert re.fullmatch(r"error: continue_from='0+': the tracking server .* has no such run.", error_of(missing))


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_mlflow_run_continues_from_the_best_weights_where_these_alone_were_kept() -> None:
    run_train(*SHORT, "--epochs", "3", "--seed", "7")
    first = only_run()
    ended = mlflow_run("main", continue_from=first.info.run_id, epochs="5")
    assert ended.returncode == 0, ended.stderr
    assert "its best: it has kept these weights alone, so the optimizer starts anew" in ended.stdout
    (second,) = [run for run in trainings() if run.info.run_id != first.info.run_id]
    assert second.info.status == "FINISHED"
    assert {name: second.data.params[name] for name in ("seed", "lr", "hidden")} == {
        "seed": "7",
        "lr": "0.01",
        "hidden": "8",
    }
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

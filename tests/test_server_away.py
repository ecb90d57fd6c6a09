"""A study and a training whose tracking server becomes unavailable after the start, through their entry points."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow.entities import Run, ViewType

from conftest import ROOT
from lrstudy import cache_paths
from lrstudy.tracking import journal
from paused import EPOCHS, PAUSES, release, running_with_pauses, wait_for_pause
from preloaded_process import run_preloaded
from servers import Front
from studies import children, curves, finals, run_script, run_study, run_train, running_study, runs, studies, trainings

GRID = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01", "--epochs", str(EPOCHS), "--hidden", "16")


# A training that waits half a second at its end for a server that does not answer.
IMPATIENT_TRAINING = """
from lrstudy.cli.entry_point import run_main
from lrstudy.study.commands import run_train
from lrstudy.tracking import tracked_run
tracked_run.MAX_OFFLINE_SECONDS = 0.5
run_main(run_train)
"""


def wait_for_a_curve(process: subprocess.Popen[str]) -> None:
    client, experiment = mlflow.MlflowClient(), os.environ["MLFLOW_EXPERIMENT_ID"]
    while not any("val_loss" in run.data.metrics for run in client.search_runs([experiment])):
        assert process.poll() is None
        time.sleep(0.05)


def wait_for_journal(process: subprocess.Popen[str]) -> None:
    """Wait until the process has a journal on disk, which it begins once a call has failed."""
    while not journal.pending_journals():
        assert process.poll() is None
        time.sleep(0.05)


def logged() -> dict[str, object]:
    """Return all that the server has of the study, except ids and times, by the names of the runs."""
    (study,) = studies()
    trials = children(study)
    models = mlflow.search_logged_models([study.info.experiment_id], output_format="list")
    names = {run.info.run_id: run.info.run_name for run in [study, *trials]}
    return {
        "models": [(names[model.source_run_id or ""], str(model.status), model.params) for model in models],
        "best": names[study.data.tags["lrstudy.best_run"]],
        **{str(run.info.run_name): logged_by(run) for run in [study, *trials]},
    }


def logged_by(run: Run) -> list[object]:
    ids = ("lrstudy.process", "lrstudy.best_run", "mlflow.parentRunId")
    tags = {name: value for name, value in run.data.tags.items() if name not in ids}
    client, run_id = mlflow.MlflowClient(), run.info.run_id
    files = {file.path for folder in ("", "figures") for file in client.list_artifacts(run_id, folder)}
    assert run.inputs is not None
    inputs = sorted(dataset_input.dataset.digest for dataset_input in run.inputs.dataset_inputs)
    return [run.info.status, curves(run), finals(run), set(run.data.metrics), run.data.params, tags, files, inputs]


@pytest.mark.slow
def test_a_study_continues_while_its_server_is_away_and_logs_the_same_as_an_undisturbed_one(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run_study("grid", *GRID)
    assert ended.returncode == 0, ended.stderr
    undisturbed = logged()

    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", mlflow.create_experiment(f"disturbed by {front.url}"))
    with running_with_pauses("grid", *GRID) as process:
        wait_for_a_curve(process)
        front.how = "close"
        release()
        assert process.stdout is not None
        assert process.stderr is not None
        # All trials end, and those begin that had not, and the best has its pictures made.
        first_lines = [process.stderr.readline() for _ in range(5)]
        assert next(line for line in process.stdout if line.startswith("sgd        0.01"))
        front.how = "pass on"
        rest = process.communicate()
    assert process.returncode == 0, rest
    assert any(
        "cannot be used now (it closes connections): training continues; log calls are queued in" in line
        for line in first_lines
    )
    assert "can be used again; all queued log calls are sent" in rest[1]
    assert logged() == undisturbed
    assert journal.pending_journals() == []


@pytest.mark.slow
def test_trainings_of_a_study_killed_while_its_server_is_away_are_reused(front: Front) -> None:
    with running_with_pauses("grid", *GRID, "--optimizers", "adam") as process:
        wait_for_a_curve(process)
        front.how = "answer 500"
        release(PAUSES[0])
        wait_for_journal(process)  # to which all further calls go at once
        release()
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("adam       0.01"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    front.how = "pass on"
    assert len(journal.pending_journals()) == 1
    again = run_study("grid", *GRID, "--optimizers", "adam")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("reused") == 2
    assert "log calls sent to the tracking server" in again.stderr
    for run in children(studies()[-1]):
        assert [step for step, _ in curves(run)["val_loss"]] == list(range(EPOCHS + 1))
        assert all(len(values) == 1 for values in finals(run).values())


@pytest.mark.slow
def test_a_study_reuses_existing_runs_if_its_server_goes_away_after_the_start(front: Front) -> None:
    settings = (*GRID, "--optimizers", "adam")
    ended = run_study("grid", *settings, "--lrs", "0.1")
    assert ended.returncode == 0, ended.stderr
    with running_with_pauses("grid", *settings) as process:
        while not any(run.data.metrics.get("val_loss") for run in trainings() if run.info.status == "RUNNING"):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    there = [run.info.run_id for run in trainings()]
    assert len(there) == 2

    front.how, front.until = "close", b"lrstudy.key"  # what is asked of the first trial
    with running_study("grid", *settings, "--lrs", "0.1,0.01,0.001") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("adam       0.001"):
                break
        front.how = "pass on"
        rest = process.communicate()
    assert process.returncode == 0, rest
    assert "cannot be used now (it closes connections)" in rest[1]
    assert sum("reused" in line for line in lines) == 1
    assert [run.info.run_id for run in trainings()][:2] == there
    assert len(trainings()) == 3
    for run in trainings():
        assert run.info.status == "FINISHED"
        assert all([step for step, _ in some] == list(range(EPOCHS + 1)) for some in curves(run).values())
        assert all(len(values) == 1 for values in finals(run).values())


@pytest.mark.slow
def test_a_study_waits_for_a_server_that_alone_has_the_weights_of_its_best_training(front: Front) -> None:
    settings = (*GRID, "--optimizers", "sgd", "--epochs", "5", "--lrs")
    assert run_study("grid", *settings, "0.1,0.01,0.001,0.0001").returncode == 0
    # The best of all, 0.1, has figures and a model; a grid of one of the others makes its own.
    missing = {"0.01": b"figures", "0.001": b"artifacts/weights.pt", "0.0001": b"artifacts/history.csv"}
    for lr, until in missing.items():
        front.how, front.until = "close", until
        with running_study("grid", *settings, lr) as process:
            assert process.stderr is not None
            assert any("cannot be used now" in line for line in process.stderr), until
            front.how = "pass on"
            rest = process.communicate()
        assert process.returncode == 0, rest
        assert "could be made" not in rest[1]
        (run,) = [run for run in trainings() if run.data.params["lr"] == lr]
        client = mlflow.MlflowClient()
        assert len(client.list_artifacts(run.info.run_id, "figures")) > 1
        (model,) = mlflow.search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", output_format="list"
        )
        assert str(model.status) == "READY"


@pytest.mark.slow
def test_a_run_whose_creation_was_not_answered_has_no_duplicate(front: Front) -> None:
    front.how, front.until = "lose the answer", b"runs/create"
    front.meanwhile = lambda: setattr(front, "how", "pass on")  # after it was carried out
    run_train("--epochs", "2", "--hidden", "8")
    assert front.meanwhile is None
    (run,) = runs()
    assert run.info.status == "FINISHED"
    deleted = mlflow.MlflowClient().search_runs([run.info.experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert len(deleted) == 1


@pytest.mark.slow
def test_a_training_killed_while_its_server_is_away_resumes_its_run_after_its_journal_is_sent(front: Front) -> None:
    settings = ("--epochs", str(EPOCHS), "--hidden", "16")
    with running_with_pauses("train", *settings) as process:
        wait_for_a_curve(process)
        front.how = "close"
        release(PAUSES[0])
        assert process.stderr is not None
        next(line for line in process.stderr if "cannot be used now" in line)
        wait_for_pause(process, PAUSES[1])
        wait_for_journal(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    front.how = "pass on"
    (left,) = runs()
    assert len(journal.pending_journals()) == 1
    ended = run_script("train.py", *settings)
    assert ended.returncode == 0, ended.stderr
    assert "log calls sent to the tracking server" in ended.stderr
    assert f"in run {left.info.run_id}" in ended.stdout
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert all([step for step, _ in some] == list(range(EPOCHS + 1)) for some in curves(run).values())
    assert all(len(values) == 1 for values in finals(run).values())
    assert journal.pending_journals() == []
    assert not list(cache_paths.checkpoint("").parent.glob("*"))


def test_a_training_whose_server_never_returns_prints_the_command_that_sends_its_calls(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    front.how, front.until = "close", b"val_loss"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    ended = run_preloaded(["-c", IMPATIENT_TRAINING, "--epochs", "20"], env=environment)
    assert ended.returncode == 3
    assert "held-out test: accuracy" in ended.stdout
    last_line = re.fullmatch(
        r"error: the tracking server .* cannot be used .*; when the server is back, `(.*)` sends them\.",
        ended.stderr.splitlines()[-1],
    )
    assert last_line is not None
    assert last_line[1] == "python src/sync.py"
    front.how = "pass on"
    sent = subprocess.run(shlex.split(last_line[1]), capture_output=True, text=True)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert re.fullmatch(r"\d+ log calls sent to the tracking server .*\n", sent.stdout)
    (run,) = mlflow.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]], output_format="list")
    assert run.info.status == "FINISHED"
    assert all([step for step, _ in points] == list(range(21)) for points in curves(run).values())
    (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    saved = yaml.safe_load(mlflow.artifacts.load_text(f"{model.artifact_location}/MLmodel"))
    assert (saved["model_id"], saved["run_id"]) == (model.model_id, run.info.run_id)
    assert saved["artifact_path"] == model.artifact_location


def test_unsent_calls_exit_with_code_3_and_settings_of_sync_with_2() -> None:
    program = "from lrstudy.cli.entry_point import run_main; from lrstudy.errors import NotSyncedError\n"
    program += "def main(_):\n    raise NotSyncedError('it waits.')\nrun_main(main)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "src", capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (3, "error: it waits.\n")
    rejected = run_script("sync.py", "--now")
    assert (rejected.returncode, rejected.stderr.count("\n")) == (2, 1)
    assert rejected.stderr.startswith("error: '--now' is not a known parameter")
    both = run_script("sync.py", "--list", "--discard", "an id")
    assert (both.returncode, both.stderr) == (
        2,
        "error: list and discard exclude each other; list first, then discard.\n",
    )

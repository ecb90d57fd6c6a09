"""A single training that is killed and started again, compared with an undisturbed one."""

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Metric, Run

from conftest import ROOT, mlflow_run
from lrstudy import cache_paths
from lrstudy.image_losses import TEST_LOSSES, VAL_LOSSES
from lrstudy.tracking import owner
from preloaded_process import run_preloaded
from studies import curves, finals, reference_run, run_train, trainings

SETTINGS = ("--epochs", "40", "--hidden", "16", "--lr", "0.01")
# A checkpoint after each epoch up to 15, and death where the test says: by SIGKILL, with no chance to tidy up. After
# epoch 20 there is time to log it.
DOOMED = """
import os, signal, sys, time
import dying_tasks
from lrstudy.study import progress
from lrstudy.study import worker_tasks

def after_epoch_20(epochs, total):
    for epoch in epochs:
        yield epoch
        if epoch.epoch == 20:
            time.sleep(2)
            os.kill(os.getpid(), signal.SIGKILL)

worker_tasks.train = dying_tasks.train_with_checkpoints
if sys.argv[1] == "an epoch":
    worker_tasks.train = dying_tasks.train_to_epoch_20
    progress.print_progress = after_epoch_20
elif sys.argv[1] == "the model":
    worker_tasks.save_model = dying_tasks.kill_driver
else:
    worker_tasks.train = dying_tasks.train_and_die_once
    worker_tasks.save_model = dying_tasks.save_and_die_once

from lrstudy.study.commands import run_train
run_train(sys.argv[2:])
"""


def run_dying(dies: str) -> subprocess.CompletedProcess[str]:
    """Run a training of which `dies` is killed."""
    path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
    return run_preloaded(["-c", DOOMED, dies, *SETTINGS], env=os.environ | {"PYTHONPATH": path})


def killed(at: str) -> Run:
    """Return the run of a training that was killed at `at`."""
    ended = run_dying(at)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    (left,) = trainings()
    assert left.info.status == "RUNNING"
    assert cache_paths.checkpoint(left.info.run_id).exists()
    assert max(step for step, _ in curves(left)["val_loss"]) == (20 if at == "an epoch" else 40)
    return left


def files(run: Run, client: mlflow.MlflowClient) -> dict[str, bytes]:
    """Return a run's artifacts, except the one with times."""
    folder = Path(client.download_artifacts(run.info.run_id, ""))
    contents = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {name: content for name, content in contents.items() if name != "history.csv"}


def check_equals_undisturbed_training(run: Run) -> None:
    """Compare a resumed run with an undisturbed training of the same settings."""
    client = mlflow.MlflowClient()
    other_client, calm = reference_run(*SETTINGS)
    assert run.info.status == calm.info.status == "FINISHED"
    assert [step for step, _ in curves(run)["val_loss"]] == list(range(41))
    assert (curves(run), finals(run)) == (curves(calm, other_client), finals(calm, other_client))
    assert files(run, client) == files(calm, other_client)
    assert {VAL_LOSSES, TEST_LOSSES} <= set(files(run, client))
    assert set(run.data.metrics) == set(calm.data.metrics)
    assert {name: float(run.data.params[name]) for name in ("lr", "epochs")} == {"lr": 0.01, "epochs": 40}
    assert run.data.params.keys() == calm.data.params.keys()
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == 3
    for logged, its_client in ((run, client), (calm, other_client)):
        (model,) = its_client.search_logged_models([logged.info.experiment_id])
        assert (model.source_run_id, str(model.status)) == (logged.info.run_id, "READY")
    assert run.outputs is not None
    assert len(run.outputs.model_outputs) == 1
    assert not list((cache_paths.cache_folder() / "checkpoints").iterdir())


@pytest.mark.usefixtures("tracking_uri")
def test_a_training_killed_after_an_epoch_resumes_its_run_with_the_same_bits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = killed("an epoch")
    run_train(*SETTINGS)
    (run,) = trainings()
    assert run.info.run_id == left.info.run_id
    assert "resuming after epoch 15, in run" in capsys.readouterr().out
    check_equals_undisturbed_training(run)


@pytest.mark.usefixtures("tracking_uri")
def test_a_training_whose_workers_are_killed_is_retried_from_its_checkpoint_to_the_same_bits() -> None:
    ended = run_dying("workers")
    assert ended.returncode == 0, ended.stderr
    warning, *epochs = ended.stderr.splitlines()
    assert warning.startswith("warning: fewer than 300 steps")
    assert [line[:11] for line in epochs] == [f"epoch {n:>2}/40" for n in range(0, 41, 2)]
    assert (Path("died").exists(), Path("died while saving").exists()) == (True, True)
    (run,) = trainings()
    check_equals_undisturbed_training(run)


def test_points_that_a_slow_server_stores_after_the_kill_are_not_duplicated(
    tracking_uri: str,
) -> None:
    left = killed("an epoch")
    with closing(sqlite3.connect(tracking_uri.removeprefix("sqlite:///"))) as database:
        names = "run_uuid, key, value, timestamp, step, is_nan"
        late = database.execute(f"select {names} from metrics where step between 17 and 20").fetchall()
        database.execute("delete from metrics where step between 17 and 20")
        database.commit()
    assert len(late) == 4 * 9  # epochs, metrics
    run_train(*SETTINGS)
    for run_id, key, value, timestamp, step, _ in late:
        mlflow.MlflowClient().log_batch(run_id, [Metric(key, value, timestamp, step)])
    (run,) = trainings()
    assert run.info.run_id == left.info.run_id
    check_equals_undisturbed_training(run)


@pytest.mark.usefixtures("tracking_uri")
def test_a_training_killed_while_its_model_is_saved_is_completed() -> None:
    left = killed("the model")
    weights = Path(left.info.artifact_uri.removeprefix("file://"), "weights.pt")
    weights.write_bytes(weights.read_bytes()[:100])  # as if killed while it was written
    run_train(*SETTINGS)
    (run,) = trainings()
    assert run.info.run_id == left.info.run_id
    check_equals_undisturbed_training(run)


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_the_run_opened_by_mlflow_run_takes_over_the_interrupted_run() -> None:
    left = killed("an epoch")
    client = mlflow.MlflowClient()
    client.set_tag(left.info.run_id, "what", "a user's own")
    typed = dict(zip((name.removeprefix("--") for name in SETTINGS[::2]), SETTINGS[1::2], strict=True))
    unused = abandoned_run_opened_by_mlflow(typed)
    ended = mlflow_run("main", **typed)
    assert ended.returncode == 0, ended.stderr
    (run,) = trainings()
    assert f"(ID '{run.info.run_id}') succeeded" in ended.stderr
    assert "resuming after epoch 15, in run" in ended.stdout
    assert run.data.tags["lrstudy.continues"] == left.info.run_id
    assert run.data.tags["what"] == "a user's own"
    for gone in (left.info.run_id, unused):
        assert client.get_run(gone).info.lifecycle_stage == "deleted"
    check_equals_undisturbed_training(run)


def abandoned_run_opened_by_mlflow(typed: dict[str, str]) -> str:
    """Create a run like that of a training that was killed before it began."""
    project = {"mlflow.project.entryPoint": "main", "lrstudy.process": dead_process()}
    client = mlflow.MlflowClient()
    run = client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"], tags=project)
    for name, value in typed.items():
        client.log_param(run.info.run_id, name, value)
    return str(run.info.run_id)


def dead_process() -> str:
    return json.dumps(json.loads(owner.this_process()) | {"started": 1.0, "ticks": 1})


@pytest.mark.usefixtures("tracking_uri")
def test_only_runs_of_dead_processes_of_this_machine_are_taken_over() -> None:
    settings = ["--epochs", "1", "--hidden", "8"]
    run_train(*settings)
    (finished,) = trainings()
    client = mlflow.MlflowClient()

    def another(status: str, **tags: str) -> str:
        changed = finished.data.tags | {f"lrstudy.{name}": value for name, value in tags.items()}
        run = client.create_run(finished.info.experiment_id, tags=changed)
        client.update_run(run.info.run_id, status=status)
        return str(run.info.run_id)

    others = {
        another("RUNNING", process=owner.this_process()): "RUNNING",
        another("RUNNING", process=json.dumps({"node": "elsewhere", "pid": 1})): "RUNNING",
        another("RUNNING", process=dead_process(), key="another training's"): "KILLED",
        another("KILLED", process=dead_process(), versions="torch 1.0"): "KILLED",
        another("KILLED", process=dead_process(), hardware="another machine"): "KILLED",
        finished.info.run_id: "FINISHED",
    }
    run_train(*settings)
    assert {run_id: client.get_run(run_id).info.status for run_id in others} == others
    assert len(trainings()) == len(others) + 1

    left = another("KILLED", process=dead_process())
    run_train(*settings)
    assert client.get_run(left).info.status == "FINISHED"
    assert len(trainings()) == len(others) + 2

"""The command that trains, from the user's side: its messages, its signals, and `mlflow run`."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, Command, mlflow_run
from paused import EPOCHS, PAUSES, release, running_with_pauses, wait_for_pause
from preloaded_process import PreloadedProcess
from studies import curve, only_run


@pytest.mark.usefixtures("tracking_uri")
def test_a_missing_tracking_server_is_reported_in_one_sentence(train: Command) -> None:
    ended = train("--epochs", "1", MLFLOW_TRACKING_URI="http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    assert ended.returncode == 2
    assert "error: the tracking server http://127.0.0.1:9 cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("path", ["a file/mlflow.db", "."])
def test_a_tracking_database_that_cannot_be_opened_is_one_sentence(train: Command, path: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    ended = train("--epochs", "1", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / path}")
    assert ended.returncode == 2
    assert re.match(r"error: the tracking database .* cannot be used: .*\.$", ended.stderr.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_a_training_shows_its_epochs_on_stderr_after_the_warning_of_few_steps(train: Command) -> None:
    ended = train("--epochs", "2")
    assert ended.returncode == 0
    warning, *lines = ended.stderr.splitlines()
    assert warning.startswith("warning: fewer than 300 steps are often too few to learn")
    assert [line.split("  ")[0] for line in lines] == ["epoch 0/2", "epoch 1/2", "epoch 2/2"]


@pytest.mark.slow
def test_trainings_that_start_together_make_one_new_database(tmp_path: Path) -> None:
    command = [str(ROOT / "src/train.py"), "--epochs", "1", "--hidden", "8", "--seed"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'new.db'}"}
    together = [PreloadedProcess([*command, str(seed)], stderr=subprocess.PIPE, env=environment) for seed in range(3)]
    said = [process.communicate()[1] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], said
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    found = mlflow.search_runs(experiment_names=["digits"], output_format="list")
    assert [run.info.status for run in found] == ["FINISHED"] * 3
    assert all(sorted(curve(run, "val_loss")) == [0, 1] for run in found)


@pytest.mark.usefixtures("tracking_uri")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_or_sigterm_ends_the_run_as_killed_with_the_points_logged_so_far(sent: int, code: int) -> None:
    command = [str(ROOT / "src/train.py"), "--epochs", "100000"]
    with PreloadedProcess(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("epoch"))
        time.sleep(2)
        process.send_signal(sent)
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == code
    run = only_run()
    assert run.info.status == "KILLED"
    steps = sorted(curve(run, "train_loss"))
    assert steps == list(range(len(steps)))
    assert len(steps) > 5


@pytest.mark.slow
@pytest.mark.usefixtures("front")
def test_a_server_shows_the_curves_while_they_grow() -> None:
    with running_with_pauses("train", "--epochs", str(EPOCHS), "--hidden", "8") as process:
        for epoch in PAUSES:
            wait_for_pause(process, epoch)
            while sorted(curve(only_run(), "train_loss")) != list(range(epoch + 1)):
                assert process.poll() is None
                time.sleep(0.1)
            release(epoch)
        errors = process.communicate()[1]
    assert process.returncode == 0, errors
    run = only_run()
    assert sorted(curve(run, "train_loss")) == list(range(EPOCHS + 1))
    assert {"history.csv", "figures"} <= {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}


@pytest.mark.slow
def test_mlflow_run_trains_with_numbers_as_typed(tmp_path: Path, tracking_uri: str) -> None:
    ended = mlflow_run("main", lr="1e-2", epochs="2")
    assert ended.returncode == 0, ended.stderr
    run = only_run()
    assert run.info.run_name == "adam lr=0.01 seed=0"
    assert run.data.params["lr"] == "1e-2"
    assert run.data.params["log10_lr"] == "-2"
    assert sorted(curve(run, "train_loss")) == [0, 1, 2]
    assert "mlflow.source.git.commit" in run.data.tags


@pytest.mark.slow
def test_mlflow_run_marks_a_rejected_run_as_failed(tracking_uri: str) -> None:
    ended = mlflow_run("main", optimizer="adm")
    assert ended.returncode != 0
    assert "error: optimizer='adm' is not a known optimizer; did you mean 'adam'" in ended.stderr
    run = only_run()
    assert run.info.status == "FAILED"
    assert "did you mean 'adam'" in run.data.tags["mlflow.note.content"]

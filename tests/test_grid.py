"""The grid through its entry point, into a real tracking database, compared with trainings alone."""

import json
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import mlflow
import optuna
import psutil
import pytest
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lrstudy.cli.command_line import parse
from lrstudy.errors import SettingsError
from lrstudy.settings import GridSettings
from paused import EPOCHS, release, running_with_pauses, wait_for_pause
from studies import (
    children,
    curves,
    finals,
    reference,
    run_script,
    run_script_anew,
    run_study,
    runs,
    studies,
    trainings,
)

SMALL = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01", "--epochs", "3", "--hidden", "16")
DISTURBED = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01", "--epochs", str(EPOCHS), "--hidden", "16")


@pytest.mark.usefixtures("tracking_uri")
class TestAGrid:
    def test_trains_every_cell_as_a_training_alone_would(self, tmp_path: Path) -> None:
        (tmp_path / "t").mkdir()
        ended = run_script_anew("grid.py", *SMALL, TMPDIR=str(tmp_path / "t"))
        assert ended.returncode == 0, ended.stderr
        assert not list((tmp_path / "t").iterdir()), "it leaves temporary files"
        (study,) = studies()
        assert study.info.status == "FINISHED"
        assert study.info.run_name == "grid 2×2 digits"
        assert study.data.params["lrs"] == "0.1,0.01"
        trials = children(study)
        assert [run.info.run_name for run in trials] == [
            f"{cell} seed=0" for cell in ("adam lr=0.1", "adam lr=0.01", "sgd lr=0.1", "sgd lr=0.01")
        ]
        assert {run.info.status for run in trials} == {"FINISHED"}
        self.check_best(study, trials)
        self.check_optuna(study, trials, tmp_path)
        for line in ("adam       0.01", "best"):
            assert line in ended.stdout

        alone = run_script("train.py", "--optimizer", "sgd", "--lr", "0.1", "--epochs", "3", "--hidden", "16")
        assert alone.returncode == 0, alone.stderr
        single = self.alone()
        trial = trials[2]
        assert curves(trial) == curves(single)
        assert trial.data.params == single.data.params | {"diagnose": "true"}
        assert {name for name in trial.data.metrics if not name.startswith("why/")} == set(single.data.metrics)
        of_model = {"mlflow.log-model.history", "lrstudy.model_digest"}  # which only the best trial has
        assert set(single.data.tags) - set(trial.data.tags) == of_model & set(single.data.tags)
        assert trial.data.tags["lrstudy.key"] == single.data.tags["lrstudy.key"]

    def alone(self) -> Run:
        (single,) = [run for run in trainings() if "mlflow.parentRunId" not in run.data.tags]
        return single

    def check_best(self, study: Run, trials: list[Run]) -> None:
        best = min(trials, key=lambda run: run.data.metrics["best/val_loss"])
        assert study.data.tags["lrstudy.best_run"] == best.info.run_id
        assert study.data.metrics["best/val_loss"] == best.data.metrics["best/val_loss"]
        client = mlflow.MlflowClient()
        for run in trials:
            files = {file.path for file in client.list_artifacts(run.info.run_id)}
            assert {"history.csv", "weights.pt", "confusion_matrix.csv", "val_losses.npy"} <= files
            assert ("figures" in files) == (run == best)
        (model,) = mlflow.search_logged_models([study.info.experiment_id], output_format="list")
        assert model.source_run_id == best.info.run_id

    def check_optuna(self, study: Run, trials: list[Run], folder: Path) -> None:
        file = mlflow.MlflowClient().download_artifacts(study.info.run_id, "optuna_study.log", str(folder))
        stored = optuna.load_study(study_name="grid", storage=JournalStorage(JournalFileBackend(file)))
        values = {trial.user_attrs["run_id"]: trial.value for trial in stored.trials}
        assert values == {run.info.run_id: run.data.metrics["best/val_loss"] for run in trials}
        assert {(trial.params["optimizer"], trial.params["lr"]) for trial in stored.trials} == {
            (run.data.params["optimizer"], float(run.data.params["lr"])) for run in trials
        }

    def test_a_grid_that_is_started_again_trains_only_missing_cells(self) -> None:
        assert run_study("grid", *SMALL).returncode == 0
        again = run_study("grid", *SMALL, "--seeds", "2")
        assert again.returncode == 0, again.stderr
        _, second = studies()
        assert {run.data.params["seed"] for run in children(second)} == {"1"}
        assert len(children(second)) == 4
        used = [run for run in runs() if f"lrstudy.used_by.{second.info.run_id}" in run.data.tags]
        assert len(used) == 4
        assert again.stdout.count("reused") == 4

    def test_survives_workers_that_are_killed_and_gives_the_same_bits(self) -> None:
        with running_with_pauses("grid", *DISTURBED, "--workers", "2") as process:
            first = wait_for_pause(process)
            second = wait_for_pause(process, others=[first])
            for worker in (first, second):
                os.kill(worker, signal.SIGKILL)
            release()
            output = process.communicate()
        assert process.returncode == 0, output
        disturbed = {run.data.tags["lrstudy.key"]: curves(run) for run in children(studies()[0])}
        assert len(disturbed) == 4
        assert all([step for step, _ in curve["val_loss"]] == list(range(EPOCHS + 1)) for curve in disturbed.values())
        alone = reference("--optimizer", "adam", "--lr", "0.1", "--epochs", str(EPOCHS), "--hidden", "16")
        assert disturbed[alone.key] == alone.curves

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_a_stopped_grid_leaves_no_process_and_resumes_to_the_same_results(self, sent: signal.Signals) -> None:
        with running_with_pauses("grid", *DISTURBED) as process:
            wait_for_pause(process)
            while not any(run.info.status == "RUNNING" and len(curves(run)["val_loss"]) > 1 for run in trainings()):
                time.sleep(0.2)
                assert process.poll() is None
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(sent)
            began = time.monotonic()
            errors = process.communicate()[1]
        assert time.monotonic() - began < 10
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[sent]
        assert "Traceback" not in errors
        assert not psutil.wait_procs(family, timeout=10)[1]
        if sent != signal.SIGKILL:
            assert {run.info.status for run in runs()} <= {"KILLED", "FINISHED"}
            assert studies()[0].info.status == "KILLED"

        again = run_study("grid", *DISTURBED)
        assert again.returncode == 0, again.stderr
        first, second = studies()
        assert (first.info.status, second.info.status) == ("KILLED", "FINISHED")
        assert len(trainings()) == len(children(second)) == 4, "never a cell twice, all of one study"
        for run in trainings():
            assert run.info.status == "FINISHED"
            assert [step for step, _ in curves(run)["val_loss"]] == list(range(EPOCHS + 1))
            assert all(len(values) == 1 for values in finals(run).values())
        alone = reference("--optimizer", "adam", "--lr", "0.1", "--epochs", str(EPOCHS), "--hidden", "16")
        (twin,) = [run for run in children(second) if run.data.tags["lrstudy.key"] == alone.key]
        assert (curves(twin), finals(twin)) == (alone.curves, alone.finals)

    def test_two_grids_at_once_train_each_cell_once(self) -> None:
        settings = (*DISTURBED, "--workers", "1")
        with running_with_pauses("grid", *settings) as first, running_with_pauses("grid", *settings) as second:
            worker = wait_for_pause(first)
            wait_for_pause(second, others=[worker])
            release()
            outputs = [process.communicate() for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), outputs
        assert {run.info.status for run in runs()} == {"FINISHED"}
        assert len(trainings()) == 4
        assert len({run.data.tags["lrstudy.key"] for run in trainings()}) == 4

    def test_a_run_that_lives_on_another_machine_is_left_alone(self) -> None:
        assert run_study("grid", *SMALL, "--lrs", "0.1", "--optimizers", "sgd").returncode == 0
        (elsewhere,) = trainings()
        client = mlflow.MlflowClient()
        client.set_tag(elsewhere.info.run_id, "lrstudy.process", json.dumps({"node": "elsewhere", "pid": 1}))
        client.update_run(elsewhere.info.run_id, status="RUNNING")
        assert run_study("grid", *SMALL, "--lrs", "0.1", "--optimizers", "sgd").returncode == 0
        assert client.get_run(elsewhere.info.run_id).info.status == "RUNNING"
        assert len(trainings()) == 2

    def test_extends_an_axis_until_the_best_learning_rate_is_bracketed(self) -> None:
        settings = (
            "--optimizers",
            "sgd",
            "--lrs",
            "0.01,0.001",
            "--epochs",
            "30",
            "--hidden",
            "32",
            "--extend",
            "true",
        )
        ended = run_study("grid", *settings, "--seeds", "2")
        assert ended.returncode == 0, ended.stderr
        by_lr: dict[float, list[float]] = {}
        for run in trainings():
            by_lr.setdefault(float(run.data.params["lr"]), []).append(run.data.metrics["best/val_loss"])
        lrs = sorted(by_lr)
        assert lrs[:4] == [0.001, 0.01, 0.0316, 0.1]
        assert all(later / earlier == pytest.approx(10**0.5, rel=0.01) for earlier, later in pairwise(lrs[1:]))
        assert {len(losses) for losses in by_lr.values()} == {2}
        means = [sum(by_lr[lr]) for lr in lrs]
        assert means.index(min(means)) == len(lrs) - 2, "one further than the best, and no more"
        assert "is at the edge of the grid" not in ended.stdout

    def test_compares_shapes_of_network_and_names_an_unsettled_best(self) -> None:
        ended = run_study("grid", "--optimizers", "sgd", "--lrs", "0.1,0.01", "--epochs", "2", "--hidden", "8,4;4,8")
        assert ended.returncode == 0, ended.stderr
        assert {run.data.params["hidden"] for run in trainings()} == {"8,4", "4,8"}
        assert (
            "sgd with hidden=8,4: the best learning rate, 0.1, is at the edge of the grid; use extend=true to"
            in ended.stdout
        )

    def test_logs_pictures_and_a_model_for_all_where_all_are_asked_for(self) -> None:
        ended = run_study("grid", *SMALL, "--optimizers", "sgd", "--log-models", "all")
        assert ended.returncode == 0, ended.stderr
        client = mlflow.MlflowClient()
        for run in trainings():
            assert "figures" in {file.path for file in client.list_artifacts(run.info.run_id)}
        models = mlflow.search_logged_models([studies()[0].info.experiment_id], output_format="list")
        assert {model.source_run_id for model in models} == {run.info.run_id for run in trainings()}

    def test_a_missing_tracking_server_is_reported_in_one_sentence(self) -> None:
        there_is_none = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        ended = run_study("grid", *SMALL, **there_is_none)
        assert ended.returncode == 2
        (sentence,) = [line for line in ended.stderr.splitlines() if "WARNING" not in line]
        assert sentence.startswith("error: the tracking server http://127.0.0.1:9 cannot be used")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--lrs", "0.1,abc"], "lrs='0.1,abc' must be .* a finite number greater than 0"),
        (["--lrs", ""], "lrs='' must be one or more values separated by commas"),
        (["--lrs", "0.1,.1"], "lrs='0.1,0.1' has a duplicate value, '0.1'"),
        (["--optimizers", "adam,sgd,adam"], "optimizers='adam,sgd,adam' has a duplicate value, 'adam'"),
        (["--optimizers", "adm"], "optimizers='adm' is not a known optimizer; did you mean 'adam'"),
        (["--hidden", "8,4;8,4"], "hidden='8,4;8,4' has a duplicate value, '8,4'"),
        (
            ["--hidden", "8,x;4"],
            "hidden='8,x;4' must be one or more lists separated by semicolons, each of one",
        ),
        (
            ["--hidden", "8;4", "--model", "resnet18"],
            "hidden='8;4' has several shapes, but resnet18 has layers of",
        ),
        (["--momentum", "0.9", "--optimizers", "adam"], "momentum='0.9' has no effect on adam"),
        (["--extend", "maybe"], "extend='maybe' must be 'true' or 'false'"),
        (["--seeds", "0"], "seeds='0' must be .* at least 1"),
        (["--workers", "0"], "workers='0' must be 'auto' or a whole number"),
    ],
)
def test_a_bad_axis_is_rejected_in_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse(GridSettings, arguments)


def test_the_grid_is_the_studys_in_its_order() -> None:
    cells = [(cell.optimizer, cell.lr) for cell in GridSettings().cells()]
    assert cells == [(name, lr) for name in ("sgd", "rmsprop", "adagrad", "adam") for lr in (0.1, 0.01, 0.001)]
    assert {(cell.epochs, cell.batch_size, cell.seed) for cell in GridSettings().cells()} == {(50, 256, 0)}


def test_a_grid_that_cannot_be_trained_is_rejected_before_any_run(tmp_path: Path) -> None:
    ended = run_study("grid", "--data", "nowhere")
    assert ended.returncode == 2
    known = f"there is no '{tmp_path / 'nowhere'}'"
    assert ended.stderr == f"error: data='nowhere' is neither a known data set nor a folder: {known}.\n"
    assert not (tmp_path / "mlflow.db").exists()

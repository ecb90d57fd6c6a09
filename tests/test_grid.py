"""The grid through its entry point, into a real tracking database, compared with trainings alone."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import optuna
import psutil
import pytest
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from conftest import ROOT, Command
from lrstudy.command_line import parse
from lrstudy.description import Description
from lrstudy.done import Done
from lrstudy.epoch import Epoch
from lrstudy.errors import SettingsError
from lrstudy.grid import Grid
from lrstudy.mailbox import Mailbox
from lrstudy.optuna_study import study_file
from lrstudy.study import Trials
from lrstudy.study_settings import GridSettings
from lrstudy.study_tracking import open_study
from lrstudy.survey import survey

CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
SMALL = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01", "--epochs", "3", "--hidden", "16")


def runs() -> list[Run]:
    found = mlflow.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]], order_by=["start_time"], output_format="list")
    return list(found)


def children(of: Run) -> list[Run]:
    return [run for run in runs() if run.data.tags.get("mlflow.parentRunId") == of.info.run_id]


def curves(run: Run) -> dict[str, list[tuple[int, float]]]:
    client = mlflow.MlflowClient()
    points = {name: client.get_metric_history(run.info.run_id, name) for name in CURVES}
    return {name: [(point.step, point.value) for point in some] for name, some in points.items()}


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "src" / script), *arguments], capture_output=True, text=True)


def studies() -> list[Run]:
    return [run for run in runs() if run.data.tags["lrstudy.kind"] == "grid"]


@pytest.mark.usefixtures("tracking_uri")
class TestAGrid:
    def test_trains_every_cell_as_a_training_alone_would(self, tmp_path: Path) -> None:
        ended = run_script("grid.py", *SMALL)
        assert ended.returncode == 0, ended.stderr
        (study,) = studies()
        assert study.info.status == "FINISHED"
        assert study.info.run_name == "grid 2×2 digits"
        assert study.data.params["lrs"] == "0.1,0.01"
        trials = children(study)
        assert [run.info.run_name for run in trials] == ["adam lr=0.1", "adam lr=0.01", "sgd lr=0.1", "sgd lr=0.01"]
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
        assert trial.data.params == single.data.params
        assert set(trial.data.metrics) == set(single.data.metrics)
        assert set(single.data.tags) - set(trial.data.tags) == {"mlflow.log-model.history"} & set(single.data.tags)
        assert trial.data.tags["lrstudy.key"] == single.data.tags["lrstudy.key"]

    def alone(self) -> Run:
        trainings = [run for run in runs() if run.data.tags["lrstudy.kind"] == "train"]
        (single,) = [run for run in trainings if "mlflow.parentRunId" not in run.data.tags]
        return single

    def check_best(self, study: Run, trials: list[Run]) -> None:
        best = min(trials, key=lambda run: run.data.metrics["best/val_loss"])
        assert study.data.tags["lrstudy.best_run"] == best.info.run_id
        assert study.data.metrics["best/val_loss"] == best.data.metrics["best/val_loss"]
        client = mlflow.MlflowClient()
        for run in trials:
            files = {file.path for file in client.list_artifacts(run.info.run_id)}
            assert {"history.csv", "weights.pt", "confusion_matrix.csv"} <= files
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

    def test_started_again_trains_only_what_is_missing(self) -> None:
        assert run_script("grid.py", *SMALL).returncode == 0
        again = run_script("grid.py", *SMALL, "--seeds", "2")
        assert again.returncode == 0, again.stderr
        _, second = studies()
        assert {run.data.params["seed"] for run in children(second)} == {"1"}
        assert len(children(second)) == 4
        used = [run for run in runs() if f"lrstudy.used_by.{second.info.run_id}" in run.data.tags]
        assert len(used) == 4
        assert again.stdout.count("reused") == 4

    def test_survives_workers_that_are_killed_and_gives_the_same_bits(self) -> None:
        settings = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01", "--epochs", "100")
        command = [sys.executable, str(ROOT / "src/grid.py"), *settings]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            killed: set[int] = set()
            while len(killed) < 2 and process.poll() is None:
                time.sleep(0.2)
                for worker in self.busy_workers(process.pid):
                    if worker.pid not in killed and self.has_begun():
                        worker.kill()
                        killed.add(worker.pid)
                        time.sleep(1)
                        break
            said = process.communicate()
        assert process.returncode == 0, said
        assert len(killed) == 2
        disturbed = {run.data.tags["lrstudy.key"]: curves(run) for run in children(studies()[0])}
        assert len(disturbed) == 4
        assert all([step for step, _ in curve["val_loss"]] == list(range(101)) for curve in disturbed.values())
        alone = run_script("train.py", "--optimizer", "sgd", "--lr", "0.1", "--epochs", "100")
        assert alone.returncode == 0, alone.stderr
        single = self.alone()
        assert disturbed[single.data.tags["lrstudy.key"]] == curves(single)

    def busy_workers(self, pid: int) -> list[psutil.Process]:
        found = []
        for process in psutil.Process(pid).children(recursive=True):
            try:
                if process.cpu_times().user > 0.3 and "forkserver" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if process.ppid() != pid]

    def has_begun(self) -> bool:
        return any(len(curves(run)["val_loss"]) > 1 for run in runs() if run.info.status == "RUNNING")

    def test_interrupted_ends_quickly_leaves_no_process_and_goes_on_later(self) -> None:
        command = [sys.executable, str(ROOT / "src/grid.py"), *SMALL[:4], "--epochs", "200"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not any(run.info.status == "RUNNING" and curves(run)["val_loss"] for run in runs()):
                time.sleep(0.3)
                assert process.poll() is None
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            said = process.communicate()
        assert process.returncode == 130
        assert time.monotonic() - started < 20
        assert "Traceback" not in said[1]
        assert not psutil.wait_procs(family, timeout=10)[1]
        statuses = {run.info.status for run in runs()}
        assert statuses <= {"KILLED", "FINISHED"}
        assert "KILLED" in {run.info.status for run in children(studies()[0])} | {studies()[0].info.status}

        assert run_script("grid.py", *SMALL[:4], "--epochs", "200").returncode == 0
        trainings = [run for run in runs() if run.data.tags["lrstudy.kind"] == "train"]
        assert len(trainings) == 4, "never a cell twice"
        for run in trainings:
            assert run.info.status == "FINISHED"
            assert [step for step, _ in curves(run)["val_loss"]] == list(range(201))


class Seen:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[Done] = []

    def started(self, number: int, description: Description) -> None:
        self.begun.append(number)

    def epoch(self, number: int, epoch: Epoch) -> None:
        assert number in self.begun

    def done(self, done: Done) -> None:
        self.ended.append(done)


@pytest.mark.usefixtures("tracking_uri")
def test_another_executor_takes_the_workers_place(tmp_path: Path) -> None:
    settings = parse(GridSettings, list(SMALL))
    found = survey(settings.cells())
    watcher = Seen()
    with (
        study_file("auto", "it") as file,
        open_study("grid", "by threads", settings, found.facts, "it") as study,
        ThreadPoolExecutor(1) as executor,
        Mailbox() as mailbox,
    ):
        done = Trials(Grid(settings, file), found, study, executor, 1, watcher).run(mailbox)
    assert [one.number for one in done] == [0, 1, 2, 3] == watcher.begun
    assert all(one.verdict for one in done)
    assert watcher.ended == done
    assert {run.info.status for run in runs()} == {"FINISHED"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--lrs", "0.1,abc"], "lrs=0.1,abc: .* a finite number greater than 0"),
        (["--lrs", ""], "lrs=: it must be one or more of these"),
        (["--lrs", "0.1,.1"], "lrs=0.1,0.1: 0.1 is there twice"),
        (["--optimizers", "adam,sgd,adam"], "optimizers=adam,sgd,adam: adam is there twice"),
        (["--optimizers", "adm"], "optimizers=adm: .* did you mean adam"),
        (["--hidden", "8,4;8,4"], "hidden=8,4;8,4: 8,4 is there twice"),
        (["--seeds", "0"], "seeds=0: .* at least 1"),
        (["--workers", "0"], "workers=0: it must be auto or a whole number"),
    ],
)
def test_a_bad_axis_is_refused_in_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse(GridSettings, arguments)


def test_the_grid_is_the_studys_in_its_order() -> None:
    cells = [(cell.optimizer, cell.lr) for cell in GridSettings().cells()]
    assert cells == [(name, lr) for name in ("sgd", "rmsprop", "adagrad", "adam") for lr in (0.1, 0.01, 0.001)]
    assert {(cell.epochs, cell.batch_size, cell.seed) for cell in GridSettings().cells()} == {(50, 256, 0)}


def test_a_grid_that_cannot_be_trained_is_refused_before_any_run(train: Command, tmp_path: Path) -> None:
    ended = run_script("grid.py", "--data", "nowhere")
    assert ended.returncode == 2
    assert ended.stderr == "error: data=nowhere: there is no such folder.\n"
    assert not (tmp_path / "mlflow.db").exists()

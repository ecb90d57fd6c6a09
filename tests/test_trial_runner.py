"""The loop that runs a study's trials, with an executor and a proposer of the tests' own."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest

from lrstudy.cli.command_line import parse
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.study.grid import Grid
from lrstudy.study.optuna_study import study_file
from lrstudy.study.preflight import run_preflight
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.proposer import UnstoppedTrials
from lrstudy.study.study_run import open_study
from lrstudy.study.trial_result import TrialResult
from lrstudy.study.trial_runner import TrialRunner
from lrstudy.tracking import owner
from lrstudy.training.epoch import Epoch
from lrstudy.training.passes import EagerPasses
from lrstudy.training.specification import TrialSpecification
from studies import run_study, runs, trainings

CELLS = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01")


class Late(UnstoppedTrials):
    """Proposes one training and, when it has ended, another."""

    def __init__(self, settings: GridSettings) -> None:
        self.waiting = settings.cells()
        self.ended = 0

    @property
    def planned(self) -> int:
        return 2

    def propose(self) -> TrainSettings | None:
        number = 2 - len(self.waiting)
        return self.waiting.pop(0) if self.waiting and self.ended == number else None

    def tell(self, result: TrialResult) -> None:
        self.ended += 1

    def finish(self) -> list[str]:
        return []


class Seen:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[TrialResult] = []

    def on_trial_started(self, number: int, specification: TrialSpecification) -> None:
        self.begun.append(number)

    def on_epoch(self, number: int, epoch: Epoch) -> None:
        assert number in self.begun

    def on_trial_retried(self, number: int, error: BaseException) -> None:
        assert number in self.begun

    def on_trial_ended(self, result: TrialResult) -> None:
        self.ended.append(result)


@pytest.mark.usefixtures("tracking_uri")
def test_another_executor_takes_the_workers_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "Passes ran without CUDA graphs."
    monkeypatch.setattr(
        "lrstudy.training.setup.choose_passes", lambda _, network, recipe: EagerPasses(network, recipe, reason)
    )
    settings = parse(GridSettings, [*CELLS, "--epochs", "3", "--hidden", "16"])
    preflight = run_preflight(settings.cells(), time_epochs=True)
    watcher = Seen()
    with (
        study_file("auto", "it") as file,
        open_study("grid", "by threads", settings, preflight.context, "it") as study,
        ThreadPoolExecutor(1) as executor,
        ProgressChannel() as channel,
    ):
        trials = TrialRunner(Grid(settings, file), preflight, study, executor, lambda: 1, watcher)
        results = trials.run(channel)
    assert list(trials.remarks) == [reason]  # of four trainings, once
    assert [result.number for result in results] == [0, 1, 2, 3] == watcher.begun
    assert all(result.verdict for result in results)
    assert watcher.ended == results
    assert {run.info.status for run in runs()} == {"FINISHED"}


def end_later(run_id: str) -> None:
    time.sleep(1.5)
    mlflow.MlflowClient().set_terminated(run_id)


@pytest.mark.usefixtures("tracking_uri")
def test_a_trial_that_waits_for_the_training_of_another_process_is_proposed_after_it() -> None:
    settings = parse(GridSettings, ["--optimizers", "sgd", "--lrs", "0.1,0.01", "--epochs", "1", "--hidden", "8"])
    preflight = run_preflight(settings.cells(), time_epochs=True)
    client, watcher = mlflow.MlflowClient(), Seen()
    assert run_study("grid", "--optimizers", "sgd", "--lrs", "0.1", "--epochs", "1", "--hidden", "8").returncode == 0
    (other,) = trainings()
    client.update_run(other.info.run_id, status="RUNNING")
    client.set_tag(other.info.run_id, "lrstudy.process", owner.this_process())  # which lives
    with (
        open_study("grid", "late", settings, preflight.context, "it") as study,
        ThreadPoolExecutor(2) as executor,
        ProgressChannel() as channel,
    ):
        ending = executor.submit(end_later, other.info.run_id)
        results = TrialRunner(Late(settings), preflight, study, executor, lambda: 1, watcher).run(channel)
        ending.result()
    assert [(result.number, result.reused) for result in results] == [(0, True), (1, False)]
    assert len(trainings()) == 2

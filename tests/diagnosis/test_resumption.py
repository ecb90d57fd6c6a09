"""An interrupted training keeps the causes that it has measured, and measures on as if it had not been interrupted."""

from itertools import islice

import mlflow
import pytest
from mlflow.entities import Metric

from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.tracking.previous_attempts import copy_progress
from lrstudy.training import checkpoint, setup
from lrstudy.training.diagnosis.layer_table import LayerRow
from lrstudy.training.epoch import Epoch
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.progress import track_best


@pytest.fixture(autouse=True)
def _at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(checkpoint, "MAX_SHARE", float("inf"))


def plan(*, diagnose: bool) -> TrainingPlan:
    # Its validation loss rises from epoch 2 on.
    settings = {"optimizer": "adam", "lr": 0.03, "hidden": (32,), "epochs": 8, "threads": 1}
    return planned(TrainSettings(**settings, diagnose=diagnose))


def trained(what: TrainingPlan, run_id: str, epochs: int = 9) -> tuple[list[Epoch], list[LayerRow]]:
    """Train for `epochs` more epochs; return the history and the table of layers."""
    training, progress = checkpoint.resume(setup.build(what), run_id)
    running = track_best(training, progress, training.epochs(len(progress.history) - 1))
    list(islice(checkpoint.save_checkpoints(training, run_id, progress, running), epochs))
    return progress.history, training.diagnosis.rows if training.diagnosis else []


def causes(history: list[Epoch]) -> list[dict[str, float]]:
    return [epoch.causes for epoch in history]


def test_a_resumed_training_has_the_causes_of_an_undisturbed_one() -> None:
    whole, rows = trained(plan(diagnose=True), "whole")
    assert [epoch.epoch for epoch in whole if epoch.causes] == [1, 2, 8]
    assert any("why/saturated" in measured for measured in causes(whole))
    trained(plan(diagnose=True), "cut", 4)  # to epoch 3
    resumed, resumed_rows = trained(plan(diagnose=True), "cut")
    assert causes(resumed) == causes(whole)
    assert repr(resumed_rows) == repr(rows)
    assert {row.epoch for row in rows} == {epoch.epoch for epoch in whole if epoch.causes}


def test_a_training_may_begin_without_a_diagnosis_and_resume_with_one() -> None:
    trained(plan(diagnose=False), "later", 3)
    resumed, rows = trained(plan(diagnose=True), "later")
    assert not any(causes(resumed)[:3])
    assert any(causes(resumed)[3:])
    assert min(row.epoch for row in rows) > 2
    trained(plan(diagnose=True), "no longer", 3)
    without, _ = trained(plan(diagnose=False), "no longer")
    assert any(causes(without)[:3])
    assert not any(causes(without)[3:])


def test_a_run_that_takes_over_another_one_has_its_causes(tracking_uri: str) -> None:
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("taking over")
    old, new = (client.create_run(experiment).info.run_id for _ in range(2))
    client.log_batch(old, [Metric("why/lr_over_critical", 5.2, 1000, 1), Metric("val_loss", 2.0, 1000, 1)])
    copy_progress(client, client.get_run(old), client.get_run(new))
    assert client.get_run(new).data.metrics == {"why/lr_over_critical": 5.2, "val_loss": 2.0}

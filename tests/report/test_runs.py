"""Reading runs from a real database and from a real server."""

import math
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from known_runs import falling, log_study, log_training
from lrstudy.compat import mlflow_internals
from lrstudy.errors import ReportError
from lrstudy.report.load_runs import load_runs
from servers import tracking_server


def test_a_server_and_its_database_return_the_same_runs(
    experiment: str, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"val_loss": [2.3, math.nan, math.inf, -math.inf, 0.5], "train_loss": [2.0, 1.0]}
    study = log_study(experiment)
    runs = [
        log_training(experiment, curves, parent=study, lr=lr)
        for lr, curves in (("0.1", odd), ("1e-2", falling(0.1)), (".001", {}))
    ]
    MlflowClient().log_metric(runs[1], "val_loss", 9.0, timestamp=5, step=1)  # by its time before the one logged first
    direct = load_runs(study=study)
    with tracking_server(tmp_path, tracking_uri) as server:
        mlflow.set_tracking_uri(server)
        whole = load_runs(study=study)
        monkeypatch.setattr(
            mlflow_internals, "POINTS_PER_RESPONSE", 7
        )  # less than the points of two runs: the page is halved
        halved = load_runs(study=study)
        monkeypatch.setattr(mlflow_internals, "POINTS_PER_RESPONSE", 3)  # less than those of one
        singly = load_runs(study=study)
        monkeypatch.setattr(mlflow_internals, "BULK_HISTORY", "/no/such/query")  # a server of another kind
        monkeypatch.setattr(mlflow_internals, "POINTS_PER_RESPONSE", 25_000)
        other = load_runs(study=study)
    for found in (direct, whole, halved, singly, other):
        assert {run.run_id for run in found.trainings} == set(runs)
        by_id = {run.run_id: run for run in found.trainings}
        first = by_id[runs[0]].curves
        assert np.array_equal(first["val_loss"].values, odd["val_loss"], equal_nan=True)
        assert first["val_loss"].steps.tolist() == [0, 1, 2, 3, 4]
        assert first["train_loss"].values.tolist() == odd["train_loss"]
        assert by_id[runs[1]].curves["val_loss"].values.tolist() == falling(0.1)["val_loss"]
        assert by_id[runs[2]].curves == {}


def test_the_last_value_counts_if_a_step_was_logged_twice(experiment: str) -> None:
    run = log_training(experiment, {"val_loss": [2.0, 1.0]})
    MlflowClient().log_metric(run, "val_loss", 7.0, timestamp=5, step=1)  # earlier than the other
    MlflowClient().log_metric(run, "val_loss", 0.25, timestamp=9_000_000_000_000, step=1)
    (found,) = load_runs().trainings
    assert found.curves["val_loss"].values.tolist() == [2.0, 0.25]


def test_the_study_that_started_last_is_read_by_default(experiment: str) -> None:
    log_training(experiment, falling(0.1))
    log_training(experiment, falling(0.1), parent=log_study(experiment))
    last = log_study(experiment, "search")
    own = log_training(experiment, falling(0.2), parent=last)
    reused = log_training(experiment, falling(0.3), tags={f"lrstudy.used_by.{last}": "true"})
    found = load_runs()
    assert found.study is not None
    assert found.study.run_id == last
    assert {run.run_id for run in found.trainings} == {own, reused}


def test_a_study_that_has_just_begun_does_not_hide_the_one_before(experiment: str) -> None:
    before = log_study(experiment)
    log_training(experiment, falling(0.1), parent=before)
    log_study(experiment, name="grid just begun")
    found = load_runs()
    assert found.study is not None
    assert found.study.run_id == before
    (remark,) = found.left_out
    assert remark.startswith("The study grid just begun (run ")


def test_trainings_of_studies_within_a_study_are_its_own(experiment: str) -> None:
    outer = log_study(experiment)
    inner = MlflowClient().create_run(experiment, tags={"mlflow.parentRunId": outer}).info.run_id
    training = log_training(experiment, falling(0.1), parent=inner)
    assert [run.run_id for run in load_runs(study=outer).trainings] == [training]


def test_accuracies_in_percent_are_converted_and_reported(experiment: str) -> None:
    curves = {**falling(0.1), "val_accuracy": [10.0, 50.0, 97.0]}
    log_training(experiment, curves)
    found = load_runs()
    assert found.trainings[0].curves["val_accuracy"].values.tolist() == [0.1, 0.5, 0.97]
    assert "1 of 1 trainings have accuracies above 1, which are read as percentages." in found.left_out


def test_an_experiment_has_all_its_trainings_and_other_programs_runs_are_counted(experiment: str) -> None:
    trainings = {log_training(experiment, falling(0.1), parent=log_study(experiment)), log_training(experiment, {})}
    foreign = MlflowClient().create_run(experiment).info.run_id
    MlflowClient().log_param(foreign, "alpha", "1")
    unmarked = log_training(experiment, falling(0.5), tags={"lrstudy.kind": "", "lrstudy.data_digest": ""})
    found = load_runs(experiment="learning rates")
    assert {run.run_id for run in found.trainings} == {*trainings, unmarked}
    assert found.foreign == 1
    assert load_runs(experiment=experiment).foreign == 1


def test_more_runs_than_a_page_are_all_read(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrstudy.report.server.RUNS_PER_PAGE", 2)
    monkeypatch.setattr("lrstudy.report.histories.RUNS_PER_QUERY", 3)
    logged = {log_training(experiment, {"val_loss": [seed, 1.0]}, seed=seed) for seed in range(7)}
    found = load_runs(experiment=experiment).trainings
    assert {run.run_id for run in found} == logged
    assert sorted(run.curves["val_loss"].values[0] for run in found) == list(range(7))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"study": "nope"}, "study='nope' is not a run on sqlite:"),
        (
            {"experiment": "nope"},
            "experiment='nope' is not an experiment on sqlite:.*, which has learning rates, Default",
        ),
        ({"experiment": "Default"}, "the experiment Default on .* has no trainings: none of its 0 runs has"),
        ({}, "has no study and no training; run one with `mlflow run . -e grid`"),
    ],
)
def test_a_missing_study_or_experiment_is_an_error_of_one_sentence(
    experiment: str, asked: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ReportError, match=sentence) as error:
        load_runs(**asked)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "other.db does not exist"),
        (b"no database at all, but long enough to be read as one" * 20, "cannot be read as a database"),
        (b"", "is not an MLflow tracking database"),
    ],
)
def test_an_invalid_database_is_rejected_and_not_changed(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    try:
        with pytest.raises(ReportError, match=sentence):
            load_runs()
    finally:
        mlflow.set_tracking_uri(before)
    assert (path.read_bytes() if path.exists() else None) == content


def test_an_unreachable_server_is_an_error_of_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    try:
        with pytest.raises(ReportError, match=r"127\.0\.0\.1:9 cannot be read: it does not answer"):
            load_runs()
    finally:
        mlflow.set_tracking_uri(before)

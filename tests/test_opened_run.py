"""The run that the environment names: an open and empty one is taken, any other stays as it is."""

import json
import os
from collections.abc import Mapping

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.projects.utils import load_project

from conftest import ROOT
from lrstudy.cli.command_line import parse
from lrstudy.errors import OtherRunError
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.settings.mlproject import ENTRY_POINTS
from lrstudy.tracking import owner
from lrstudy.tracking.opened_run import check_opened_run, mark_failed
from studies import run_script

PROJECT = {"mlflow.project.entryPoint": "main"}
DEAD = json.dumps(json.loads(owner.this_process()) | {"pid": 2**22 + 1})


@pytest.fixture
def client(tracking_uri: str) -> MlflowClient:
    return MlflowClient()


def named_run(
    client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    status: str = "RUNNING",
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Create a run, and let the environment name it."""
    run_id = str(client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"], tags=dict(tags or {})).info.run_id)
    for name, value in (params or {}).items():
        client.log_param(run_id, name, value)
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def everything(run: Run) -> object:
    return run.info.status, run.info.run_name, run.info.end_time, run.data.to_dictionary()


@pytest.mark.parametrize(
    ("status", "params", "tags", "problem"),
    [
        ("FINISHED", {}, {}, r"is a run that has ended \(FINISHED\)"),
        ("FAILED", {}, PROJECT, r"is a run that has ended \(FAILED\)"),
        ("FINISHED", {}, {"lrstudy.kind": "train"}, r"is a run that has ended \(FINISHED\)"),
        ("KILLED", {}, {"lrstudy.kind": "grid"}, r"is the run of another command \(grid\)"),
        ("RUNNING", {"alpha": "0.5"}, PROJECT, "is a run with the parameter alpha='0.5', unknown to this command"),
        ("RUNNING", {"lr": "0.1"}, PROJECT, "is a run with lr='0.1', and this command has lr='0.05'"),
        ("RUNNING", {"optimizer": "sgd"}, {}, "is a run with optimizer='sgd', and this command has optimizer='adam'"),
        ("RUNNING", {"epochs": "many"}, {}, "is a run with epochs='many', and this command has epochs='50'"),
    ],
)
def test_a_run_that_is_something_else_is_rejected(
    client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    params: dict[str, str],
    tags: dict[str, str],
    problem: str,
) -> None:
    run_id = named_run(client, monkeypatch, status, params, tags)
    with pytest.raises(OtherRunError, match=f"MLFLOW_RUN_ID='{run_id}' {problem}; unset MLFLOW_RUN_ID to log to a new"):
        check_opened_run(client, "train", TrainSettings(lr=0.05))


@pytest.mark.parametrize(
    ("params", "tags"),
    [
        ({}, {}),
        ({}, {"what": "the user's own"}),
        ({"lr": "5e-2", "data": "'my images'", "hidden": "'8, 4'"}, PROJECT),
        ({"lr": "0.05"}, PROJECT | {"lrstudy.process": DEAD}),
    ],
)
def test_an_open_and_empty_run_is_taken(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, params: dict[str, str], tags: dict[str, str]
) -> None:
    run_id = named_run(client, monkeypatch, params=params, tags=tags)
    settings = TrainSettings(lr=0.05, data="my images", hidden=(8, 4))
    run = check_opened_run(client, "train", settings)
    assert run is not None
    assert run.info.run_id == run_id


@pytest.mark.parametrize("entry_point", ["main", "grid", "search", "reproduce"])
def test_a_run_that_mlflow_run_opens_is_taken(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, entry_point: str
) -> None:
    typed = {"run_id": "0a1b"} if entry_point == "reproduce" else {"data": "my images", "weight_decay": "1e-3"}
    project = load_project(ROOT).get_entry_point(entry_point)  # type: ignore[no-untyped-call]
    params, _ = project.compute_parameters(typed, None)
    named_run(client, monkeypatch, params=params, tags={"mlflow.project.entryPoint": entry_point})
    settings = parse(ENTRY_POINTS[entry_point][1], [f"--{name}={value}" for name, value in typed.items()])
    kind = "train" if entry_point == "main" else entry_point
    assert check_opened_run(client, kind, settings) is not None


def test_a_run_with_results_files_or_data_a_deleted_one_and_none_are_rejected(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def problem() -> str:
        with pytest.raises(OtherRunError) as raised:
            check_opened_run(client, "grid", GridSettings())
        return str(raised.value)

    client.log_metric(named_run(client, monkeypatch), "loss", 1.0)
    assert "is a run that has results already" in problem()
    client.log_text(named_run(client, monkeypatch), "text", "notes.txt")
    assert "is a run that has artifacts already" in problem()
    client.delete_run(named_run(client, monkeypatch))
    assert "is a deleted run" in problem()
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert f"MLFLOW_RUN_ID='{'0' * 32}' is not a run of the tracking server sqlite:///" in problem()
    monkeypatch.setenv("MLFLOW_RUN_ID", "../nowhere")
    assert "MLFLOW_RUN_ID='../nowhere' is not a run of the tracking server" in problem()


def test_a_run_of_a_living_process_is_rejected(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    named_run(client, monkeypatch, tags={"lrstudy.process": owner.this_process()})
    monkeypatch.setattr(owner, "this_process", lambda: DEAD)
    with pytest.raises(OtherRunError, match="is a run that another process is logging to"):
        check_opened_run(client, "train", TrainSettings())


@pytest.mark.parametrize(("script", "problem"), [("train.py", "has ended"), ("grid.py", "another command")])
def test_a_finished_training_stays_as_it_is(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    run_id = named_run(client, monkeypatch, "FINISHED", {"lr": "0.1"}, {"lrstudy.kind": "train"} | PROJECT)
    before = everything(client.get_run(run_id))
    ended = run_script(script, "--epochs", "1")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert problem in ended.stderr
    mark_failed(run_id, "a sentence about invalid settings")
    assert everything(client.get_run(run_id)) == before


def test_an_invalid_setting_fails_only_an_open_and_empty_run(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for params, tags, status in (
        ({"lr": "abc"}, PROJECT, "FAILED"),
        ({}, {}, "FAILED"),
        ({"alpha": "1"}, {}, "RUNNING"),
        ({}, PROJECT | {"lrstudy.kind": "train"}, "RUNNING"),
    ):
        run_id = named_run(client, monkeypatch, params=params, tags=tags)
        mark_failed(run_id, "the reason")
        run = client.get_run(run_id)
        assert run.info.status == status
        assert run.data.tags.get("mlflow.note.content") == ("the reason" if status == "FAILED" else None)
    assert mlflow.active_run() is None

"""Red first when MLflow changes a private part or a switch that the project uses."""

import getpass
import inspect
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient, environment_variables
from mlflow.store.db import utils
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import http_request

from databases import empty_database
from lrstudy.compat import mlflow_internals
from lrstudy.compat.mlflow_internals import MetricPoint

SWITCHES = (
    environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT,
    environment_variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR,
    environment_variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT,
)


def values() -> list[Any]:
    """Return the values that MLflow reads from its switches."""
    return [switch.get() for switch in SWITCHES]  # type: ignore[no-untyped-call]


@pytest.fixture
def switches(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's switches as in a fresh environment; restored afterwards."""
    for switch in SWITCHES:
        monkeypatch.setenv(switch.name, "")
        del os.environ[switch.name]


def test_mlflow_resolves_the_tags_of_the_running_program() -> None:
    tags = mlflow_internals.source_tags()
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.source.name"]


@pytest.mark.usefixtures("switches")
def test_mlflow_reads_the_limits_of_retries() -> None:
    mlflow_internals.limit_retries()
    assert values()[:3] == [3, 10, False]


@pytest.mark.usefixtures("switches")
def test_the_environments_own_limits_of_retries_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCHES[0].name, "7")
    monkeypatch.setenv(SWITCHES[1].name, "5")
    mlflow_internals.limit_retries()
    assert values()[:2] == [7, 5]


@pytest.mark.usefixtures("switches")
def test_mlflow_reads_that_retries_and_links_are_disabled() -> None:
    mlflow_internals.disable_retries()
    retries, timeout, _, no_link = values()
    assert (retries, timeout, no_link) == (0, 10, True)
    assert utils._logger.level == logging.CRITICAL
    mlflow_internals.restore_run_link()
    assert not values()[3]


@pytest.mark.usefixtures("switches")
def test_mlflow_reads_the_timeout() -> None:
    assert mlflow_internals.request_timeout() == 10
    mlflow_internals.set_request_timeout(20)
    assert mlflow_internals.request_timeout() == values()[1] == 20


def test_mlflow_makes_its_default_experiment_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mlflow.db"
    assert len(MlflowClient(f"sqlite:///{database}").search_experiments()) == 1
    mlflow_internals.delete_default_experiment(database)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select count(*) from experiments").fetchone() == (0,)
    copy = tmp_path / "elsewhere" / "copy.db"
    copy.parent.mkdir()
    copy.write_bytes(database.read_bytes())
    monkeypatch.chdir(copy.parent)
    (experiment,) = MlflowClient(f"sqlite:///{copy}").search_experiments()
    assert experiment.name == "Default"


def test_a_database_returns_the_histories_of_several_runs_at_once() -> None:
    client = MlflowClient(f"sqlite:///{empty_database()}")
    assert hasattr(client._tracking_client.store, "get_metric_history_bulk")


def test_a_server_has_the_query_for_the_histories_of_several_runs() -> None:
    from mlflow.server import app

    assert mlflow_internals.BULK_HISTORY in {rule.rule for rule in app.url_map.iter_rules()}
    assert hasattr(RestStore, "get_metric_history")
    assert {"host_creds", "endpoint", "method"} <= set(inspect.signature(http_request).parameters)


def test_points_are_those_of_the_asked_runs_and_metric(tracking_uri: str) -> None:
    client = MlflowClient()
    runs = [client.create_run("1").info.run_id for _ in range(2)]
    for step, run in enumerate(runs):
        client.log_metric(run, "val_loss", 0.5 + step, timestamp=7, step=step)
        client.log_metric(run, "train_loss", 9.0, timestamp=7)
    points = sorted(mlflow_internals.metric_points(client, runs, "val_loss"), key=lambda point: point.step)
    assert points == [MetricPoint(runs[0], 7, 0, 0.5), MetricPoint(runs[1], 7, 1, 1.5)]

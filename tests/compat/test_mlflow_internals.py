"""Red first when MLflow changes a private part or a switch that the project uses."""

import getpass
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import environment_variables
from mlflow.store.db import utils

from lrstudy.compat import mlflow_internals

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
    assert len(mlflow.MlflowClient(f"sqlite:///{database}").search_experiments()) == 1
    mlflow_internals.delete_default_experiment(database)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select count(*) from experiments").fetchone() == (0,)
    copy = tmp_path / "elsewhere" / "copy.db"
    copy.parent.mkdir()
    copy.write_bytes(database.read_bytes())
    monkeypatch.chdir(copy.parent)
    (experiment,) = mlflow.MlflowClient(f"sqlite:///{copy}").search_experiments()
    assert experiment.name == "Default"

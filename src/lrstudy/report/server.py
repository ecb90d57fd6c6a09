"""Calls to the tracking server, with errors of one sentence."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from lrstudy.csv_tables import from_csv
from lrstudy.errors import ReportError
from lrstudy.redaction import first_line
from lrstudy.server_names import KIND, LOGGED_ARTIFACTS, TRAINING

RUNS_PER_PAGE = 1000
# The artifact with the table of the cells.
CELLS = "cells.json"
LATEST_FIRST = ["attributes.start_time DESC"]
# Two retries: an unreachable server is reported within seconds, one that hangs within a minute.
CLIENT_OPTIONS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@contextmanager
def server_errors(server: str) -> Iterator[None]:
    """Raise a failure of the tracking server as a ReportError of one sentence."""
    for name, value in CLIENT_OPTIONS.items():
        os.environ.setdefault(name, value)
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = first_line(error)
        if "ConnectionPool(" in reason:  # urllib3's message describes its own objects
            reason = "it does not answer."
        raise ReportError(f"the tracking server {server} cannot be read: {reason}") from error


def check_database(address: str) -> None:
    """Check that a database can be used, if `address` names one; MLflow would retry for two minutes.

    Raises:
        ReportError: the SQLite file is missing or invalid; MLflow would create tables in it.
        SQLAlchemyError: it does not answer, or rejects the user.
        ImportError: its driver is not installed.
    """
    if address.startswith("sqlite:///"):
        _check_file(address)
    elif address.partition("://")[0].partition("+")[0] in DATABASE_ENGINES:
        engine = create_engine(address)
        engine.connect().close()
        engine.dispose()


def _check_file(address: str) -> None:
    path = Path(address.removeprefix("sqlite:///").partition("?")[0])
    if not path.is_file():
        raise ReportError(
            f"the tracking database {path} does not exist; set MLFLOW_TRACKING_URI, or run a study with "
            "`mlflow run . -e grid`."
        )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            names = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise ReportError(f"{path} cannot be read as a database: {error}.") from error
    if "runs" not in names:
        raise ReportError(f"{path} is not an MLflow tracking database: it has no table of runs.")


def is_training(run: MlflowRun) -> bool:
    """Return True for a run that is tagged as a training, or has an optimizer and a learning rate and no such tag."""
    kind = run.data.tags.get(KIND)
    return kind == TRAINING or (kind is None and {"optimizer", "lr"} <= set(run.data.params))


def all_experiments(client: MlflowClient) -> list[Experiment]:
    """Return all experiments of the server."""
    return list(_pages(lambda token: client.search_experiments(page_token=token)))


def search(client: MlflowClient, experiments: list[str], query: str) -> Iterator[MlflowRun]:
    """Yield the runs of `experiments` that match `query`, the latest first."""
    return _pages(
        lambda token: client.search_runs(
            experiments, query, max_results=RUNS_PER_PAGE, order_by=LATEST_FIRST, page_token=token
        )
    )


def _pages(request: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = request(token)
        yield from page
        if not (token := page.token):
            return


def read_table(run_id: str, path: str) -> list[list[str]]:
    """Return the rows of a CSV file among a run's artifacts.

    Raises:
        ReportError: the file cannot be fetched.
    """
    return from_csv(read_text(run_id, path))


def read_text(run_id: str, path: str) -> str:
    """Return the content of a text file among a run's artifacts.

    Raises:
        ReportError: the file cannot be fetched.
    """
    failure = f"the artifact {path} of run {run_id} cannot be fetched"
    with _artifact_errors(failure), tempfile.TemporaryDirectory() as folder:
        return Path(MlflowClient().download_artifacts(run_id, path, folder)).read_text(encoding="utf-8")


def attach_report(run_id: str, folder: Path, cells: Mapping[str, Sequence[str]]) -> None:
    """Log `folder` to a run, as its artifact folder `report`, and the table of the cells, which MLflow's UI shows.

    Args:
        run_id: of the run.
        folder: of the report.
        cells: the columns of the table by their headers.

    Raises:
        ReportError: the server or the artifact store rejects it.
    """
    with _artifact_errors(f"the report cannot be attached to run {run_id}"):
        client = MlflowClient()
        client.log_artifacts(run_id, str(folder), "report")
        # Not by MLflow's `log_table`, which would append to the table of an earlier report.
        table = {"columns": list(cells), "data": list(zip(*cells.values(), strict=True))}
        client.log_text(run_id, json.dumps(table, ensure_ascii=False), CELLS)
        tables = json.loads(client.get_run(run_id).data.tags.get(LOGGED_ARTIFACTS, "[]"))
        if (cells_table := {"path": CELLS, "type": "table"}) not in tables:
            client.set_tag(run_id, LOGGED_ARTIFACTS, json.dumps([*tables, cells_table]))


@contextmanager
def _artifact_errors(failure: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each artifact store raises its own library's errors
        raise ReportError(f"{failure}: {first_line(error)}") from error

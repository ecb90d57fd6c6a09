"""Private parts of MLflow that the project uses, and the switches by which it changes MLflow for the whole process."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.tracking.rest_store import RestStore

_MAX_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_PROGRESS_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
_UV_PROJECT = "MLFLOW_UV_AUTO_DETECT"
_SUPPRESS_RUN_LINK = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
# The logger that reports a database's lost connections, and that a call to it is retried.
_DATABASE_LOGGER = "mlflow.store.db.utils"

DEFAULT_TIMEOUT_SECONDS = 10
# The most points that MLflow's server returns in one response.
POINTS_PER_RESPONSE = 25_000
# The query from which MLflow's own pages draw their charts.
BULK_HISTORY = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
# The largest limit that MLflow's databases accept.
MAX_POINTS = 2**31 - 1
# Until the outbox takes over: with a default server a dead one is noticed after some seconds.
RETRIES_AT_START = 3


@cache
def source_tags() -> dict[str, str]:
    """Return MLflow's tags on the running program: its name, its git commit, its user.

    Reason: `mlflow.start_run` adds them; `MlflowClient.create_run`, which opens the trials of a study, does not.
    Seen to work with MLflow 3.17.2. Without it, a trial's run shows no source, commit or user in the UI.
    """
    from mlflow.tracking.context.registry import resolve_tags

    tags: dict[str, str] = resolve_tags()
    return tags


def active_experiment_id() -> str:
    """Return the id of the experiment that `mlflow.start_run` would use; create it if the environment names a new one.

    Reason: its artifact store is tried before a run is opened; MLflow has no public function that returns it.
    Seen to work with MLflow 3.17.2. Without it, a store that cannot be written is noticed after the training.
    """
    from mlflow.tracking.fluent import _get_experiment_id

    experiment: str | None = _get_experiment_id()
    return str(experiment)


def limit_retries() -> None:
    """Let MLflow's client retry a call a few times, for some seconds, unless the user's environment says otherwise.

    Reason: by default a call to a dead server blocks for four minutes. The environment is the only way to set this.
    Seen to work with MLflow 3.17.2. Without it, a command waits four minutes for a server that is not there.
    The same call switches off the progress bar of artifacts, which would be printed between the epochs, and the lines
    on the creation of a database.
    """
    os.environ.setdefault(_MAX_RETRIES, str(RETRIES_AT_START))
    os.environ.setdefault(_TIMEOUT, str(DEFAULT_TIMEOUT_SECONDS))
    os.environ[_PROGRESS_BAR] = "false"
    logging.getLogger(_DATABASE_LOGGER).setLevel(logging.WARNING)


def disable_retries() -> None:
    """Make MLflow's client try each call once, and report nothing itself: the outbox retries and reports.

    Reason: MLflow repeats calls that create something, so that a lost answer leaves two runs.
    Seen to work with MLflow 3.17.2. Without it, lost answers duplicate runs, and each failure is printed as a trace.
    """
    os.environ[_MAX_RETRIES] = "0"
    os.environ[_SUPPRESS_RUN_LINK] = "true"
    os.environ.setdefault(_TIMEOUT, str(DEFAULT_TIMEOUT_SECONDS))
    logging.getLogger(_DATABASE_LOGGER).setLevel(logging.CRITICAL)


def prepare_to_save_models() -> None:
    """Let MLflow save a model as it is, without progress bars and without the files of another project.

    Reason: it would copy `uv.lock` and `pyproject.toml` of the current folder into the model, whose environment they do
    not describe; the environment is the only way to set both. Seen to work with MLflow 3.17.2. Without it, a model
    that is saved from within another project cannot be served.
    """
    os.environ[_PROGRESS_BAR] = "false"
    os.environ[_UV_PROJECT] = "false"


def restore_run_link() -> None:
    """Let MLflow print the address of a run as it ends, which `disable_retries` switched off.

    Reason: the run is then on the server. Seen to work with MLflow 3.17.2. Without it, no link is printed.
    """
    os.environ.pop(_SUPPRESS_RUN_LINK, None)


def request_timeout() -> int:
    """Return the seconds that MLflow's client waits for an answer.

    Reason: see `set_request_timeout`. Seen to work with MLflow 3.17.2.
    """
    return int(os.environ.get(_TIMEOUT, str(DEFAULT_TIMEOUT_SECONDS)))


def set_request_timeout(seconds: int) -> None:
    """Set the seconds that MLflow's client waits for an answer.

    Reason: large files take longer than a log call; MLflow has no argument per call. Seen to work with MLflow 3.17.2.
    Without it, large files are never sent, or a dead server is noticed late.
    """
    os.environ[_TIMEOUT] = str(seconds)


def delete_default_experiment(database: Path) -> None:
    """Delete the experiment that MLflow makes in a new SQLite database, which MLflow then makes anew when it is opened.

    Reason: a copy of an empty database saves the second that its hundred migrations take, a twentieth of a short
    training; but its experiment stores artifacts in the folder where it was made. Seen to work with MLflow 3.17.2.
    Without it, all new databases share one folder of artifacts.
    """
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("delete from experiments")
        connection.commit()


class MetricPoint(NamedTuple):
    """One logged value of a run's metric; `timestamp` in milliseconds since 1970."""

    run_id: str
    timestamp: int
    step: int
    value: float


def metric_points(client: MlflowClient, run_ids: list[str], metric: str) -> Iterable[MetricPoint]:
    """Return one metric's points of several runs: in one query of the database or the server, else in one per run.

    Reason: MLflow's public API reads one metric of one run per call, which takes 30 s instead of 5 for 500 runs.
    Seen to work with MLflow 3.17.2. Without it, each run is read by `MlflowClient.get_metric_history`, as from any
    server that does not know the query.
    """
    from mlflow.store.tracking.rest_store import RestStore

    store: Any = getattr(getattr(client, "_tracking_client", None), "store", None)
    if hasattr(store, "get_metric_history_bulk"):
        points = store.get_metric_history_bulk(run_ids, metric, MAX_POINTS)
        return (MetricPoint(point.run_id, point.timestamp, point.step, point.value) for point in points)
    points = _bulk_history(store, run_ids, metric) if isinstance(store, RestStore) else None
    if points is not None:
        return points
    return (
        MetricPoint(run_id, point.timestamp, point.step, point.value)
        for run_id in run_ids
        for point in client.get_metric_history(run_id, metric)
    )


def _bulk_history(store: RestStore, run_ids: list[str], metric: str) -> list[MetricPoint] | None:
    """Return the points from MLflow's server; None from another server, or if one run exceeds a response."""
    from mlflow.utils.rest_utils import http_request

    query = {"run_id": run_ids, "metric_key": metric, "max_results": POINTS_PER_RESPONSE}
    credentials = store.get_host_creds()
    response = http_request(credentials, BULK_HISTORY, "GET", params=query)  # type: ignore[no-untyped-call]
    if response.status_code != 200:
        return None
    points = [
        MetricPoint(point["run_id"], point["timestamp"], point["step"], float(point["value"]))
        for point in response.json()["metrics"]
    ]
    if len(points) < POINTS_PER_RESPONSE:
        return points
    if len(run_ids) == 1:
        return None
    half = len(run_ids) // 2
    halves = [_bulk_history(store, ids, metric) for ids in (run_ids[:half], run_ids[half:])]
    return None if None in halves else [point for part in halves for point in part or ()]

"""Metric histories of many runs in one query, which MLflow's public API does not offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.tracking.rest_store import RestStore

# The most points that MLflow's server returns in one response.
POINTS_PER_RESPONSE = 25_000
# The query from which MLflow's own pages draw their charts.
BULK_HISTORY = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
# The largest limit that MLflow's databases accept.
MAX_POINTS = 2**31 - 1


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

"""Metric histories of many runs, with a query for a page of runs where MLflow has one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import http_request

RUNS_PER_QUERY = 100
# As many processes as a server of MLflow's has, if it is not told otherwise.
AT_A_TIME = 4
# The most points that MLflow's server gives in one answer.
POINTS_PER_RESPONSE = 25_000
# The query that MLflow's own pages draw their charts from.
BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
# MLflow's databases keep infinities as the largest finite number.
LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric's history: `steps` in ascending order and float64 `values`, the last logged one of each step.

    The steps are epochs, int64; of a run that was logged by batch they are parts of epochs, float64.
    """

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class _Point:
    run_id: str
    timestamp: int
    step: int
    value: float


def read_curves(client: MlflowClient, run_ids: Sequence[str], metric: str) -> dict[str, Curve]:
    """The histories of one metric, by run; runs without the metric are left out."""
    curves: dict[str, Curve] = {}
    pages = [list(run_ids[start : start + RUNS_PER_QUERY]) for start in range(0, len(run_ids), RUNS_PER_QUERY)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for page in pool.map(lambda ids: _points(client, ids, metric), pages):
            points: dict[str, list[_Point]] = {}
            for point in page:
                points.setdefault(point.run_id, []).append(point)
            curves |= {run_id: _curve(some) for run_id, some in points.items()}
    return curves


def true_value(value: float) -> float:
    """A logged value, with infinities as they were logged."""
    return float(np.copysign(np.inf, value)) if abs(value) >= LARGEST else value


def _curve(points: Iterable[_Point]) -> Curve:
    last = {point.step: true_value(point.value) for point in sorted(points, key=lambda point: point.timestamp)}
    steps = sorted(last)
    return Curve(np.array(steps, np.int64), np.array([last[step] for step in steps], np.float64))


def _points(client: MlflowClient, run_ids: list[str], metric: str) -> Iterable[_Point]:
    """One metric's points of some runs: in one query of the database or of the server, else in one a run."""
    store = client._tracking_client.store  # the client itself asks for one run at a time
    if hasattr(store, "get_metric_history_bulk"):
        found = store.get_metric_history_bulk(run_ids, metric, 2**31 - 1)
        return (_Point(one.run_id, one.timestamp, one.step, one.value) for one in found)
    answer = _from_server(store, run_ids, metric) if isinstance(store, RestStore) else None
    if answer is not None:
        return answer
    return (_point(run_id, one) for run_id in run_ids for one in client.get_metric_history(run_id, metric))


def _from_server(store: RestStore, run_ids: list[str], metric: str) -> list[_Point] | None:
    """What MLflow's server answers; None from one of another kind, or for a history longer than an answer."""
    asked = {"run_id": run_ids, "metric_key": metric, "max_results": POINTS_PER_RESPONSE}
    response = http_request(  # type: ignore[no-untyped-call]
        store.get_host_creds(), BULK, "GET", params=asked
    )
    if response.status_code != 200:
        return None
    found = [
        _Point(one["run_id"], one["timestamp"], one["step"], float(one["value"])) for one in response.json()["metrics"]
    ]
    if len(found) < POINTS_PER_RESPONSE:
        return found
    if len(run_ids) == 1:
        return None
    half = len(run_ids) // 2
    halves = [_from_server(store, some, metric) for some in (run_ids[:half], run_ids[half:])]
    return None if None in halves else [point for some in halves for point in some or ()]


def _point(run_id: str, metric: Metric) -> _Point:
    return _Point(run_id, metric.timestamp, metric.step, metric.value)

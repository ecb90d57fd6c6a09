"""Metric histories of many runs, read in as few queries as the server allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from mlflow import MlflowClient

from lrstudy.compat.mlflow_internals import MetricPoint, metric_points
from lrstudy.report.runs import Curve

RUNS_PER_QUERY = 100
# The default number of processes of MLflow's server.
CONCURRENT_QUERIES = 4
# MLflow's databases store infinities as the largest finite number.
LARGEST = np.finfo(np.float64).max


def read_curves(client: MlflowClient, run_ids: Sequence[str], metric: str) -> dict[str, Curve]:
    """Return the histories of one metric, by run; runs without the metric are left out."""
    curves: dict[str, Curve] = {}
    pages = [list(run_ids[start : start + RUNS_PER_QUERY]) for start in range(0, len(run_ids), RUNS_PER_QUERY)]
    with ThreadPoolExecutor(CONCURRENT_QUERIES) as pool:
        for page in pool.map(lambda ids: metric_points(client, ids, metric), pages):
            points: dict[str, list[MetricPoint]] = {}
            for point in page:
                points.setdefault(point.run_id, []).append(point)
            curves |= {run_id: _curve(points_of_run) for run_id, points_of_run in points.items()}
    return curves


def restore_infinity(value: float) -> float:
    """Return a logged value, with infinities as they were logged."""
    return float(np.copysign(np.inf, value)) if abs(value) >= LARGEST else value


def _curve(points: Iterable[MetricPoint]) -> Curve:
    last = {point.step: restore_infinity(point.value) for point in sorted(points, key=lambda point: point.timestamp)}
    steps = sorted(last)
    return Curve(np.array(steps, np.int64), np.array([last[step] for step in steps], np.float64))

"""Metrics of a run as those of its logged model on a data set, which MLflow shows beside the model."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities import Metric

from lrstudy.tracking.calls import LinkMetrics


def linked_metrics(client: MlflowClient, call: LinkMetrics) -> list[Metric]:
    """Return the points of a call's metrics again, with the model and the data set; the run stores each only once."""
    return [
        Metric(point.key, point.value, point.timestamp, point.step, call.model, dataset, digest, call.run)
        for dataset, digest, names in call.datasets
        for name in names
        for point in client.get_metric_history(call.run, name)[-1:]
    ]

"""Red first when MLflow changes a private part from which the report reads many histories at once."""

import inspect
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import http_request

from lrstudy.compat import mlflow_histories
from lrstudy.compat.mlflow_histories import MetricPoint


def test_a_database_returns_the_histories_of_several_runs_at_once(empty_database: Path) -> None:
    client = MlflowClient(f"sqlite:///{empty_database}")
    assert hasattr(client._tracking_client.store, "get_metric_history_bulk")


def test_a_server_has_the_query_for_the_histories_of_several_runs() -> None:
    from mlflow.server import app

    assert mlflow_histories.BULK_HISTORY in {rule.rule for rule in app.url_map.iter_rules()}
    assert hasattr(RestStore, "get_metric_history")
    assert {"host_creds", "endpoint", "method"} <= set(inspect.signature(http_request).parameters)


def test_points_are_those_of_the_asked_runs_and_metric(tracking_uri: str) -> None:
    client = MlflowClient()
    runs = [client.create_run("1").info.run_id for _ in range(2)]
    for step, run in enumerate(runs):
        client.log_metric(run, "val_loss", 0.5 + step, timestamp=7, step=step)
        client.log_metric(run, "train_loss", 9.0, timestamp=7)
    points = sorted(mlflow_histories.metric_points(client, runs, "val_loss"), key=lambda point: point.step)
    assert points == [MetricPoint(runs[0], 7, 0, 0.5), MetricPoint(runs[1], 7, 1, 1.5)]

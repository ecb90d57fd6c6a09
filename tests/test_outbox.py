"""The metric writer against a real tracking database."""

import math
import time

import mlflow
import pytest
from lrstudy.metric_writer import MOST_METRICS_A_CALL, MetricWriter
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


@pytest.fixture
def run_id(tracking_uri: str) -> str:
    with mlflow.start_run() as run:
        return str(run.info.run_id)


def points(run_id: str, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in MlflowClient().get_metric_history(run_id, name)]


def test_every_metric_arrives_once_in_order(run_id: str) -> None:
    count = 2 * MOST_METRICS_A_CALL + 1
    with MetricWriter(MlflowClient()) as writer:
        for step in range(count):
            writer.add(run_id, {"loss": step / 7}, step)
    assert points(run_id, "loss") == [(step, step / 7) for step in range(count)]


def test_metrics_are_on_the_server_within_about_a_second_while_the_training_goes_on(run_id: str) -> None:
    with MetricWriter(MlflowClient()) as writer:
        writer.add(run_id, {"loss": 1.0}, 0)
        deadline = time.monotonic() + 20
        while not points(run_id, "loss") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert points(run_id, "loss") == [(0, 1.0)]


def test_a_loss_that_is_not_a_number_stays_one(run_id: str) -> None:
    with MetricWriter(MlflowClient()) as writer:
        writer.add(run_id, {"loss": math.nan}, 3)
    ((step, value),) = points(run_id, "loss")
    assert step == 3
    assert math.isnan(value)


def test_what_was_added_before_an_error_is_sent_and_the_error_is_not_hidden(run_id: str) -> None:
    with pytest.raises(KeyboardInterrupt), MetricWriter(MlflowClient()) as writer:  # noqa: PT012
        writer.add(run_id, {"loss": 1.0}, 0)
        raise KeyboardInterrupt
    assert points(run_id, "loss") == [(0, 1.0)]


def test_after_a_call_that_failed_nothing_more_is_said_to_have_arrived(tracking_uri: str) -> None:
    writer = MetricWriter(MlflowClient())
    writer.add("no such run", {"loss": 1.0}, 0)
    for _ in range(2):
        with pytest.raises(MlflowException, match="no such run"):
            writer.flush()


def test_a_refusal_by_the_server_is_raised_at_the_end(tracking_uri: str) -> None:
    with pytest.raises(MlflowException, match="no such run"), MetricWriter(MlflowClient()) as writer:
        writer.add("no such run", {"loss": 1.0}, 0)

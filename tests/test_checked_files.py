"""Files of runs that are read back where their store does not answer, or does not have them."""

import mlflow
import pytest
from mlflow.entities import Run

from lrstudy.errors import SettingsError, TrackingError
from lrstudy.tracking.checked_files import read_checked


def a_run(artifact_location: str) -> Run:
    client = mlflow.MlflowClient()
    return client.create_run(client.create_experiment("elsewhere", artifact_location))


def test_a_store_that_does_not_answer_is_not_the_fault_of_the_setting(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = a_run("http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts")
    with pytest.raises(TrackingError, match=f"the artifact weights.pt of run {run.info.run_id} cannot be read: Conn"):
        read_checked(mlflow.MlflowClient(tracking_uri), run, "weights.pt", "model", run.info.run_id)


def test_a_file_that_is_missing_is_an_error_of_the_setting(tracking_uri: str, tmp_path: object) -> None:
    run = a_run(f"file://{tmp_path}/artifacts")
    with pytest.raises(
        SettingsError, match=r"model='abc': the artifact weights.pt of run .* cannot be read: No such artifact[.]"
    ):
        read_checked(mlflow.MlflowClient(tracking_uri), run, "weights.pt", "model", "abc")

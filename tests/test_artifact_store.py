"""The artifact store of an experiment, tried before anything is trained."""

import os
import re
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from lrstudy.errors import TrackingError
from lrstudy.tracking.artifact_store import check_artifact_store
from servers import Front
from studies import run_script


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("s3://bucket/path", "needs boto3, not installed in this environment; `pip install boto3` installs it"),
        ("gs://bucket/path", "needs google-cloud-storage, not installed"),
        ("wasbs://c@account.blob.core.windows.net/p", "needs azure-storage-blob and azure-identity, not installed"),
        ("abfss://c@account.dfs.core.windows.net/p", "needs azure-storage-file-datalake and azure-identity, not"),
        ("file:///proc/nope", "cannot be used: No such file or directory"),
        ("nowhere://here", "cannot be used: Could not find a registered artifact repository for: nowhere://here"),
    ],
)
def test_a_store_that_cannot_be_used_is_named(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch, store: str, problem: str
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", MlflowClient().create_experiment("ours", store))
    where = r"stores its artifacts in (\w+://[^ ]+), which "
    with pytest.raises(TrackingError, match=f"the experiment 'ours' {where}{re.escape(problem)}"):
        check_artifact_store(MlflowClient())


@pytest.mark.parametrize("script", ["train.py", "grid.py"])
def test_nothing_is_trained_for_a_store_that_cannot_be_used(tracking_uri: str, script: str) -> None:
    experiment = MlflowClient().create_experiment("x", "file:///proc/nope")
    ended = run_script(script, "--epochs", "1", "--hidden", "8", MLFLOW_EXPERIMENT_ID=experiment)
    assert ended.returncode == 2
    (error,) = [line for line in ended.stderr.splitlines() if not line.startswith("warning: fewer than 300 steps")]
    assert error.startswith("error: the experiment 'x' stores its artifacts in file:///proc/nope, which cannot be ")
    assert MlflowClient().search_runs([experiment]) == []


def test_a_store_that_can_be_used_is_left_as_it_was(tracking_uri: str, tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri)
    check_artifact_store(client)
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_the_check_of_a_servers_store_leaves_nothing_there(front: Front) -> None:
    check_artifact_store(MlflowClient())
    experiment = os.environ["MLFLOW_EXPERIMENT_ID"]
    assert mlflow.artifacts.list_artifacts(mlflow.get_experiment(experiment).artifact_location) == []

"""New tracking databases, created by real processes that are killed meanwhile."""

import re
import subprocess
import time
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT
from lrstudy import cache_paths
from lrstudy.errors import TrackingError
from lrstudy.tracking.database import prepared_database
from preloaded_process import PreloadedProcess, run_preloaded
from studies import run_script

PRINT_ARTIFACT_LOCATIONS = """
import sys
import mlflow
print(*[experiment.artifact_location for experiment in mlflow.MlflowClient(sys.argv[1]).search_experiments()])
"""
CREATE_DATABASE = """
import sys
from lrstudy.tracking.database import prepared_database
print("begins", flush=True)
with prepared_database(sys.argv[1]):
    pass
"""


def experiments(uri: str) -> list[str]:
    return [experiment.artifact_location for experiment in mlflow.MlflowClient(uri).search_experiments()]


def test_a_new_database_stores_artifacts_beside_itself(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        with prepared_database(uri):
            assert (folder / "mlflow.db").stat().st_size > 0
        ended = run_preloaded(["-c", PRINT_ARTIFACT_LOCATIONS, uri], cwd=folder)
        assert ended.stdout.split() == [str(folder / "mlruns" / "0")]


def test_an_existing_database_is_unchanged(tracking_uri: str) -> None:
    with mlflow.start_run() as run:
        pass
    with prepared_database(tracking_uri):
        assert mlflow.MlflowClient(tracking_uri).get_run(run.info.run_id)


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.3, 0.6])
def test_a_database_whose_creation_was_killed_is_created_the_next_time(tmp_path: Path, seconds: float) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with PreloadedProcess(["-c", CREATE_DATABASE, uri], cwd=ROOT / "src", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
    with prepared_database(uri):
        assert len(experiments(uri)) == 1
    assert {path.name for path in tmp_path.glob("mlflow.db*")} == {"mlflow.db", "mlflow.db.lock"}


def test_a_database_is_created_without_a_cache_folder(tmp_path: Path) -> None:
    cache_paths.cache_folder().parent.mkdir(parents=True)
    cache_paths.cache_folder().write_text("a file where the folder should be")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with prepared_database(uri):
        assert len(experiments(uri)) == 1


def test_a_database_is_created_if_the_disk_of_the_cache_is_full(small_disk: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with prepared_database(uri):
        assert len(experiments(uri)) == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("postgresql+psycopg2", r".*Connection refused"), ("mssql+pymssql", "No module named 'pymssql'")],
)
def test_a_missing_database_is_reported_at_once_without_its_password(
    kind: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{kind}://me:secret@127.0.0.1:9/runs")
    ended = run_script("train.py", "--epochs", "1")
    assert ended.returncode == 2
    (sentence,) = ended.stderr.splitlines()
    assert re.fullmatch(
        rf"error: the tracking database {re.escape(kind)}://127.0.0.1:9/runs cannot be used: {reason}\.", sentence
    )


def test_a_file_that_is_not_a_database_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("notes " * 1000)
    sentence = r"the tracking database .*mlflow.db cannot be used"
    with pytest.raises(TrackingError, match=sentence), prepared_database(f"sqlite:///{tmp_path / 'mlflow.db'}"):
        pass

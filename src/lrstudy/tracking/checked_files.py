"""Files of a run that are read back, and checked against the digests that were logged with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy.errors import LearningRateStudyError, SettingsError, TrackingError
from lrstudy.formatting import setting_error
from lrstudy.run_artifacts import read_artifact
from lrstudy.server_names import FILE_DIGESTS
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.training.result import DATA_FACTS, LAST_STATE, WEIGHTS

CHECKED = (WEIGHTS, DATA_FACTS, LAST_STATE)


def file_digests(files: Mapping[str, bytes]) -> str:
    """Return the value of the tag with the SHA-256 digests of the files that are read back, by their paths."""
    return json.dumps({path: hashlib.sha256(files[path]).hexdigest() for path in CHECKED if path in files})


def unreadable(name: str, error: Exception, setting: str, typed: str) -> LearningRateStudyError:
    """Return the error that `name`, which belongs to the run or the model that a setting names, cannot be read."""
    problem = f"{name} cannot be read: {failure_reason(error).rstrip('.')}."
    if is_transient(error):
        return TrackingError(problem)
    return SettingsError(setting_error(setting, typed, f": {problem}"))


def read_checked(client: MlflowClient, run: Run, path: str, setting: str, typed: str) -> bytes:
    """Return the content of a file of a run.

    Args:
        client: of the server.
        run: that has the file.
        path: of the file among the run's artifacts.
        setting: the setting that names the run.
        typed: its value.

    Raises:
        SettingsError: the file is not there, or was changed since it was logged.
        TrackingError: it cannot be read now.
    """
    try:
        content = read_artifact(run.info.artifact_uri, path, client.tracking_uri)
    except Exception as error:  # each kind of artifact store has its own errors
        raise unreadable(f"the artifact {path} of run {run.info.run_id}", error, setting, typed) from error
    recorded = json.loads(run.data.tags.get(FILE_DIGESTS, "{}")).get(path)
    if recorded and recorded != hashlib.sha256(content).hexdigest():
        problem = f": the artifact {path} of run {run.info.run_id} has changed since it was logged, and is not used."
        raise SettingsError(setting_error(setting, typed, problem))
    return content

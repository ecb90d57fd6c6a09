"""Files of a run that are read back, and checked against the digests that were logged with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.run_artifacts import read_artifact
from lrstudy.server_names import FILE_DIGESTS
from lrstudy.tracking.failures import failure_reason
from lrstudy.training.result import DATA_FACTS, LAST_STATE, WEIGHTS

CHECKED = (WEIGHTS, DATA_FACTS, LAST_STATE)


def file_digests(files: Mapping[str, bytes]) -> str:
    """Return the value of the tag with the SHA-256 digests of the files that are read back, by their paths."""
    return json.dumps({path: hashlib.sha256(files[path]).hexdigest() for path in CHECKED if path in files})


def read_checked(client: MlflowClient, run: Run, path: str, setting: str, typed: str) -> bytes:
    """Return the content of a file of a run.

    Args:
        client: of the server.
        run: that has the file.
        path: of the file among the run's artifacts.
        setting: the setting that names the run.
        typed: its value.

    Raises:
        SettingsError: the file cannot be read, or was changed since it was logged.
    """
    try:
        content = read_artifact(run.info.artifact_uri, path, client.tracking_uri)
    except Exception as error:  # each kind of artifact store has its own errors
        problem = f": the artifact {path} of run {run.info.run_id} cannot be read: {failure_reason(error).rstrip('.')}."
        raise SettingsError(setting_error(setting, typed, problem)) from error
    recorded = json.loads(run.data.tags.get(FILE_DIGESTS, "{}")).get(path)
    if recorded and recorded != hashlib.sha256(content).hexdigest():
        problem = f": the artifact {path} of run {run.info.run_id} has changed since it was logged, and is not used."
        raise SettingsError(setting_error(setting, typed, problem))
    return content

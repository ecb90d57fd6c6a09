"""The error of files that cannot be stored although the tracking server answers."""

from __future__ import annotations

from contextlib import suppress

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lrstudy.redaction import redact_credentials
from lrstudy.tracking.calls import LogFiles, LogModel
from lrstudy.tracking.failures import failure_reason, is_rejection


class FilesError(Exception):
    """The files of a call of `run` cannot be stored in `store`, for `reason`; other calls can be delivered.

    `rejected` is True if the server itself rejects the files, and would reject them again.
    """

    def __init__(self, run: str, store: str, error: Exception) -> None:
        self.run, self.store = run, store
        self.reason, self.rejected = failure_reason(error).rstrip("."), is_rejection(error)
        super().__init__(f"the artifacts of run {run} cannot be stored in {store} ({self.reason})")


def files_error(client: MlflowClient, call: LogFiles | LogModel, error: Exception) -> FilesError:
    """Return the error of files that cannot be stored.

    Raises:
        Exception: MLflow's, if the server is unavailable.
    """
    client.search_experiments(max_results=1)
    store = "the artifact store"
    with suppress(MlflowException):
        if isinstance(call, LogFiles):
            store = client.get_run(call.run).info.artifact_uri
        else:
            store = client.get_logged_model(call.model).artifact_location
    return FilesError(call.run, redact_credentials(store), error)

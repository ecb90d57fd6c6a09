"""The tracking server: whether it answers, and what is said where it does not.

The server, the experiment and a run's source are MLflow's own defaults, or what its environment variables say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lrstudy.errors import TrackingError
from lrstudy.redaction import redact_credentials
from lrstudy.server_names import DESCRIPTION
from lrstudy.tracking.database import prepared
from lrstudy.tracking.delivery import RETRIES, TIMEOUT, TIMEOUT_SECONDS
from lrstudy.tracking.failures import failure_reason, is_transient

# Retries of a call while nothing has begun. By MLflow's default a dead server is noticed after four minutes.
FEW = "3"
MAX_TAG = 5000


def connect() -> None:
    """Makes sure that the tracking server answers, and that a tracking database is there and of MLflow's version.

    Raises:
        TrackingError: it cannot be reached, or cannot be used.
    """
    os.environ.setdefault(RETRIES, FEW)
    os.environ.setdefault(TIMEOUT, str(TIMEOUT_SECONDS))
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with tracking_errors(), prepared(mlflow.get_tracking_uri()):
        MlflowClient().search_experiments(max_results=1)


def server_address() -> str:
    """The address of the tracking server, which means the same in every folder."""
    uri: str = mlflow.get_tracking_uri()
    database = uri.removeprefix("sqlite:///")
    return uri if database == uri else f"sqlite:///{Path(database).absolute()}"


@contextmanager
def connected_client() -> Iterator[MlflowClient]:
    """A client of the server, to read what is there.

    Raises:
        TrackingError: the server cannot be reached.
    """
    connect()
    with tracking_errors():
        yield MlflowClient()


def mark_failed(run_id: str, sentence: str) -> None:
    """Ends a run that came to nothing, with `sentence` as its description. Says nothing where it cannot be reached."""
    os.environ.setdefault(RETRIES, FEW)
    try:
        client = MlflowClient()
        client.set_tag(run_id, DESCRIPTION, truncate_tag(sentence))
        client.set_terminated(run_id, "FAILED")
    except MlflowException:
        return


def truncate_tag(text: str) -> str:
    """`text` as long as MLflow takes a tag."""
    return text if len(text) <= MAX_TAG else f"{text[: MAX_TAG - 1]}…"


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Turns what MLflow raises into one sentence that names the server."""
    try:
        yield
    except MlflowException as error:
        reason = (
            failure_reason(error) if is_transient(error) else redact_credentials(str(error).strip().splitlines()[0])
        )
        raise TrackingError(
            f"the tracking server {redact_credentials(mlflow.get_tracking_uri())} cannot be used: {reason}"
        ) from error

"""The connection to the tracking server.

The server, the experiment and a run's source are MLflow's own defaults, or set by its environment variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lrstudy.compat.mlflow_internals import limit_retries
from lrstudy.errors import TrackingError
from lrstudy.formatting import MAX_TAG_LENGTH
from lrstudy.redaction import describe_ambiguity, first_line, redact_credentials
from lrstudy.tracking.database import is_new_database, prepared_database, warm_up
from lrstudy.tracking.failures import failure_reason, is_transient


def connect() -> None:
    """Check that the tracking server answers; create or check the tracking database if it is one.

    Raises:
        TrackingError: it cannot be reached, or cannot be used.
    """
    _check_address()
    limit_retries()
    with tracking_errors(), prepared_database(mlflow.get_tracking_uri()):
        MlflowClient().search_experiments(max_results=1)


def prepare() -> None:
    """Connect, unless that creates a database; in that case, only import what MLflow needs for one.

    A training that turns out to be impossible leaves no new database behind.

    Raises:
        TrackingError: the server cannot be reached, or cannot be used.
    """
    if is_new_database(mlflow.get_tracking_uri()):
        limit_retries()
        warm_up()
    else:
        connect()


def server_address() -> str:
    """Return the address of the tracking server, valid in every folder."""
    uri: str = mlflow.get_tracking_uri()
    database = uri.removeprefix("sqlite:///")
    return uri if database == uri else f"sqlite:///{Path(database).absolute()}"


@contextmanager
def connected_client() -> Iterator[MlflowClient]:
    """Connect to the server, and yield a client of it.

    Raises:
        TrackingError: the server cannot be reached.
    """
    connect()
    with tracking_errors():
        yield MlflowClient()


def truncate_tag(text: str) -> str:
    """Return `text`, cut off at the length that MLflow accepts in a tag."""
    return text if len(text) <= MAX_TAG_LENGTH else f"{text[: MAX_TAG_LENGTH - 1]}…"


def _check_address() -> None:
    if reason := describe_ambiguity(mlflow.get_tracking_uri()):
        raise TrackingError(f"the tracking server cannot be used: {reason}")


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Turn MLflow's errors into a TrackingError: one sentence that names the server."""
    try:
        yield
    except MlflowException as error:
        reason = failure_reason(error) if is_transient(error) else first_line(error)
        server = redact_credentials(mlflow.get_tracking_uri())
        raise TrackingError(f"the tracking server {server} cannot be used: {reason}") from error

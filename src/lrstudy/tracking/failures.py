"""Errors of a tracking server: whether a later try can succeed, and the reason in a few words."""

from __future__ import annotations

import re

from mlflow.exceptions import MlflowException, RestException
from sqlalchemy.exc import OperationalError

from lrstudy.errors import NotSyncedError, TrackingError
from lrstudy.redaction import first_line

# MLflow's error codes for failures that can pass. Its client reports lost connections as the first.
TRANSIENT_CODES = {
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "IO_ERROR",
}
# The message of MLflow's client is long: a pattern in it, and the reason to show instead.
_REASONS = {
    r"too many (\d+) error responses": "it answers {}",
    r"failed with error code (\d+)": "it answers {}",
    r"timed out": "it gives no answer in time",
    r"closed connection": "it closes connections",
    r"IncompleteRead|Connection broken|Connection aborted": "its answers break off",
    r"\[Errno -?\d+\] ([\w -]+)": "{}",
    r"sqlite3\.\w+\) ([\w ]+)": "{}",
}


def is_transient(error: Exception) -> bool:
    """Return True if a call failed because the server, its database or its disk is unavailable for now."""
    response = getattr(error, "response", None)
    if response is not None:  # of a rejected artifact
        return bool(response.status_code >= 500)
    if isinstance(error, MlflowException):
        # MLflow's own server rejects calls in JSON, which becomes a RestException; other answers come from a proxy.
        from_proxy = not isinstance(error, RestException) and "failed with error code" in str(error)
        return from_proxy or error.error_code in TRANSIENT_CODES
    return isinstance(error, OSError | OperationalError | TrackingError)


def failure_reason(error: BaseException) -> str:
    """Return in a few words why the server cannot be used."""
    if isinstance(error, TrackingError | NotSyncedError) and error.__cause__:  # its message is a sentence already
        return failure_reason(error.__cause__)
    text = str(error).strip() or type(error).__name__
    for pattern, reason in _REASONS.items():
        if match := re.search(pattern, text):
            return reason.format(*match.groups())
    return first_line(error)

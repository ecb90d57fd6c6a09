"""Classify errors while calls are sent, and describe them in a few words.

There are three kinds: the server is unavailable (`is_transient`), the server rejects a call for good (`is_rejection`),
and faults of this machine, such as a full disk or a worker that died.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from mlflow.exceptions import MlflowException, RestException
from requests import RequestException
from sqlalchemy.exc import OperationalError
from urllib3.exceptions import HTTPError

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
NETWORK_ERRORS = (RequestException, HTTPError, HTTPException, ConnectionError, TimeoutError)
# The message of MLflow's client is long: a pattern in it, and the reason to show instead.
_REASONS = {
    r"(No such artifact)": "{}",
    r"too many (\d+) error responses": "it answers {}",
    r"failed with error code (\d+)": "it answers {}",
    r"^(\d{3}) (?:Client|Server) Error": "it answers {}",
    r"timed out": "it gives no answer in time",
    r"closed connection": "it closes connections",
    r"IncompleteRead|Connection broken|Connection aborted": "its answers break off",
    r"\[Errno -?\d+\] ([\w -]+)": "{}",
    r"sqlite3\.\w+\) ([\w ]+)": "{}",
}


def is_transient(error: Exception) -> bool:
    """Return True if a call failed because the server, its database or its disk is unavailable for now."""
    if getattr(error, "response", None) is not None:  # of a rejected artifact
        return _own_rejection(error) is None
    if isinstance(error, MlflowException):
        # MLflow's own server rejects calls in JSON, which becomes a RestException; other answers come from a proxy.
        from_proxy = not isinstance(error, RestException) and "failed with error code" in str(error)
        return from_proxy or error.error_code in TRANSIENT_CODES
    return isinstance(error, (*NETWORK_ERRORS, OperationalError, TrackingError))


def is_rejection(error: Exception) -> bool:
    """Return True if MLflow itself rejects a call, so that it would reject the same call again."""
    return not is_transient(error) and (isinstance(error, MlflowException) or _own_rejection(error) is not None)


def _own_rejection(error: Exception) -> Mapping[str, Any] | None:
    """Return the answer in which MLflow's server, not a proxy before it, rejects an artifact."""
    response = getattr(error, "response", None)
    if response is None or response.status_code >= 500:
        return None
    try:
        answer = json.loads(response.text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "error_code" in answer else None


def failure_reason(error: BaseException) -> str:
    """Return in a few words why a call failed."""
    if isinstance(error, TrackingError | NotSyncedError) and error.__cause__:  # its message is a sentence already
        return failure_reason(error.__cause__)
    if isinstance(error, Exception) and (answer := _own_rejection(error)):
        return f"{answer['error_code']}: {answer.get('message', '')}"
    text = str(error).strip() or type(error).__name__
    for pattern, reason in _REASONS.items():
        if match := re.search(pattern, text):
            return reason.format(*match.groups())
    return first_line(error)

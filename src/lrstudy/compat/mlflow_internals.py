"""Private parts of MLflow that the project uses, and the switches by which it changes MLflow for the whole process."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

_MAX_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_PROGRESS_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
_SUPPRESS_RUN_LINK = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
# The logger that reports a database's lost connections, and that a call to it is retried.
_DATABASE_LOGGER = "mlflow.store.db.utils"

DEFAULT_TIMEOUT_SECONDS = 10
# Until the outbox takes over: with a default server a dead one is noticed after some seconds.
RETRIES_AT_START = 3


@cache
def source_tags() -> dict[str, str]:
    """Return MLflow's tags on the running program: its name, its git commit, its user.

    Reason: `mlflow.start_run` adds them; `MlflowClient.create_run`, which opens the trials of a study, does not.
    Seen to work with MLflow 3.17.2. Without it, a trial's run shows no source, commit or user in the UI.
    """
    from mlflow.tracking.context.registry import resolve_tags

    tags: dict[str, str] = resolve_tags()
    return tags


def limit_retries() -> None:
    """Let MLflow's client retry a call a few times, for some seconds, unless the user's environment says otherwise.

    Reason: by default a call to a dead server blocks for four minutes. The environment is the only way to set this.
    Seen to work with MLflow 3.17.2. Without it, a command waits four minutes for a server that is not there.
    The same call switches off the progress bar of artifacts, which would be printed between the epochs, and the lines
    on the creation of a database.
    """
    os.environ.setdefault(_MAX_RETRIES, str(RETRIES_AT_START))
    os.environ.setdefault(_TIMEOUT, str(DEFAULT_TIMEOUT_SECONDS))
    os.environ[_PROGRESS_BAR] = "false"
    logging.getLogger(_DATABASE_LOGGER).setLevel(logging.WARNING)


def disable_retries() -> None:
    """Make MLflow's client try each call once, and report nothing itself: the outbox retries and reports.

    Reason: MLflow repeats calls that create something, so that a lost answer leaves two runs.
    Seen to work with MLflow 3.17.2. Without it, lost answers duplicate runs, and each failure is printed as a trace.
    """
    os.environ[_MAX_RETRIES] = "0"
    os.environ[_SUPPRESS_RUN_LINK] = "true"
    os.environ.setdefault(_TIMEOUT, str(DEFAULT_TIMEOUT_SECONDS))
    logging.getLogger(_DATABASE_LOGGER).setLevel(logging.CRITICAL)


def restore_run_link() -> None:
    """Let MLflow print the address of a run as it ends, which `disable_retries` switched off.

    Reason: the run is then on the server. Seen to work with MLflow 3.17.2. Without it, no link is printed.
    """
    os.environ.pop(_SUPPRESS_RUN_LINK, None)


def request_timeout() -> int:
    """Return the seconds that MLflow's client waits for an answer.

    Reason: see `set_request_timeout`. Seen to work with MLflow 3.17.2.
    """
    return int(os.environ.get(_TIMEOUT, str(DEFAULT_TIMEOUT_SECONDS)))


def set_request_timeout(seconds: int) -> None:
    """Set the seconds that MLflow's client waits for an answer.

    Reason: large files take longer than a log call; MLflow has no argument per call. Seen to work with MLflow 3.17.2.
    Without it, large files are never sent, or a dead server is noticed late.
    """
    os.environ[_TIMEOUT] = str(seconds)


def delete_default_experiment(database: Path) -> None:
    """Delete the experiment that MLflow makes in a new SQLite database, which MLflow then makes anew when it is opened.

    Reason: a copy of an empty database saves the second that its hundred migrations take, a twentieth of a short
    training; but its experiment stores artifacts in the folder where it was made. Seen to work with MLflow 3.17.2.
    Without it, all new databases share one folder of artifacts.
    """
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("delete from experiments")
        connection.commit()

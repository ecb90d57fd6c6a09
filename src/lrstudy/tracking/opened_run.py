"""The run that the environment names for this process: `mlflow run` opens one, or the user names one.

The run must be open and empty, or an interrupted run of the same training. Any other run is left unchanged.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from pydantic import BaseModel

from lrstudy.cli.command_line import from_parameters
from lrstudy.compat.mlflow_internals import limit_retries
from lrstudy.errors import OtherRunError, SettingsError, TrackingError
from lrstudy.formatting import format_setting, quote, setting_error
from lrstudy.redaction import redact_credentials
from lrstudy.server_names import DESCRIPTION, ENTRY_POINT, KIND, OWNER, TRAINING
from lrstudy.tracking import owner
from lrstudy.tracking.database import is_new_database, prepared_database
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.recorded_training import NO_SUCH_RUN
from lrstudy.tracking.run_names import is_made_up, name_of_request
from lrstudy.tracking.server import truncate_tag
from lrstudy.unquoted_parameters import unquoted_parameters

VARIABLE = "MLFLOW_RUN_ID"
OPEN = ("RUNNING", "SCHEDULED")


def opened_run(client: MlflowClient) -> Run | None:
    """Return the run that `mlflow run` opened for this process, or that the user named, if any.

    Raises:
        OtherRunError: the server has no such run.
    """
    if not (run_id := os.environ.get(VARIABLE)):
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in NO_SUCH_RUN:
            raise
        server = redact_credentials(client.tracking_uri)
        raise not_ours(run_id, f"is not a run of the tracking server {server}") from None


def check_opened_run(client: MlflowClient, kind: str, settings: BaseModel) -> Run | None:
    """Return the run that the environment names, if any and if this command may log to it.

    Args:
        client: of the server.
        kind: of the command, as its runs have it in their tag.
        settings: of the command, which the run's parameters must not contradict.

    Raises:
        OtherRunError: it is another run.
    """
    run = opened_run(client)
    if run and (problem := _problem(client, run, kind, settings)):
        raise not_ours(run.info.run_id, problem)
    return run


def not_ours(run_id: str, problem: str) -> OtherRunError:
    """Return the error about a run that this command must not log to."""
    return OtherRunError(f"{setting_error(VARIABLE, run_id, problem)}; unset {VARIABLE} to log to a new run.")


def mark_failed(run_id: str, sentence: str) -> None:
    """End the run that `mlflow run` opened for this process as failed, with `sentence` as its description.

    A run that has ended, that belongs to something else, or that cannot be reached is left unchanged. A name that
    MLflow made up is replaced by the entry point and its parameters.
    """
    limit_retries()
    uri = mlflow.get_tracking_uri()
    if is_new_database(uri):
        return
    # MLflow would retry for minutes to open a database that cannot be opened.
    with suppress(MlflowException, TrackingError), prepared_database(uri):
        client = MlflowClient()
        if _may_be_failed(run := client.get_run(run_id)):
            if is_made_up(run):
                client.update_run(run_id, name=name_of_request(run))
            client.set_tag(run_id, DESCRIPTION, truncate_tag(redact_credentials(sentence)))
            client.set_terminated(run_id, "FAILED")


def _may_be_failed(run: Run) -> bool:
    """Return True if a run is open, and either empty, as `mlflow run` opens it, or owned by this process."""
    tags = run.data.tags
    is_new = KIND not in tags and not run.data.metrics and (ENTRY_POINT in tags or not run.data.params)
    return _is_active(run) and run.info.status in OPEN and (is_new or tags.get(OWNER) == owner.this_process())


def _problem(client: MlflowClient, run: Run, kind: str, settings: BaseModel) -> str | None:
    """Return the reason why this command must not log to a run, if any."""
    tags, status = run.data.tags, run.info.status
    if not _is_active(run):
        return "is a deleted run"
    if owner.owner_state(tags.get(OWNER)) is OwnerState.ALIVE and tags[OWNER] != owner.this_process():
        return "is a run that another process is logging to"
    if (other := tags.get(KIND)) not in (None, kind):
        return f"is the run of another command ({other})"
    if status == "FINISHED" or (status not in OPEN and kind != TRAINING):
        return f"is a run that has ended ({status})"
    if other == TRAINING:  # an interrupted one, which is compared once the data are known
        return None
    if status not in OPEN:
        return f"is a run that has ended ({status})"
    return _content(client, run) or _contradiction(run, settings)


def _is_active(run: Run) -> bool:
    return bool(run.info.lifecycle_stage == "active")


def _content(client: MlflowClient, run: Run) -> str | None:
    if KIND in run.data.tags or run.data.metrics:
        return "is a run that has results already"
    if run.inputs and run.inputs.dataset_inputs:
        return "is a run that has data sets already"
    try:
        has_files = bool(client.list_artifacts(run.info.run_id))
    except Exception:  # each kind of artifact store has its own errors; the store is tried later
        has_files = False
    return "is a run that has artifacts already" if has_files else None


def _contradiction(run: Run, settings: BaseModel) -> str | None:
    """Return a clause on a parameter of the run that contradicts the command's settings, if any."""
    recorded = unquoted_parameters(run.data.params, run.data.tags)
    ours: dict[str, Any] = dict(settings)
    if unknown := [name for name in recorded if name not in ours]:
        return f"is a run with the parameter {unknown[0]}={quote(recorded[unknown[0]])}, unknown to this command"
    typed = {name: format_setting(value) for name, value in ours.items()}
    try:
        merged = dict(from_parameters(type(settings), typed | recorded))
    except SettingsError:
        merged = {}
    for name, value in recorded.items():
        if merged.get(name) != ours[name]:
            return f"is a run with {name}={quote(value)}, and this command has {name}={quote(typed[name])}"
    return None

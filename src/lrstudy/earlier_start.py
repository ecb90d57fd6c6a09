"""What earlier starts of a training alone left on the server: its run, which goes on, and runs in which nothing is.

`mlflow run` opens a run before the training's program starts. Where an earlier one goes on, that one is not needed.
"""

from __future__ import annotations

import os
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from lrstudy import owner
from lrstudy.claims import OWNER, PARENT, is_left, may_go_on, whose
from lrstudy.description import DESCRIPTION, KEY, Description
from lrstudy.errors import SettingsError
from lrstudy.owner import Owner
from lrstudy.recorded import ENTRY_POINT, recorded_settings
from lrstudy.settings import TrainSettings


def opened_run(client: MlflowClient) -> Run | None:
    """The run that `mlflow run` opened for this process, or that the user named, if there is one."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    return client.get_run(run_id) if run_id else None


def sign(client: MlflowClient, run: Run) -> None:
    """Writes into a run that MLflow opened that it is this process's, if nothing else is in it."""
    if _is_empty(run):
        client.log_batch(run.info.run_id, tags=[RunTag(OWNER, owner.this_process())])


def find(description: Description, opened: Run | None) -> Run | None:
    """The run in which this training goes on: one that nobody is at, and that is no study's trial.

    Call it within `claims()`. A run of the user's own is never left for another.
    """
    if opened and not _is_empty(opened):
        found = [opened] if opened.data.tags.get(KEY) == description.key else []
    else:
        found = _runs(f"tags.`{KEY}` = '{description.key}'")
    parent = opened.data.tags.get(PARENT) if opened else None
    left = [run for run in found if is_left(run) and run.data.tags.get(PARENT) == parent]
    return next((run for run in reversed(left) if may_go_on(run, description)), None)


def discard(client: MlflowClient, opened: Run, instead: Run) -> None:
    """Deletes the run that MLflow opened, since another one goes on."""
    print(
        f"run {opened.info.run_id}, which MLflow opened for this start, is deleted: run {instead.info.run_id} goes on",
        file=sys.stderr,
        flush=True,
    )
    _delete(client, opened)


def discard_empty(client: MlflowClient, settings: TrainSettings, opened: Run) -> None:
    """Deletes what starts of the same training left that were killed before it began, but the run `opened` now."""
    for run in _runs(f"attributes.status != 'FINISHED' and tags.`{ENTRY_POINT}` = 'main'"):
        silent = _is_empty(run) and DESCRIPTION not in run.data.tags
        if silent and run.info.run_id != opened.info.run_id and whose(run) is Owner.GONE and _has(run, settings):
            _delete(client, run)


def _delete(client: MlflowClient, run: Run) -> None:
    # Ended first: `mlflow run` ends its run unless it is finished or failed, and cannot where it is deleted.
    client.set_terminated(run.info.run_id, "FAILED")
    client.delete_run(run.info.run_id)


def _is_empty(run: Run) -> bool:
    """Whether `mlflow run` opened a run, and nothing has been trained in it."""
    return ENTRY_POINT in run.data.tags and KEY not in run.data.tags and not run.data.metrics


def _has(run: Run, settings: TrainSettings) -> bool:
    try:
        return recorded_settings(run) == settings
    except SettingsError:
        return False


def _runs(query: str) -> list[Run]:
    """The runs of the experiment in force that `query` finds, by the time they began."""
    return list(mlflow.search_runs(filter_string=query, order_by=["attributes.start_time ASC"], output_format="list"))

"""What earlier starts of a training alone left on the server: a run that goes on, and runs in which nothing is.

`mlflow run` opens a run before the training's program starts, and ends it by the program's exit code. That run then
takes over what the earlier one has, which is deleted: one run is left, and it is the one that `mlflow run` speaks of.
"""

from __future__ import annotations

import os
from itertools import islice

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag

from lrstudy import cache_paths
from lrstudy.errors import SettingsError
from lrstudy.server_names import CONTINUES, CURVES, DESCRIPTION, ENTRY_POINT, KEY, OWNER, PARENT
from lrstudy.settings import TrainSettings
from lrstudy.tracking import owner
from lrstudy.tracking.calls import MAX_ITEMS_PER_CALL
from lrstudy.tracking.claims import can_resume, fresh_candidate_runs
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.recorded_training import recorded_settings
from lrstudy.training.specification import TrialSpecification


def run_opened_by_mlflow(client: MlflowClient) -> Run | None:
    """The run that `mlflow run` opened for this process, or that the user named, if there is one."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    return client.get_run(run_id) if run_id else None


def claim(client: MlflowClient, run: Run) -> None:
    """Writes into a run that MLflow opened that it is this process's, if nothing else is in it."""
    if _is_new(run):
        client.log_batch(run.info.run_id, tags=[RunTag(OWNER, owner.this_process())])


def find_resumable(client: MlflowClient, specification: TrialSpecification, opened: Run | None) -> Run | None:
    """The run of this training that goes on: one that nobody is at, and that is no study's trial.

    Call it within `claim_lock()`. A run that the user named goes on itself or not at all.
    """
    if opened and not _is_new(opened):
        found = [opened] if opened.data.tags.get(KEY) == specification.key else []
    else:
        found = _runs(f"tags.`{KEY}` = '{specification.key}'")
    parent = opened.data.tags.get(PARENT) if opened else None
    interrupted = [candidate.run for candidate in fresh_candidate_runs(client, found) if candidate.is_interrupted]
    resumable = (run for run in reversed(interrupted) if can_resume(run, specification))
    return next((run for run in resumable if run.data.tags.get(PARENT) == parent), None)


def copy_progress(client: MlflowClient, left: Run, opened: Run) -> dict[str, str]:
    """Copies the curves and the checkpoint of a run that was left into a new one; gives the tags that it is to have."""
    new, old = opened.info.run_id, left.info.run_id
    points = [point for name in CURVES for point in client.get_metric_history(old, name)]
    copied = iter([Metric(one.key, one.value, one.timestamp, one.step) for one in sorted(points, key=lambda p: p.step)])
    while some := list(islice(copied, MAX_ITEMS_PER_CALL)):
        client.log_batch(new, metrics=some)
    cache_paths.copy_checkpoint(old, new)
    users = {name: value for name, value in left.data.tags.items() if not name.startswith(("mlflow.", "lrstudy."))}
    return {**users, CONTINUES: old}


def delete_superseded_run(client: MlflowClient, run_id: str) -> None:
    """Deletes the run that `run_id` has taken over, with its models and its checkpoint, unless that was done."""
    continued = client.get_run(run_id).data.tags.get(CONTINUES)
    for run in _runs(f"attributes.run_id = '{continued}'") if continued else []:
        for model in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{continued}'"):
            client.delete_logged_model(model.model_id)
        _delete(client, run)


def delete_unused_runs(client: MlflowClient, settings: TrainSettings, opened: Run) -> None:
    """Deletes the runs of starts of the same training that were killed before it began, but the one `opened` now."""
    for one in fresh_candidate_runs(
        client, _runs(f"attributes.status != 'FINISHED' and tags.`{ENTRY_POINT}` = 'main'")
    ):
        tags, run_id = one.run.data.tags, one.run.info.run_id
        unused = KEY not in tags and DESCRIPTION not in tags and run_id != opened.info.run_id
        if unused and one.owner is OwnerState.DEAD and _has(one.run, settings):
            _delete(client, one.run)


def _delete(client: MlflowClient, run: Run) -> None:
    client.set_terminated(run.info.run_id, "KILLED")
    client.delete_run(run.info.run_id)
    cache_paths.remove_checkpoint(run.info.run_id)


def _is_new(run: Run) -> bool:
    """Whether `mlflow run` opened a run, and nothing has been logged to it."""
    return ENTRY_POINT in run.data.tags and KEY not in run.data.tags and not run.data.metrics


def _has(run: Run, settings: TrainSettings) -> bool:
    try:
        return recorded_settings(run) == settings
    except SettingsError:
        return False


def _runs(query: str) -> list[Run]:
    """The runs of the experiment in force that `query` finds, by the time they began."""
    return list(mlflow.search_runs(filter_string=query, order_by=["attributes.start_time ASC"], output_format="list"))

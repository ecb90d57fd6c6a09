"""Runs that earlier starts of the same single training left on the server: one to resume, and unused ones to delete.

`mlflow run` opens a run before the training's process starts, and ends it by the process's exit code. That run takes
over the progress of the earlier one, which is deleted: one run is left, the one that `mlflow run` prints.
"""

from __future__ import annotations

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag

from lrstudy import cache_paths
from lrstudy.errors import SettingsError
from lrstudy.server_names import CONTINUES, DESCRIPTION, ENTRY_POINT, KEY, LOG10_LOSSES, OWNER, PARENT
from lrstudy.settings import TrainSettings
from lrstudy.tracking import owner
from lrstudy.tracking.calls import MAX_ITEMS_PER_CALL
from lrstudy.tracking.claims import can_resume, fresh_candidate_runs
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.queued_calls import discard_superseded
from lrstudy.tracking.recorded_training import recorded_settings
from lrstudy.training.epoch import CAUSES, METRICS
from lrstudy.training.specification import TrialSpecification


def claim(client: MlflowClient, run: Run) -> None:
    """Tag a run that `mlflow run` opened as owned by this process, if nothing is logged to it."""
    if _is_new(run):
        client.log_batch(run.info.run_id, tags=[RunTag(OWNER, owner.this_process())])


def find_resumable(client: MlflowClient, specification: TrialSpecification, opened: Run | None) -> Run | None:
    """Return the latest run of this training that can be resumed: interrupted, and not the trial of a study.

    Call it within `claim_lock()`. If the user named a run, only that one can be resumed.
    """
    if opened and not _is_new(opened):
        runs = [opened] if opened.data.tags.get(KEY) == specification.key else []
    else:
        runs = _search(f"tags.`{KEY}` = '{specification.key}'")
    parent = opened.data.tags.get(PARENT) if opened else None
    interrupted = [candidate.run for candidate in fresh_candidate_runs(client, runs) if candidate.is_interrupted]
    resumable = (run for run in reversed(interrupted) if can_resume(run, specification))
    ours = (run for run in resumable if run.data.tags.get(PARENT) == parent)
    return next((run for run in ours if discard_superseded(run.info.run_id)), None)


def copy_progress(client: MlflowClient, interrupted: Run, opened: Run) -> dict[str, str]:
    """Copy the curves and the checkpoint of an interrupted run to a new one; return tags for the new one."""
    new, old = opened.info.run_id, interrupted.info.run_id
    names = [name for name in (*METRICS, *LOG10_LOSSES.values(), *CAUSES.values()) if name in interrupted.data.metrics]
    points = [point for name in names for point in client.get_metric_history(old, name)]
    copies = [Metric(p.key, p.value, p.timestamp, p.step) for p in sorted(points, key=lambda point: point.step)]
    for start in range(0, len(copies), MAX_ITEMS_PER_CALL):
        client.log_batch(new, metrics=copies[start : start + MAX_ITEMS_PER_CALL])
    cache_paths.copy_checkpoint(old, new)
    tags = interrupted.data.tags
    users = {name: value for name, value in tags.items() if not name.startswith(("mlflow.", "lrstudy."))}
    return {**users, CONTINUES: old}


def delete_superseded_run(client: MlflowClient, run_id: str) -> None:
    """Delete the run that `run_id` has taken over, with its models and its checkpoint, unless that was done before."""
    superseded = client.get_run(run_id).data.tags.get(CONTINUES)
    for run in _search(f"attributes.run_id = '{superseded}'") if superseded else []:
        for model in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{superseded}'"):
            client.delete_logged_model(model.model_id)
        _delete(client, run)


def delete_unused_runs(client: MlflowClient, settings: TrainSettings, opened: Run) -> None:
    """Delete the runs of earlier starts that were killed before training began; never the run `opened` now."""
    unfinished = _search(f"attributes.status != 'FINISHED' and tags.`{ENTRY_POINT}` = 'main'")
    for candidate in fresh_candidate_runs(client, unfinished):
        tags, run_id = candidate.run.data.tags, candidate.run.info.run_id
        is_unused = KEY not in tags and DESCRIPTION not in tags and run_id != opened.info.run_id
        if is_unused and candidate.owner is OwnerState.DEAD and _has_settings(candidate.run, settings):
            _delete(client, candidate.run)


def _delete(client: MlflowClient, run: Run) -> None:
    client.set_terminated(run.info.run_id, "KILLED")
    client.delete_run(run.info.run_id)
    cache_paths.remove_checkpoint(run.info.run_id)


def _is_new(run: Run) -> bool:
    """Return True if `mlflow run` opened a run, and nothing is logged to it."""
    return ENTRY_POINT in run.data.tags and KEY not in run.data.tags and not run.data.metrics


def _has_settings(run: Run, settings: TrainSettings) -> bool:
    try:
        return recorded_settings(run) == settings
    except SettingsError:
        return False


def _search(query: str) -> list[Run]:
    """Return the runs of the active experiment that match `query`, oldest first."""
    return list(mlflow.search_runs(filter_string=query, order_by=["attributes.start_time ASC"], output_format="list"))

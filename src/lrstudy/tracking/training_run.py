"""The run of a training: open or resume it, log its setup and its result.

Under `mlflow run`, MLflow has opened the run and logged the parameters as typed; then only missing ones are logged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Run, RunTag
from mlflow.types import Schema, TensorSpec

from lrstudy.data.duplicates import NO_DUPLICATES, Duplicates
from lrstudy.data.duplicates import TABLE as DUPLICATES
from lrstudy.data.records import BadImage
from lrstudy.server_names import (
    DESCRIPTION,
    FILE_DIGESTS,
    KIND,
    LOGGED_ARTIFACTS,
    OWNER,
    REPRODUCE,
    REPRODUCES,
    REPRODUCTION,
    TIME,
    TRAINING,
    VERDICT,
)
from lrstudy.settings import TrainSettings
from lrstudy.tracking import owner, previous_attempts
from lrstudy.tracking.artifact_store import check_artifact_store
from lrstudy.tracking.calls import LogInputs
from lrstudy.tracking.checked_files import file_digests
from lrstudy.tracking.claims import NEW_RUN, RunState, claim_lock, mark_abandoned, read_run_state
from lrstudy.tracking.opened_run import check_opened_run, not_ours, opened_run
from lrstudy.tracking.server import connect, tracking_errors, truncate_tag
from lrstudy.tracking.stored_values import is_stored
from lrstudy.tracking.tracked_run import TrackedRun, start_run, track_run
from lrstudy.training.result import Result
from lrstudy.training.specification import DataSummary, TrialSpecification

BAD_IMAGES = "bad_images.json"


def claim_opened_run(settings: TrainSettings) -> None:
    """Tag the run that `mlflow run` opened for this process, if any, as owned by it.

    If the process is killed before its training starts, the run can then be recognised as abandoned.

    Raises:
        OtherRunError: it is not a run that a training with these settings may log to.
        TrackingError: the server cannot be reached, or rejects a call.
    """
    if "MLFLOW_RUN_ID" in os.environ:
        connect()
        client = MlflowClient()
        with tracking_errors():
            if opened := check_opened_run(client, TRAINING, settings):
                previous_attempts.claim(client, opened)


@contextmanager
def open_run(specification: TrialSpecification) -> Iterator[TrackedRun]:
    """Open the run of a training and log its setup; end the run as the block ends.

    The run of an interrupted earlier start is resumed if there is one; else it is the run that `mlflow run` opened for
    this process, or a new one.

    Raises:
        OtherRunError: the user named a run of another training.
        TrackingError: the server cannot be reached, or rejects a call, or its artifact store cannot be used.
        NotSyncedError: the block succeeded, but the server is unavailable at the end.
    """
    connect()
    client = MlflowClient()
    with tracking_errors():
        check_artifact_store(client)
        with claim_lock():
            run, existing = _start(client, specification)
    with track_run(run, existing) as tracked:
        log_setup(tracked, specification)
        yield tracked


def _start(client: MlflowClient, specification: TrialSpecification) -> tuple[Run, RunState]:
    """Start or resume the run of a training, and delete those of superseded starts; return it with its state."""
    opened = opened_run(client)
    resumable = previous_attempts.find_resumable(client, specification, opened)
    if opened and KIND in opened.data.tags and not resumable:
        raise not_ours(opened.info.run_id, "is the run of another training, or of another machine or versions")
    existing = read_run_state(client, resumable) if resumable else NEW_RUN
    name, tags = specification.name, specification.tags
    if opened:
        existing = replace(existing, params=frozenset(opened.data.params))
        previous_attempts.delete_unused_runs(client, specification.settings, opened)
        if resumable and resumable.info.run_id != opened.info.run_id:
            existing = replace(existing, metrics={})
            tags |= previous_attempts.copy_progress(client, resumable, opened)
            name = resumable.info.run_name or name
    elif resumable:
        os.environ["MLFLOW_RUN_ID"] = resumable.info.run_id  # MLflow itself then resumes it
    run = start_run(name, tags)
    previous_attempts.delete_superseded_run(client, run.info.run_id)
    mark_abandoned(client, run.info.experiment_id, specification.context.data.digest)
    return run, existing


def log_result(
    run: TrackedRun,
    result: Result,
    files: Mapping[str, bytes],
    tables: Mapping[str, bytes],
    remarks: Sequence[str] = (),
) -> None:
    """Log the result of a training: its verdict, its final metrics, and its files.

    Args:
        run: of the training.
        result: of the training.
        files: by their paths.
        tables: of the data, as `data_tables` returns them.
        remarks: sentences for the run's description.
    """
    log_final_metrics(run, result.metrics)
    causes = [result.causes_left_out] * bool(result.causes_left_out)
    description = "\n\n".join([describe_result(result), *causes, *remarks])
    run.log_tags({VERDICT: result.verdict.word, DESCRIPTION: description, FILE_DIGESTS: file_digests(files)})
    run.log_files(files)
    log_tables(run, tables)


def data_tables(bad_images: Sequence[BadImage], duplicates: Duplicates = NO_DUPLICATES) -> dict[str, bytes]:
    """Return tables of the images that were left out, and of images with copies in another split or class."""
    copies = [[image.copy, image.path, image.class_name, image.split] for image in duplicates.images]
    tables = {
        BAD_IMAGES: (["path", "reason"], [[bad.path, bad.reason] for bad in bad_images]),
        DUPLICATES: (["copy", "path", "class", "split"], copies),
    }
    # In the format of MLflow's `log_table`, which would append to an existing table, and fail on a torn one.
    return {
        name: json.dumps({"columns": columns, "data": rows}).encode()
        for name, (columns, rows) in tables.items()
        if rows
    }


def log_tables(run: TrackedRun, tables: Mapping[str, bytes]) -> None:
    """Log files as tables, which MLflow's UI shows as such."""
    if tables:
        run.log_tags({LOGGED_ARTIFACTS: json.dumps([{"path": path, "type": "table"} for path in tables])})
        run.log_files(tables)


def log_final_metrics(run: TrackedRun, metrics: Mapping[str, float]) -> None:
    """Log metrics that a run has once, except those that the server has with the same value."""
    existing = run.existing.metrics
    missing = {name: value for name, value in metrics.items() if not is_stored(value, existing.get(name))}
    # A training that was repeated has two durations, of which the first is kept.
    repeated = {name for name in missing if name.startswith(TIME) and name in existing}
    # At step 0, where MLflow's UI draws them as bars, not as curves of a single point.
    run.log_metrics({name: value for name, value in missing.items() if name not in repeated}, 0)


def log_reproduction(of: str, name: str, outcome: str | None = None) -> None:
    """Log to the run that `mlflow run` opened for this process, if any, which run it repeats, and the outcome.

    Raises:
        TrackingError: the server cannot be reached, or rejects a call.
    """
    if not (run_id := os.environ.get("MLFLOW_RUN_ID")):
        return
    tags = {KIND: REPRODUCE, REPRODUCES: of, OWNER: owner.this_process()}
    if outcome is not None:
        tags |= {REPRODUCTION: outcome.partition(":")[0].split()[0], DESCRIPTION: truncate_tag(outcome)}
    with tracking_errors():
        client = MlflowClient()
        client.update_run(run_id, name=f"reproduce {name}")
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def describe_result(result: Result) -> str:
    """Return the run's description, in Markdown: the verdict with its reason, and the scores with their epochs."""
    return (
        f"**{result.verdict.word}**: {result.verdict.reason}.\n\n"
        f"Best validation loss {result.best.val_loss:.4g} at epoch {result.best.epoch}, with an accuracy of "
        f"{result.best.val_accuracy:.1%}; on the held-out test part {result.test_accuracy:.1%}."
    )


def log_setup(run: TrackedRun, specification: TrialSpecification) -> None:
    """Log the data of a training, and the parameters that the server lacks."""
    data = specification.context.data
    run.outbox.enqueue(LogInputs(run.run_id, [(dataset(data, part), part) for part in data.split_sizes]))
    existing = run.existing.params
    run.log_params({name: value for name, value in specification.params.items() if name not in existing})


def dataset(data: DataSummary, part: str) -> dict[str, str]:
    """Return the fields of MLflow's `Dataset` for a split of the data."""
    digest = hashlib.sha256(f"{data.digest} {part}".encode()).hexdigest()[:32]
    schema = Schema([TensorSpec(np.dtype(np.uint8), (data.split_sizes[part], *data.image_shape))])
    described = _Dataset(CodeDatasetSource({"source": data.source}), f"{data.name} {part}", digest, schema)
    return dict(described.to_dict())


class _Dataset(MetaDataset):
    """MLflow's description of a data set without its content; MLflow declares `profile` and does not define it."""

    profile = None

"""What a training tells the tracking server, from the opening of its run to its end; all but that goes by an `Outbox`.

Under `mlflow run` MLflow has opened the run and logged the parameters, as typed; then only what is missing is logged.
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

from lrstudy.data.records import BadImage
from lrstudy.server_names import DESCRIPTION, KIND, LOGGED_ARTIFACTS, REPRODUCE, REPRODUCES, REPRODUCTION, TIME, VERDICT
from lrstudy.tracking import previous_attempts
from lrstudy.tracking.calls import LogInputs
from lrstudy.tracking.claims import NEW_RUN, RunState, claim_lock, mark_abandoned, read_run_state
from lrstudy.tracking.server import connect, tracking_errors, truncate_tag
from lrstudy.tracking.stored_values import is_stored
from lrstudy.tracking.tracked_run import TrackedRun, start_run, track_run
from lrstudy.training.result import Result
from lrstudy.training.specification import DataSummary, TrialSpecification

BAD_IMAGES = "bad_images.json"


def claim_opened_run() -> None:
    """Writes into the run that `mlflow run` opened for this process that it is this process's.

    So it is told from one that lives if this process is killed before its training begins.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    if "MLFLOW_RUN_ID" in os.environ:
        connect()
        client = MlflowClient()
        with tracking_errors():
            if opened := previous_attempts.run_opened_by_mlflow(client):
                previous_attempts.claim(client, opened)


@contextmanager
def open_run(specification: TrialSpecification) -> Iterator[TrackedRun]:
    """A training's run, with all that is known before it begins; it ends as the `with` block ends.

    It is that of an earlier start which came to no end, if there is one; or the one that `mlflow run` opened for this
    process; or else a new one.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
        NotSyncedError: all went well, but the server is away at the end.
    """
    connect()
    client = MlflowClient()
    with tracking_errors(), claim_lock():
        run, there = _begin(client, specification)
    with track_run(run, there) as tracked:
        log_setup(tracked, specification)
        yield tracked


def _begin(client: MlflowClient, specification: TrialSpecification) -> tuple[Run, RunState]:
    """Starts the run of a training, and gives it with what it has; tidies up after earlier starts."""
    opened = previous_attempts.run_opened_by_mlflow(client)
    left = previous_attempts.find_resumable(client, specification, opened)
    there = read_run_state(client, left) if left else NEW_RUN
    name, tags = specification.name, specification.tags
    if opened:
        there = replace(there, params=frozenset(opened.data.params))
        previous_attempts.delete_unused_runs(client, specification.settings, opened)
        if left and left.info.run_id != opened.info.run_id:
            there = replace(there, metrics={})
            tags |= previous_attempts.copy_progress(client, left, opened)
            name = left.info.run_name or name
    elif left:
        os.environ["MLFLOW_RUN_ID"] = left.info.run_id  # where MLflow itself goes on
    run = start_run(name, tags)
    previous_attempts.delete_superseded_run(client, run.info.run_id)
    mark_abandoned(client, run.info.experiment_id, specification.context.data.digest)
    return run, there


def log_result(
    run: TrackedRun,
    result: Result,
    files: Mapping[str, bytes],
    bad_images: Sequence[BadImage],
    remarks: Sequence[str] = (),
) -> None:
    """Logs the end of a training: its verdict, its final metrics, and its files.

    Args:
        run: of the training.
        result: what it came to.
        files: by their paths.
        bad_images: what was left out of the data.
        remarks: sentences for the run's description.
    """
    log_final_metrics(run, result.metrics)
    tags = {VERDICT: result.verdict.word, DESCRIPTION: "\n\n".join([describe_result(result), *remarks])}
    if bad_images:
        # As MLflow's `log_table` has it, which would add to a table that is there, and fail at half of one.
        table = {"columns": ["path", "reason"], "data": [[bad.path, bad.reason] for bad in bad_images]}
        files = {**files, BAD_IMAGES: json.dumps(table).encode()}
        tags[LOGGED_ARTIFACTS] = json.dumps([{"path": BAD_IMAGES, "type": "table"}])
    run.log_tags(tags)
    run.log_files(files)


def log_final_metrics(run: TrackedRun, metrics: Mapping[str, float]) -> None:
    """Logs metrics that a run has once, but those that are there with the same value."""
    there = run.existing.metrics
    # At step 0: MLflow's UI then draws them as bars, and not as curves of a single point.
    lacking = {name: value for name, value in metrics.items() if not is_stored(value, there.get(name))}
    # A training that was done twice has taken two times, of which the first is kept.
    times = {name for name in lacking if name.startswith(TIME) and name in there}
    run.log_metrics({name: value for name, value in lacking.items() if name not in times}, 0)


def log_reproduction(of: str, name: str, outcome: str | None = None) -> None:
    """Writes into the run that `mlflow run` opened for this process, if it did, what it repeats and what came of it.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    if not (run_id := os.environ.get("MLFLOW_RUN_ID")):
        return
    tags = {KIND: REPRODUCE, REPRODUCES: of}
    if outcome is not None:
        tags |= {REPRODUCTION: outcome.partition(":")[0].split()[0], DESCRIPTION: truncate_tag(outcome)}
    with tracking_errors():
        client = MlflowClient()
        client.update_run(run_id, name=f"reproduce {name}")
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def describe_result(result: Result) -> str:
    """The run's description, in Markdown: the verdict, the reason, and the scores with the epoch they are of."""
    return (
        f"**{result.verdict.word}**: {result.verdict.reason}.\n\n"
        f"Best validation loss {result.best.val_loss:.4g} at epoch {result.best.epoch}, with an accuracy of "
        f"{result.best.val_accuracy:.1%}; on the held-out test part {result.test_accuracy:.1%}."
    )


def log_setup(run: TrackedRun, specification: TrialSpecification) -> None:
    """Logs the parameters of a training, but those that are there, and its data."""
    data = specification.context.data
    run.outbox.enqueue(LogInputs(run.run_id, [(_dataset(data, part), part) for part in data.split_sizes]))
    existing = run.existing.params
    run.log_params({name: value for name, value in specification.params.items() if name not in existing})


def _dataset(data: DataSummary, part: str) -> dict[str, str]:
    digest = hashlib.sha256(f"{data.digest} {part}".encode()).hexdigest()[:32]
    schema = Schema([TensorSpec(np.dtype(np.uint8), (data.split_sizes[part], *data.image_shape))])
    described = _Dataset(CodeDatasetSource({"source": data.source}), f"{data.name} {part}", digest, schema)
    return dict(described.to_dict())


class _Dataset(MetaDataset):
    """MLflow's description of a data set without its content; it declares `profile` and forgets to define it."""

    profile = None

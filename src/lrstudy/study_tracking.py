"""A study on the tracking server: its own run, its trials as child runs, and what is already there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mlflow
from mlflow.entities import Run
from mlflow.tracking.context.registry import resolve_tags

from lrstudy.plan import Plan
from lrstudy.settings import typed
from lrstudy.study_settings import StudySettings
from lrstudy.tracking import TrackedRun, log_beginning, run_name, started_run

PARENT = "mlflow.parentRunId"
LAST_CURVE = "val_loss"


@dataclass(frozen=True)
class StudyRun:
    """A study's own run, the experiment it lies in, and the trainings that the experiment holds by their keys."""

    run: TrackedRun
    experiment_id: str
    there: dict[str, Run]


@dataclass(frozen=True)
class ChildRun:
    """A trial's run, and the last epoch that it already has on the server; -1 if it has none."""

    run: TrackedRun
    last_epoch: int


@contextmanager
def open_study(kind: str, name: str, settings: StudySettings, data_digest: str) -> Iterator[StudyRun]:
    """A study's run, with its settings as parameters; it ends as the `with` block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    with started_run(name) as run:
        opened = run.client.get_run(run.run_id)
        for key, value in settings:
            if key not in opened.data.params:
                run.client.log_param(run.run_id, key, typed(value))
        run.client.set_tag(run.run_id, "lrstudy.kind", kind)
        run.client.set_tag(run.run_id, "lrstudy.data_digest", data_digest)
        yield StudyRun(run, opened.info.experiment_id, _trainings(opened.info.experiment_id, data_digest))


def _trainings(experiment_id: str, data_digest: str) -> dict[str, Run]:
    """The experiment's trainings on the data by key: of several the finished one, else the latest."""
    found = mlflow.search_runs(
        [experiment_id],
        f"tags.`lrstudy.kind` = 'train' and tags.`lrstudy.data_digest` = '{data_digest}'",
        order_by=["attributes.start_time ASC"],
        output_format="list",
    )
    finished_last = sorted(found, key=lambda run: run.info.status == "FINISHED")
    return {run.data.tags["lrstudy.key"]: run for run in finished_last if "lrstudy.key" in run.data.tags}


def open_child(study: StudyRun, plan: Plan) -> ChildRun:
    """A run for a trial: the one that an earlier study left unfinished, if it did, or else a new one."""
    client = study.run.client
    left = study.there.get(plan.key)
    if left is not None and left.info.status in ("KILLED", "FAILED"):
        client.set_tag(left.info.run_id, PARENT, study.run.run_id)
        client.update_run(left.info.run_id, status="RUNNING")
        points = client.get_metric_history(left.info.run_id, LAST_CURVE)
        last_epoch = max((point.step for point in points), default=-1)
        return ChildRun(TrackedRun(client, left.info.run_id, study.run.writer), last_epoch)
    tags = resolve_tags({PARENT: study.run.run_id})
    created = client.create_run(study.experiment_id, tags=tags, run_name=run_name(plan.settings))
    log_beginning(client, created.info.run_id, plan)
    return ChildRun(TrackedRun(client, created.info.run_id, study.run.writer), -1)


def link(study: StudyRun, reused: Run) -> None:
    """Marks a finished run that the study makes use of, so that it is found from the study."""
    study.run.client.set_tag(reused.info.run_id, f"lrstudy.used_by.{study.run.run_id}", "true")

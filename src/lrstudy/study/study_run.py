"""A study's own run on the tracking server, and the runs that existed when it began."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.entities import Run

from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.formatting import format_setting
from lrstudy.server_names import DATA_DIGEST, HARDWARE, KEY, KIND, LOG10_LOSSES, PARENT, STUDY
from lrstudy.settings import StudySettings
from lrstudy.study.executors import TrialWorkers
from lrstudy.tracking.calls import MAX_ITEMS_PER_CALL, Log
from lrstudy.tracking.claims import (
    ENDED_EARLY,
    RunState,
    claim_lock,
    fresh_candidate_runs,
    mark_abandoned,
    read_run_state,
)
from lrstudy.tracking.experiment import describe_experiment
from lrstudy.tracking.stored_values import is_finite
from lrstudy.tracking.tracked_run import MAX_OFFLINE_SECONDS, TrackedRun, track_new_run
from lrstudy.training.specification import PreflightResult, StudyContext, TrialSpecification

# The latest runs on the same data are known while the server is away. The states of interrupted ones are known for
# fewer, since each takes a query of its own.
MAX_KNOWN_RUNS, MAX_KNOWN_STATES = 1000, 50


@dataclass(frozen=True)
class StudyRun:
    """A study's run, and the properties that its trials' runs share.

    `identity` distinguishes studies with different proposals; `superseded` are interrupted studies, whose trials this
    one adopts; `experiment_line` describes the experiment; `trial_tags` are the tags of every trial's run. `known_runs`
    are the trainings that existed when the study began, and `known_states` the states of the interrupted ones, by run.
    """

    run: TrackedRun
    experiment_id: str
    experiment_line: str
    identity: str
    superseded: frozenset[str]
    trial_tags: Mapping[str, str]
    known_runs: Sequence[Run]
    known_states: Mapping[str, RunState]


@dataclass(frozen=True)
class RunningStudy:
    """A study while it runs: its settings, its preflight, its run on the server, and the workers of its trials."""

    settings: StudySettings
    preflight: PreflightResult
    study: StudyRun
    workers: TrialWorkers


@contextmanager
def open_study(
    kind: str, name: str, settings: StudySettings, context: StudyContext, identity: str
) -> Iterator[StudyRun]:
    """Yield a study's run, with its settings as parameters; it ends with the `with` block.

    Raises:
        TrackingError: the server cannot be reached, or rejects a call.
    """
    tags = {
        KIND: kind,
        DATA_DIGEST: context.data.digest,
        STUDY: identity,
        HARDWARE: context.hardware,
    }
    with track_new_run(name, tags) as run:
        yield run.outbox.query(lambda: _open(run, settings, context, identity), MAX_OFFLINE_SECONDS)


def _open(run: TrackedRun, settings: StudySettings, context: StudyContext, identity: str) -> StudyRun:
    opened = run.client.get_run(run.run_id)
    experiment = opened.info.experiment_id
    with claim_lock():
        mark_abandoned(run.client, experiment, context.data.digest)
    superseded = _interrupted_studies(run, experiment, context)
    query, latest_first = f"tags.`{DATA_DIGEST}` = '{context.data.digest}'", ["attributes.start_time DESC"]
    candidates = fresh_candidate_runs(
        run.client, run.client.search_runs([experiment], query, max_results=MAX_KNOWN_RUNS, order_by=latest_first)
    )
    known = [candidate.run for candidate in candidates]
    interrupted = [one.run for one in candidates if one.is_interrupted and KEY in one.run.data.tags][:MAX_KNOWN_STATES]
    states = {one.info.run_id: read_run_state(run.client, one) for one in interrupted}
    run.log_params({key: format_setting(value) for key, value in settings if key not in opened.data.params})
    tags = {**source_tags(), PARENT: run.run_id}
    line = describe_experiment(run.client, experiment, settings.data)
    return StudyRun(run, experiment, line, identity, superseded, tags, known[::-1], states)


def log_best(
    study: StudyRun, specification: TrialSpecification, metrics: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """Log the result of a study to its run: the settings of the best training, `metrics` and `tags`."""
    settings = {name: getattr(specification.settings, name) for name in ("optimizer", "lr", "hidden", "seed")}
    study.run.log_metrics(metrics, 0)
    study.run.log_params({f"best.{name}": format_setting(value) for name, value in settings.items()})
    study.run.log_tags(tags)


def log_best_curves(study: StudyRun, best: str) -> None:
    """Log the logarithms of the best training's losses to the study's run: the first charts of MLflow's UI.

    The UI draws the runs of a study's trainings only once they are expanded.

    Args:
        study: of the training.
        best: the run of the training.
    """
    run = study.run
    run.outbox.flush(0)

    def read() -> list[tuple[str, float, int, int]]:
        run_id = run.outbox.server_id(best)
        histories = {name: run.client.get_metric_history(run_id, loss) for loss, name in LOG10_LOSSES.items()}
        return [
            (name, math.log10(point.value), point.timestamp, point.step)
            for name, points in histories.items()
            for point in points
            if point.value > 0 and is_finite(point.value)
        ]

    points = run.outbox.query_or(read, list[tuple[str, float, int, int]])
    for start in range(0, len(points), MAX_ITEMS_PER_CALL):
        run.outbox.enqueue(Log(run.run_id, points=points[start : start + MAX_ITEMS_PER_CALL]))


def _interrupted_studies(run: TrackedRun, experiment_id: str, context: StudyContext) -> frozenset[str]:
    """Return the interrupted studies on the same data."""
    query = f"tags.`{KIND}` != 'train' and tags.`{DATA_DIGEST}` = '{context.data.digest}'"
    studies = run.client.search_runs([experiment_id], f"attributes.status != 'FINISHED' and {query}")
    return frozenset(study.info.run_id for study in studies if study.info.status in ENDED_EARLY)

"""A study on the tracking server: its own run, its trials as child runs, and what is already there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from mlflow.entities import Run

from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.formatting import format_setting
from lrstudy.server_names import (
    BEST_EPOCH,
    BEST_VAL_ACCURACY,
    BEST_VAL_LOSS,
    DATA_DIGEST,
    DESCRIPTION,
    HARDWARE,
    KEY,
    KIND,
    OWNER,
    PARENT,
    PRUNED_KEY,
    SEARCH,
    STUDY,
    VERDICT,
)
from lrstudy.settings import StudySettings
from lrstudy.study.trial_result import PRUNED
from lrstudy.tracking import owner
from lrstudy.tracking.calls import LOCAL, CreateRun, DeleteTag, LinkCheckpoint, SetStatus, local_id
from lrstudy.tracking.claims import (
    ENDED_EARLY,
    CandidateRun,
    RunState,
    can_resume,
    candidate_runs,
    claim_lock,
    fresh_candidate_runs,
    mark_abandoned,
    read_run_state,
)
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.server import truncate_tag
from lrstudy.tracking.tracked_run import MAX_OFFLINE_SECONDS, TrackedRun, track_new_run
from lrstudy.tracking.training_run import log_final_metrics, log_result
from lrstudy.training.result import WorkerResult
from lrstudy.training.specification import StudyContext, TrialSpecification

# Of the runs on the same data so many, the latest, are known while the server is away; of those that are left fewer,
# since each takes a question of its own.
KNOWN, KNOWN_LEFT = 1000, 50


@dataclass(frozen=True)
class StudyRun:
    """A study's own run, and what it needs to open its trials'.

    `identity` tells studies with the same proposals from others; `superseded` are the runs of studies that came to no
    end, whose trials this one takes over; `tags` are those of every trial's run. `known` are the trainings that were
    there as it began, and `left` is what those have that came to no end.
    """

    run: TrackedRun
    experiment_id: str
    identity: str
    superseded: frozenset[str]
    tags: Mapping[str, str]
    known: Sequence[Run]
    left: Mapping[str, RunState]


@contextmanager
def open_study(
    kind: str, name: str, settings: StudySettings, context: StudyContext, identity: str
) -> Iterator[StudyRun]:
    """A study's run, with its settings as parameters; it ends as the `with` block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    tags = {
        KIND: kind,
        DATA_DIGEST: context.data.digest,
        STUDY: identity,
        HARDWARE: context.hardware,
    }
    with track_new_run(name, tags) as run:
        yield run.outbox.query(lambda: _opened(run, settings, context, identity), MAX_OFFLINE_SECONDS)


def _opened(run: TrackedRun, settings: StudySettings, context: StudyContext, identity: str) -> StudyRun:
    opened = run.client.get_run(run.run_id)
    experiment = opened.info.experiment_id
    with claim_lock():
        mark_abandoned(run.client, experiment, context.data.digest)
    superseded = _without_end(run, experiment, context)
    query, latest_first = f"tags.`{DATA_DIGEST}` = '{context.data.digest}'", ["attributes.start_time DESC"]
    found = fresh_candidate_runs(
        run.client, run.client.search_runs([experiment], query, max_results=KNOWN, order_by=latest_first)
    )
    known = [one.run for one in found]
    left = [one.run for one in found if one.is_interrupted and KEY in one.run.data.tags][:KNOWN_LEFT]
    there = {one.info.run_id: read_run_state(run.client, one) for one in left}
    run.log_params({key: format_setting(value) for key, value in settings if key not in opened.data.params})
    tags = {**source_tags(), PARENT: run.run_id}
    return StudyRun(run, experiment, identity, superseded, tags, known[::-1], there)


def claim(
    study: StudyRun, specification: TrialSpecification, *, prunes: bool, beside_others: bool
) -> Run | TrackedRun | None:
    """The finished run of a training; or one that is now ours to write to; None where another process is at it.

    Args:
        study: that the training is a trial of.
        specification: of the training.
        prunes: whether one that the same study stopped early will do.
        beside_others: to open a run beside one of a process of which nothing is known, since it is on another machine.
    """
    wanted = {KEY: specification.key}, *([{PRUNED_KEY: specification.key, SEARCH: study.identity}] if prunes else [])

    def by_the_server() -> Run | TrackedRun | None:
        with claim_lock():
            found = [one for tags in wanted for one in _runs(study, tags)]
            state_of = partial(read_run_state, study.run.client)
            return _claimed(study, specification, found, state_of, beside_others)

    def by_what_was_there() -> Run | TrackedRun | None:
        found = candidate_runs(run for tags in wanted for run in study.known if tags.items() <= run.data.tags.items())
        return _claimed(study, specification, found, lambda run: study.left.get(run.info.run_id), beside_others)

    return study.run.outbox.query_or(by_the_server, by_what_was_there)


def _claimed(
    study: StudyRun,
    specification: TrialSpecification,
    found: Sequence[CandidateRun],
    has: Callable[[Run], RunState | None],
    beside_others: bool,
) -> Run | TrackedRun | None:
    """See `claim`; `found` are the training's runs, and `has` gives what one that is left has, if that is known."""
    for one in found:
        if one.run.info.status == "FINISHED":
            return one.run
    others = [one.owner for one in found if not one.is_interrupted]
    if OwnerState.ALIVE in others or (others and not beside_others):
        return None
    for one in reversed(found):
        if one.is_interrupted and can_resume(one.run, specification) and (there := has(one.run)):
            return _taken_over(study, specification, one.run, there)
    return _new(study, specification)


def _taken_over(study: StudyRun, specification: TrialSpecification, left: Run, there: RunState) -> TrackedRun:
    run = replace(study.run, run_id=left.info.run_id, existing=there)
    run.log_tags({**specification.tags, PARENT: study.run.run_id, OWNER: owner.this_process()})
    for tag in {PRUNED_KEY, SEARCH} & set(left.data.tags):  # of a search that was killed as it pruned
        run.outbox.enqueue(DeleteTag(run.run_id, tag))
    run.outbox.wait_until_sent(run.outbox.enqueue(SetStatus(run.run_id, "RUNNING", None)))
    return run


def _new(study: StudyRun, specification: TrialSpecification) -> TrackedRun:
    tags = {**study.tags, **specification.tags, OWNER: owner.this_process()}
    call = CreateRun(local_id(), study.experiment_id, specification.name, tags, time.time_ns() // 1_000_000)
    run_id = study.run.outbox.create_run(call)
    if run_id == call.run:  # the server is away: the training begins, and gets its run later
        study.run.outbox.enqueue(LinkCheckpoint(run_id, run_id.removeprefix(LOCAL)))
    return replace(study.run, run_id=run_id)


def take_in(study: StudyRun, finished: Run) -> None:
    """Makes a finished run the study's: as its child if the study it is of came to no end, else by a link."""
    run, parent = replace(study.run, run_id=finished.info.run_id), finished.data.tags.get(PARENT)
    if parent in study.superseded:
        run.log_tags({PARENT: study.run.run_id})
    elif parent != study.run.run_id:
        run.log_tags({f"lrstudy.used_by.{study.run.run_id}": "true"})


def log_outcome(child: TrackedRun, specification: TrialSpecification, outcome: WorkerResult) -> None:
    """Logs the end of a trial that came to a result."""
    assert outcome.result is not None  # noqa: S101 - for the type
    log_result(child, outcome.result, outcome.files, specification.context.data.bad_images)
    child.end("FINISHED")


def log_pruned(study: StudyRun, child: TrackedRun, specification: TrialSpecification, outcome: WorkerResult) -> None:
    """Logs the end of a trial that was stopped: it is no training to be reused, but by the same search."""
    best = outcome.best
    last = outcome.history[-1].epoch
    tags = {
        VERDICT: PRUNED,
        PRUNED_KEY: specification.key,
        SEARCH: study.identity,
        DESCRIPTION: f"**{PRUNED}** after epoch {last}: other trials had a lower validation loss by then.",
    }
    child.log_tags(tags)
    child.log_files(outcome.files)
    metrics = {BEST_VAL_LOSS: best.val_loss, BEST_VAL_ACCURACY: best.val_accuracy, BEST_EPOCH: best.epoch}
    log_final_metrics(child, metrics)
    child.outbox.enqueue(DeleteTag(child.run_id, KEY))
    child.end("FINISHED")


def log_crash(child: TrackedRun, reason: str) -> None:
    """Logs that a trial came to nothing."""
    child.log_tags({DESCRIPTION: truncate_tag(reason)})
    child.end("FAILED")


def log_best(
    study: StudyRun, specification: TrialSpecification, metrics: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """Logs to the study's run what it came to: the best training's settings, `metrics` and `tags`."""
    settings = {name: getattr(specification.settings, name) for name in ("optimizer", "lr", "hidden", "seed")}
    study.run.log_metrics(metrics, 0)
    study.run.log_params({f"best.{name}": format_setting(value) for name, value in settings.items()})
    study.run.log_tags(tags)


def _runs(study: StudyRun, tags: Mapping[str, str]) -> list[CandidateRun]:
    """The experiment's runs with these tags, by the time they began."""
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found = study.run.client.search_runs([study.experiment_id], query, order_by=["attributes.start_time ASC"])
    return fresh_candidate_runs(study.run.client, found)


def _without_end(run: TrackedRun, experiment_id: str, context: StudyContext) -> frozenset[str]:
    """The studies on the same data that came to no end."""
    query = f"tags.`{KIND}` != 'train' and tags.`{DATA_DIGEST}` = '{context.data.digest}'"
    found = run.client.search_runs([experiment_id], f"attributes.status != 'FINISHED' and {query}")
    return frozenset(one.info.run_id for one in found if one.info.status in ENDED_EARLY)

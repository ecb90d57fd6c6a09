"""A study on the tracking server: its own run, its trials as child runs, and what is already there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlflow.entities import Run

from lrstudy import owner, provenance
from lrstudy.calls import CreateRun, DeleteTag, SetStatus, local_name
from lrstudy.claims import (
    ENDED_EARLY,
    OWNER,
    PARENT,
    claims,
    is_left,
    mark_abandoned,
    may_go_on,
    what_is_left,
    whose,
)
from lrstudy.description import DATA_DIGEST, DESCRIPTION, HARDWARE, KEY, KIND, PRUNED_KEY, Description, Facts
from lrstudy.done import PRUNED
from lrstudy.owner import Owner
from lrstudy.result import Outcome
from lrstudy.server import shortened
from lrstudy.settings import typed
from lrstudy.study_settings import StudySettings
from lrstudy.tracked_run import TrackedRun, started_run
from lrstudy.tracking import VERDICT, log_final, log_result

SEARCH = "lrstudy.search"


@dataclass(frozen=True)
class StudyRun:
    """A study's own run, and what it needs to open its trials'.

    `identity` tells studies with the same proposals from others; `superseded` are the runs of studies that came to no
    end, whose trials this one takes over; `tags` are those of every trial's run.
    """

    run: TrackedRun
    experiment_id: str
    identity: str
    superseded: frozenset[str]
    tags: Mapping[str, str]


@contextmanager
def open_study(kind: str, name: str, settings: StudySettings, facts: Facts, identity: str) -> Iterator[StudyRun]:
    """A study's run, with its settings as parameters; it ends as the `with` block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    tags = {
        KIND: kind,
        DATA_DIGEST: facts.data.digest,
        "lrstudy.study": identity,
        HARDWARE: facts.hardware,
    }
    with started_run(name, tags) as run:
        opened = run.client.get_run(run.run_id)
        run.describe({key: typed(value) for key, value in settings if key not in opened.data.params}, {})
        experiment = opened.info.experiment_id
        with claims():
            mark_abandoned(run.client, experiment, facts.data.digest)
        superseded = _without_end(run, experiment, facts)
        yield StudyRun(run, experiment, identity, superseded, {**provenance.source(), PARENT: run.run_id})


def claim(study: StudyRun, description: Description, *, prunes: bool, beside_others: bool) -> Run | TrackedRun | None:
    """The finished run of a training; or one that is now ours to write to; None where another process is at it.

    Args:
        study: that the training is a trial of.
        description: of the training.
        prunes: whether one that the same study stopped early will do.
        beside_others: to open a run beside one of a process of which nothing is known, since it is on another machine.
    """
    outbox = study.run.outbox
    if not outbox.away:
        try:
            with claims():
                return _claimed(study, description, prunes, beside_others)
        except Exception as error:
            outbox.lost(error)
    # Who else is at it is not to be known now, and nobody waits for that.
    return _new(study, description)


def _claimed(study: StudyRun, description: Description, prunes: bool, beside_others: bool) -> Run | TrackedRun | None:
    there = _runs(study, f"tags.`{KEY}` = '{description.key}'")
    if prunes:
        there += _runs(study, f"tags.`{PRUNED_KEY}` = '{description.key}' and tags.`{SEARCH}` = '{study.identity}'")
    for run in there:
        if run.info.status == "FINISHED":
            return run
    left = [run for run in there if is_left(run)]
    others = [whose(run) for run in there if not is_left(run)]
    if Owner.LIVES in others or (others and not beside_others):
        return None
    goes_on = [run for run in left if may_go_on(run, description)]
    return _taken_over(study, description, goes_on[-1]) if goes_on else _new(study, description)


def _taken_over(study: StudyRun, description: Description, left: Run) -> TrackedRun:
    run = replace(study.run, run_id=left.info.run_id, there=what_is_left(study.run.client, left))
    run.describe({}, {**description.tags, PARENT: study.run.run_id, OWNER: owner.this_process()})
    for tag in {PRUNED_KEY, SEARCH} & set(left.data.tags):  # of a search that was killed as it pruned
        run.outbox.put(DeleteTag(run.run_id, tag))
    run.outbox.wait_for(run.outbox.put(SetStatus(run.run_id, "RUNNING", None)))
    return run


def _new(study: StudyRun, description: Description) -> TrackedRun:
    tags = {**study.tags, **description.tags, OWNER: owner.this_process()}
    call = CreateRun(local_name(), study.experiment_id, description.name, tags, time.time_ns() // 1_000_000)
    (run_id,) = study.run.outbox.now(call, call.run)
    return replace(study.run, run_id=run_id)


def take_in(study: StudyRun, finished: Run) -> None:
    """Makes a finished run the study's: as its child if the study it is of came to no end, else by a link."""
    run, parent = replace(study.run, run_id=finished.info.run_id), finished.data.tags.get(PARENT)
    if parent in study.superseded:
        run.describe({}, {PARENT: study.run.run_id})
    elif parent != study.run.run_id:
        run.describe({}, {f"lrstudy.used_by.{study.run.run_id}": "true"})


def log_outcome(child: TrackedRun, description: Description, outcome: Outcome) -> None:
    """Logs the end of a trial that came to a result."""
    assert outcome.result is not None  # noqa: S101 - for the type
    log_result(child, outcome.result, outcome.files, description.facts.data.bad_images)
    child.end("FINISHED")


def log_pruned(study: StudyRun, child: TrackedRun, description: Description, outcome: Outcome) -> None:
    """Logs the end of a trial that was stopped: it is no training to be reused, but by the same search."""
    best = outcome.best
    last = outcome.history[-1].epoch
    tags = {
        VERDICT: PRUNED,
        PRUNED_KEY: description.key,
        SEARCH: study.identity,
        DESCRIPTION: f"**{PRUNED}** after epoch {last}: other trials had a lower validation loss by then.",
    }
    child.describe({}, tags)
    child.log_files(outcome.files)
    metrics = {"best/val_loss": best.val_loss, "best/val_accuracy": best.val_accuracy, "best/epoch": best.epoch}
    log_final(child, metrics)
    child.outbox.put(DeleteTag(child.run_id, KEY))
    child.end("FINISHED")


def log_crash(child: TrackedRun, reason: str) -> None:
    """Logs that a trial came to nothing."""
    child.describe({}, {DESCRIPTION: shortened(reason)})
    child.end("FAILED")


def log_best(study: StudyRun, description: Description, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Logs to the study's run what it came to: the best training's settings, `metrics` and `tags`."""
    settings = {name: getattr(description.settings, name) for name in ("optimizer", "lr", "hidden", "seed")}
    study.run.log_metrics(metrics, 0)
    study.run.describe({f"best.{name}": typed(value) for name, value in settings.items()}, tags)


def _runs(study: StudyRun, query: str) -> list[Run]:
    """The experiment's runs that `query` finds, by the time they began."""
    found = study.run.client.search_runs([study.experiment_id], query, order_by=["attributes.start_time ASC"])
    return list(found)


def _without_end(run: TrackedRun, experiment_id: str, facts: Facts) -> frozenset[str]:
    """The studies on the same data that came to no end."""
    query = f"tags.`{KIND}` != 'train' and tags.`{DATA_DIGEST}` = '{facts.data.digest}'"
    found = run.client.search_runs([experiment_id], f"attributes.status != 'FINISHED' and {query}")
    return frozenset(one.info.run_id for one in found if one.info.status in ENDED_EARLY)

"""A study on the tracking server: its own run, its trials as child runs, and what is already there."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from filelock import FileLock
from mlflow.entities import Run
from mlflow.tracking.context.registry import resolve_tags

from lrstudy import owner, places
from lrstudy.calls import CreateRun, DeleteTag, SetStatus, local_name
from lrstudy.description import Description, Facts
from lrstudy.done import PRUNED
from lrstudy.owner import Owner
from lrstudy.result import Outcome
from lrstudy.settings import typed
from lrstudy.study_settings import StudySettings
from lrstudy.tracking import (
    DESCRIPTION,
    OWNER,
    VERDICT,
    TrackedRun,
    log_beginning,
    log_final,
    log_result,
    server,
    shortened,
    started_run,
)

PARENT = "mlflow.parentRunId"
KEY, PRUNED_KEY, SEARCH = "lrstudy.key", "lrstudy.pruned_key", "lrstudy.search"
LAST_CURVE = "val_loss"
ENDED_EARLY = ("KILLED", "FAILED")


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


@dataclass(frozen=True)
class ChildRun:
    """A trial's run that is ours to write to; `last_epoch` is the last that the server has, -1 if none."""

    run: TrackedRun
    last_epoch: int = -1
    params: frozenset[str] = frozenset()
    metrics: Mapping[str, float] = field(default_factory=dict)


@cache
def source() -> dict[str, str]:
    """MLflow's tags on the program that runs."""
    tags: dict[str, str] = resolve_tags()
    return tags


@contextmanager
def open_study(kind: str, name: str, settings: StudySettings, facts: Facts, identity: str) -> Iterator[StudyRun]:
    """A study's run, with its settings as parameters; it ends as the `with` block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    tags = {
        "lrstudy.kind": kind,
        "lrstudy.data_digest": facts.data.digest,
        "lrstudy.study": identity,
        "lrstudy.hardware": facts.hardware,
    }
    with started_run(name, tags) as run:
        opened = run.client.get_run(run.run_id)
        run.describe({key: typed(value) for key, value in settings if key not in opened.data.params}, {})
        experiment = opened.info.experiment_id
        with _claims():
            _mark_abandoned(run, experiment, facts)
        superseded = _without_end(run, experiment, facts)
        yield StudyRun(run, experiment, identity, superseded, {**source(), PARENT: run.run_id})


def claim(study: StudyRun, description: Description, *, prunes: bool, beside_others: bool) -> Run | ChildRun | None:
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
            with _claims():
                return _claimed(study, description, prunes, beside_others)
        except Exception as error:
            outbox.lost(error)
    # Who else is at it is not to be known now, and nobody waits for that.
    return _new(study, description)


def _claimed(study: StudyRun, description: Description, prunes: bool, beside_others: bool) -> Run | ChildRun | None:
    there = _runs(study, f"tags.`{KEY}` = '{description.key}'")
    if prunes:
        there += _runs(study, f"tags.`{PRUNED_KEY}` = '{description.key}' and tags.`{SEARCH}` = '{study.identity}'")
    for run in there:
        if run.info.status == "FINISHED":
            return run
    left = [run for run in there if _is_left(run)]
    others = [owner.find(run.data.tags.get(OWNER)) for run in there if not _is_left(run)]
    if Owner.LIVES in others or (others and not beside_others):
        return None
    return _taken_over(study, description, left[-1]) if left else _new(study, description)


def _taken_over(study: StudyRun, description: Description, left: Run) -> ChildRun:
    child = _as_left(study, left)
    outbox, run_id = study.run.outbox, child.run.run_id
    child.run.describe({}, {**description.tags, PARENT: study.run.run_id, OWNER: owner.this_process()})
    for tag in {PRUNED_KEY, SEARCH} & set(left.data.tags):  # of a search that was killed as it pruned
        outbox.put(DeleteTag(run_id, tag))
    outbox.wait_for(outbox.put(SetStatus(run_id, "RUNNING", None)))
    return child


def _new(study: StudyRun, description: Description) -> ChildRun:
    tags = {**study.tags, **description.tags, OWNER: owner.this_process()}
    call = CreateRun(local_name(), study.experiment_id, description.name, tags, time.time_ns() // 1_000_000)
    (run_id,) = study.run.outbox.now(call, call.run)
    return ChildRun(replace(study.run, run_id=run_id))


@contextmanager
def _claims() -> Iterator[None]:
    """Keeps other studies on this machine from looking what is there before this one has written what it takes."""
    name = f"{hashlib.sha256(server().removeprefix('sqlite:///').encode()).hexdigest()[:16]}.lock"
    folder = places.cache() / "claims"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # the cache is of no use: without it
        folder = Path(tempfile.gettempdir())
    with FileLock(folder / name):
        yield


def describe_child(child: ChildRun, description: Description) -> None:
    """Logs what is known of a trial before it begins, but what its run has already."""
    log_beginning(child.run, description, child.params)


def take_in(study: StudyRun, finished: Run) -> None:
    """Makes a finished run the study's: as its child if the study it is of came to no end, else by a link."""
    run, parent = replace(study.run, run_id=finished.info.run_id), finished.data.tags.get(PARENT)
    if parent in study.superseded:
        run.describe({}, {PARENT: study.run.run_id})
    elif parent != study.run.run_id:
        run.describe({}, {f"lrstudy.used_by.{study.run.run_id}": "true"})


def curve(study: StudyRun, run_id: str) -> list[tuple[int, float]]:
    """A run's epochs and their validation losses."""
    return [(point.step, point.value) for point in study.run.client.get_metric_history(run_id, LAST_CURVE)]


def log_outcome(child: ChildRun, description: Description, outcome: Outcome) -> None:
    """Logs the end of a trial that came to a result."""
    assert outcome.result is not None  # noqa: S101 - for the type
    log_result(child.run, outcome.result, outcome.files, description.facts.data.bad_images, child.metrics)
    child.run.end("FINISHED")


def log_pruned(study: StudyRun, child: ChildRun, description: Description, outcome: Outcome) -> None:
    """Logs the end of a trial that was stopped: it is no training to be reused, but by the same search."""
    best = outcome.best
    last = outcome.history[-1].epoch
    tags = {
        VERDICT: PRUNED,
        PRUNED_KEY: description.key,
        SEARCH: study.identity,
        DESCRIPTION: f"**{PRUNED}** after epoch {last}: other trials had a lower validation loss by then.",
    }
    child.run.describe({}, tags)
    child.run.log_files(outcome.files)
    metrics = {"best/val_loss": best.val_loss, "best/val_accuracy": best.val_accuracy, "best/epoch": best.epoch}
    log_final(child.run, metrics, child.metrics)
    child.run.outbox.put(DeleteTag(child.run.run_id, KEY))
    child.run.end("FINISHED")


def log_crash(child: ChildRun, reason: str) -> None:
    """Logs that a trial came to nothing."""
    child.run.describe({}, {DESCRIPTION: shortened(reason)})
    child.run.end("FAILED")


def log_best(study: StudyRun, description: Description, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Logs to the study's run what it came to: the best training's settings, `metrics` and `tags`."""
    settings = {name: getattr(description.settings, name) for name in ("optimizer", "lr", "hidden", "seed")}
    study.run.log_metrics(metrics, 0)
    study.run.describe({f"best.{name}": typed(value) for name, value in settings.items()}, tags)


def _as_left(study: StudyRun, left: Run) -> ChildRun:
    last_epoch = max((epoch for epoch, _ in curve(study, left.info.run_id)), default=-1)
    run = replace(study.run, run_id=left.info.run_id)
    return ChildRun(run, last_epoch, frozenset(left.data.params), left.data.metrics)


def _runs(study: StudyRun, query: str) -> list[Run]:
    """The experiment's runs that `query` finds, by the time they began."""
    found = study.run.client.search_runs([study.experiment_id], query, order_by=["attributes.start_time ASC"])
    return list(found)


def _is_left(run: Run) -> bool:
    """Whether nobody is at a run that is not finished."""
    whose = owner.find(run.data.tags.get(OWNER))
    return run.info.status in ENDED_EARLY or (run.info.status == "RUNNING" and whose is Owner.GONE)


def _mark_abandoned(run: TrackedRun, experiment_id: str, facts: Facts) -> None:
    """Ends the runs on the same data whose process is no more: the server cannot know."""
    query = f"attributes.status = 'RUNNING' and tags.`lrstudy.data_digest` = '{facts.data.digest}'"
    for found in run.client.search_runs([experiment_id], query):
        if _is_left(found):
            run.client.set_terminated(found.info.run_id, "KILLED")


def _without_end(run: TrackedRun, experiment_id: str, facts: Facts) -> frozenset[str]:
    """The studies on the same data that came to no end."""
    query = f"tags.`lrstudy.kind` != 'train' and tags.`lrstudy.data_digest` = '{facts.data.digest}'"
    found = run.client.search_runs([experiment_id], f"attributes.status != 'FINISHED' and {query}")
    return frozenset(one.info.run_id for one in found if one.info.status in ENDED_EARLY)

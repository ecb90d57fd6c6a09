"""A study on the tracking server: its own run, its trials as child runs, and what is already there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.entities import Param, Run, RunTag

from lrstudy import owner, provenance
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
from lrstudy.tracking import VERDICT, log_files, log_final, log_result

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
        params = [Param(key, typed(value)) for key, value in settings if key not in opened.data.params]
        run.client.log_batch(run.run_id, params=params)
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
    client = study.run.client
    with claims():
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
        if goes_on := [run for run in left if may_go_on(run, description)]:
            return _take_over(study, goes_on[-1], description)
        tags = {**study.tags, **description.tags, OWNER: owner.this_process()}
        created = client.create_run(study.experiment_id, tags=tags, run_name=description.name)
    return TrackedRun(client, created.info.run_id, study.run.writer)


def _take_over(study: StudyRun, left: Run, description: Description) -> TrackedRun:
    client, run_id = study.run.client, left.info.run_id
    ours = {**description.tags, PARENT: study.run.run_id, OWNER: owner.this_process()}
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in ours.items()])
    for tag in {PRUNED_KEY, SEARCH} & set(left.data.tags):  # of a search that was killed as it pruned
        client.delete_tag(run_id, tag)
    client.update_run(run_id, status="RUNNING")
    return TrackedRun(client, run_id, study.run.writer, what_is_left(client, left))


def take_in(study: StudyRun, finished: Run) -> None:
    """Makes a finished run the study's: as its child if the study it is of came to no end, else by a link."""
    client, run_id = study.run.client, finished.info.run_id
    parent = finished.data.tags.get(PARENT)
    if parent in study.superseded:
        client.set_tag(run_id, PARENT, study.run.run_id)
    elif parent != study.run.run_id:
        client.set_tag(run_id, f"lrstudy.used_by.{study.run.run_id}", "true")


def log_outcome(child: TrackedRun, description: Description, outcome: Outcome) -> None:
    """Logs the end of a trial that came to a result."""
    assert outcome.result is not None  # noqa: S101 - for the type
    log_result(child, outcome.result, outcome.files, description.facts.data.bad_images)
    _finish(child)


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
    child.client.log_batch(child.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    log_files(child.client, child.run_id, outcome.files)
    metrics = {"best/val_loss": best.val_loss, "best/val_accuracy": best.val_accuracy, "best/epoch": best.epoch}
    log_final(child, metrics)
    child.client.delete_tag(child.run_id, KEY)
    _finish(child)


def log_crash(child: TrackedRun, reason: str) -> None:
    """Logs that a trial came to nothing."""
    child.client.set_tag(child.run_id, DESCRIPTION, shortened(reason))
    child.client.set_terminated(child.run_id, "FAILED")


def log_best(study: StudyRun, description: Description, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Logs to the study's run what it came to: the best training's settings, `metrics` and `tags`."""
    settings = {name: getattr(description.settings, name) for name in ("optimizer", "lr", "hidden", "seed")}
    study.run.writer.add(study.run.run_id, metrics, 0)
    study.run.client.log_batch(
        study.run.run_id,
        params=[Param(f"best.{name}", typed(value)) for name, value in settings.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )


def _finish(child: TrackedRun) -> None:
    # Only a run that has all its metrics is a finished one.
    child.writer.flush()
    child.client.set_terminated(child.run_id)


def _runs(study: StudyRun, query: str) -> list[Run]:
    """The experiment's runs that `query` finds, by the time they began."""
    found = study.run.client.search_runs([study.experiment_id], query, order_by=["attributes.start_time ASC"])
    return list(found)


def _without_end(run: TrackedRun, experiment_id: str, facts: Facts) -> frozenset[str]:
    """The studies on the same data that came to no end."""
    query = f"tags.`{KIND}` != 'train' and tags.`{DATA_DIGEST}` = '{facts.data.digest}'"
    found = run.client.search_runs([experiment_id], f"attributes.status != 'FINISHED' and {query}")
    return frozenset(one.info.run_id for one in found if one.info.status in ENDED_EARLY)

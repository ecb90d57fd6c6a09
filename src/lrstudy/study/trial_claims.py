"""Claim the run of a trial on the tracking server: a finished one to reuse, one to resume, or a new one.

While the server is away, the runs that existed when the study began are used in its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from mlflow.entities import Run

from lrstudy.server_names import KEY, OWNER, PARENT, PRUNED_KEY, SEARCH
from lrstudy.study.study_run import StudyRun
from lrstudy.tracking import owner
from lrstudy.tracking.calls import LOCAL, CreateRun, DeleteTag, LinkCheckpoint, SetStatus, local_id
from lrstudy.tracking.claims import (
    CandidateRun,
    RunState,
    can_resume,
    candidate_runs,
    claim_lock,
    fresh_candidate_runs,
    has_files,
    read_run_state,
)
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.queued_calls import discard_superseded
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.specification import TrialSpecification


def claim(
    study: StudyRun, specification: TrialSpecification, *, stops: bool, ignore_remote_owners: bool
) -> Run | TrackedRun | None:
    """Return the finished run of a training, or a run that this process now owns; None if another process owns it.

    Args:
        study: the study of the trial.
        specification: the training.
        stops: whether a run that the same study stopped counts as finished.
        ignore_remote_owners: open a second run if the owner of the first is on another machine, and may be dead.
    """
    wanted = {KEY: specification.key}, *([{PRUNED_KEY: specification.key, SEARCH: study.identity}] if stops else [])

    def from_server() -> Run | TrackedRun | None:
        with claim_lock():
            candidates = [candidate for tags in wanted for candidate in _search(study, tags)]
            state_of = partial(read_run_state, study.run.client)
            files = partial(has_files, study.run.client)
            return _claim_among(study, specification, candidates, state_of, files, ignore_remote_owners)

    def from_known_runs() -> Run | TrackedRun | None:
        runs = (run for tags in wanted for run in study.known_runs if tags.items() <= run.data.tags.items())
        state_of = _known_state_of(study)
        return _claim_among(study, specification, candidate_runs(runs), state_of, _assume_files, ignore_remote_owners)

    return study.run.outbox.query_or(from_server, from_known_runs)


def adopt_finished_run(study: StudyRun, finished: Run) -> None:
    """Make a finished run part of the study: as its child if the run's own study was interrupted, else by a tag."""
    run, parent = replace(study.run, run_id=finished.info.run_id), finished.data.tags.get(PARENT)
    if parent in study.superseded:
        run.log_tags({PARENT: study.run.run_id})
    elif parent != study.run.run_id:
        run.log_tags({f"lrstudy.used_by.{study.run.run_id}": "true"})


def _assume_files(_: Run) -> bool:
    """Return True: while the server is away, it cannot be asked for the files of a run."""
    return True


def _known_state_of(study: StudyRun) -> Callable[[Run], RunState | None]:
    return lambda run: study.known_states.get(run.info.run_id)


def _claim_among(
    study: StudyRun,
    specification: TrialSpecification,
    candidates: Sequence[CandidateRun],
    state_of: Callable[[Run], RunState | None],
    has_files: Callable[[Run], bool],
    ignore_remote_owners: bool,
) -> Run | TrackedRun | None:
    """See `claim`; `state_of` returns the state of a run to resume, None if it is not known.

    A finished run without its files is trained again, like an interrupted one, and then has them.
    """
    for candidate in candidates:
        if candidate.is_finished and has_files(candidate.run):
            return candidate.run
    owners = [candidate.owner for candidate in candidates if not (candidate.is_interrupted or candidate.is_finished)]
    if OwnerState.ALIVE in owners or (owners and not ignore_remote_owners):
        return None
    for candidate in reversed(candidates):
        resumable = candidate.is_finished or candidate.is_interrupted
        resumable = resumable and can_resume(candidate.run, specification)
        if resumable and (state := state_of(candidate.run)) and discard_superseded(candidate.run.info.run_id):
            return _resume(study, specification, candidate.run, state)
    return _create(study, specification)


def _resume(study: StudyRun, specification: TrialSpecification, interrupted: Run, state: RunState) -> TrackedRun:
    run = replace(study.run, run_id=interrupted.info.run_id, existing=state)
    run.log_tags({**specification.tags, PARENT: study.run.run_id, OWNER: owner.this_process()})
    for tag in {PRUNED_KEY, SEARCH} & set(interrupted.data.tags):  # of a search that was killed as it pruned
        run.outbox.enqueue(DeleteTag(run.run_id, tag))
    run.outbox.wait_until_sent(run.outbox.enqueue(SetStatus(run.run_id, "RUNNING", None)))
    return run


def _create(study: StudyRun, specification: TrialSpecification) -> TrackedRun:
    tags = {**study.trial_tags, **specification.tags, OWNER: owner.this_process()}
    call = CreateRun(local_id(), study.experiment_id, specification.name, tags, time.time_ns() // 1_000_000)
    run_id = study.run.outbox.create_run(call)
    if run_id == call.run:  # The server is away: the training starts, and gets its run later.
        study.run.outbox.enqueue(LinkCheckpoint(run_id, run_id.removeprefix(LOCAL)))
    return replace(study.run, run_id=run_id)


def _search(study: StudyRun, tags: Mapping[str, str]) -> list[CandidateRun]:
    """Return the experiment's runs with these tags, in the order in which they started."""
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    runs = study.run.client.search_runs([study.experiment_id], query, order_by=["attributes.start_time ASC"])
    return fresh_candidate_runs(study.run.client, runs)

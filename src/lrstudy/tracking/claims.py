"""Find abandoned runs on the server, and claim them for this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy.server_names import DATA_DIGEST, HARDWARE, OWNER, PRUNED_KEY, VAL_LOSS, VERSIONS
from lrstudy.tracking import epoch_times, owner
from lrstudy.tracking.failures import is_transient
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.server import server_address
from lrstudy.tracking.server_lock import server_lock
from lrstudy.tracking.sync import sync_server
from lrstudy.training.result import HISTORY, WEIGHTS
from lrstudy.training.specification import TrialSpecification

ENDED_EARLY = ("KILLED", "FAILED")


@dataclass(frozen=True)
class RunState:
    """The state of a run on the server; `last_epoch` is -1 if it has no epochs.

    `resumable` is whether an earlier start of the same training opened the run and was interrupted. `times` are in ms,
    of epochs that it has logged, or was about to log.
    """

    resumable: bool = False
    last_epoch: int = -1
    params: frozenset[str] = frozenset()
    metrics: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[int, int] = field(default_factory=dict)


NEW_RUN = RunState()


@contextmanager
def claim_lock() -> Iterator[None]:
    """Let only one process of this machine look for runs and claim them.

    The journals that dead processes have left are sent first: a run is taken over with all that was logged to it.

    Raises:
        TrackingError: a journal could not be sent.
    """
    with server_lock("claims", server_address()):
        sync_server(server_address())
        yield


@dataclass(frozen=True)
class CandidateRun:
    """A run that a search has found, and the state of its owner."""

    run: Run
    owner: OwnerState

    @property
    def is_abandoned(self) -> bool:
        """True if its owner died without ending it."""
        return self.run.info.status == "RUNNING" and self.owner is OwnerState.DEAD

    @property
    def is_finished(self) -> bool:
        """True if its status is FINISHED; its files may be missing."""
        return bool(self.run.info.status == "FINISHED")

    @property
    def is_interrupted(self) -> bool:
        """True if it did not finish, and has no live owner."""
        return self.run.info.status in ENDED_EARLY or self.is_abandoned


def candidate_runs(runs: Iterable[Run]) -> list[CandidateRun]:
    """Return the runs with the states of their owners."""
    return [CandidateRun(run, owner.owner_state(run.data.tags.get(OWNER))) for run in runs]


def fresh_candidate_runs(client: MlflowClient, runs: Iterable[Run]) -> list[CandidateRun]:
    """Return the runs that a search has found with the states of their owners.

    An abandoned run is read again: its owner may have ended it since the search.
    """
    return [
        replace(candidate, run=client.get_run(candidate.run.info.run_id)) if candidate.is_abandoned else candidate
        for candidate in candidate_runs(runs)
    ]


def has_files(client: MlflowClient, run: Run) -> bool:
    """Return True if a finished run has its files; in earlier versions the upload could fail."""
    try:
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
    except Exception as error:  # each kind of artifact store has its own errors
        if is_transient(error):
            raise
        return True
    return files >= ({HISTORY} if PRUNED_KEY in run.data.tags else {HISTORY, WEIGHTS})


def can_resume(run: Run, specification: TrialSpecification) -> bool:
    """Return True if an interrupted run gives the same bits when it is resumed here: same hardware, same versions."""
    ours = specification.tags
    return all(run.data.tags.get(name) == ours[name] for name in (VERSIONS, HARDWARE))


def read_run_state(client: MlflowClient, run: Run) -> RunState:
    """Return the state of an interrupted run."""
    last_epoch = max((epoch for epoch, _ in validation_curve(client, run.info.run_id)), default=-1)
    return RunState(True, last_epoch, frozenset(run.data.params), run.data.metrics, epoch_times.read(run.info.run_id))


def validation_curve(client: MlflowClient, run_id: str) -> list[tuple[int, float]]:
    """Return a run's epochs and their validation losses."""
    return [(point.step, point.value) for point in client.get_metric_history(run_id, VAL_LOSS)]


def mark_abandoned(client: MlflowClient, experiment_id: str, data_digest: str) -> None:
    """End the abandoned runs on the same data as killed, which the server cannot know.

    One that a late answer left beside another run of the same try is deleted.
    """
    query = f"attributes.status = 'RUNNING' and tags.`{DATA_DIGEST}` = '{data_digest}'"
    for candidate in fresh_candidate_runs(client, client.search_runs([experiment_id], query)):
        if candidate.is_abandoned:
            client.set_terminated(candidate.run.info.run_id, "KILLED")
            if not candidate.run.data.metrics and _has_duplicate(client, candidate.run):
                client.delete_run(candidate.run.info.run_id)


def _has_duplicate(client: MlflowClient, run: Run) -> bool:
    same_start = client.search_runs([run.info.experiment_id], f"attributes.start_time = {run.info.start_time}")
    others = (other for other in same_start if other.info.run_id != run.info.run_id)
    return any(other.data.tags.get(OWNER) == run.data.tags[OWNER] for other in others)

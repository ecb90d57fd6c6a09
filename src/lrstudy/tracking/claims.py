"""Which runs on the server nobody is at any more, and how one of them becomes this process's to write to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy.server_names import DATA_DIGEST, HARDWARE, OWNER, VERSIONS
from lrstudy.tracking import epoch_times, owner
from lrstudy.tracking.owner import OwnerState
from lrstudy.tracking.server import server_address
from lrstudy.tracking.server_lock import server_lock
from lrstudy.tracking.sync import sync_server
from lrstudy.training.specification import TrialSpecification

LAST_CURVE = "val_loss"
ENDED_EARLY = ("KILLED", "FAILED")


@dataclass(frozen=True)
class RunState:
    """What the server has of a run already; `last_epoch` is -1 where it has none.

    `left` is whether an earlier start of the same training opened it and came to no end. `times` are in ms, of epochs
    that it has logged, or was about to.
    """

    resumable: bool = False
    last_epoch: int = -1
    params: frozenset[str] = frozenset()
    metrics: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[int, int] = field(default_factory=dict)


NEW_RUN = RunState()


@contextmanager
def claim_lock() -> Iterator[None]:
    """Keeps others on this machine from looking what is there before this process has written what it takes.

    First is sent what dead processes had still to say: a run is taken over with all that it came to.

    Raises:
        TrackingError: that could not be sent.
    """
    with server_lock("claims", server_address()):
        sync_server(server_address())
        yield


@dataclass(frozen=True)
class CandidateRun:
    """A run that was found, and what is known of the process that it belongs to."""

    run: Run
    owner: OwnerState

    @property
    def is_abandoned(self) -> bool:
        """Whether its process ended without a word of it."""
        return self.run.info.status == "RUNNING" and self.owner is OwnerState.DEAD

    @property
    def is_interrupted(self) -> bool:
        """Whether it came to no end, and nobody is at it."""
        return self.run.info.status in ENDED_EARLY or self.is_abandoned


def candidate_runs(runs: Iterable[Run]) -> list[CandidateRun]:
    """The runs, and whether their processes live."""
    return [CandidateRun(run, owner.owner_state(run.data.tags.get(OWNER))) for run in runs]


def fresh_candidate_runs(client: MlflowClient, runs: Iterable[Run]) -> list[CandidateRun]:
    """The runs that a search has found, and whether their processes live.

    A run whose process is gone is read again: the process may have ended it since the search.
    """
    return [
        replace(one, run=client.get_run(one.run.info.run_id)) if one.is_abandoned else one
        for one in candidate_runs(runs)
    ]


def can_resume(run: Run, specification: TrialSpecification) -> bool:
    """Whether a training in a run that is left would have gone on to the same bits here: elsewhere they may differ."""
    ours = specification.tags
    return all(run.data.tags.get(name) == ours[name] for name in (VERSIONS, HARDWARE))


def read_run_state(client: MlflowClient, run: Run) -> RunState:
    """What the server has of a run that is left."""
    last_epoch = max((epoch for epoch, _ in validation_curve(client, run.info.run_id)), default=-1)
    return RunState(True, last_epoch, frozenset(run.data.params), run.data.metrics, epoch_times.read(run.info.run_id))


def validation_curve(client: MlflowClient, run_id: str) -> list[tuple[int, float]]:
    """A run's epochs and their validation losses."""
    return [(point.step, point.value) for point in client.get_metric_history(run_id, LAST_CURVE)]


def mark_abandoned(client: MlflowClient, experiment_id: str, data_digest: str) -> None:
    """Ends the runs on the same data whose process is no more: the server cannot know.

    One that was made late, beside another try of its process to make the same, is deleted.
    """
    query = f"attributes.status = 'RUNNING' and tags.`{DATA_DIGEST}` = '{data_digest}'"
    for found in fresh_candidate_runs(client, client.search_runs([experiment_id], query)):
        if found.is_abandoned:
            client.set_terminated(found.run.info.run_id, "KILLED")
            if not found.run.data.metrics and _has_twin(client, found.run):
                client.delete_run(found.run.info.run_id)


def _has_twin(client: MlflowClient, run: Run) -> bool:
    alike = client.search_runs([run.info.experiment_id], f"attributes.start_time = {run.info.start_time}")
    name = run.data.tags[OWNER]
    return any(one.info.run_id != run.info.run_id and one.data.tags.get(OWNER) == name for one in alike)

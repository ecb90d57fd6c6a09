"""Which runs on the server nobody is at any more, and how one of them becomes this process's to write to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy.tracking import owner
from lrstudy.tracking.owner import Owner
from lrstudy.tracking.sending import send_to
from lrstudy.tracking.server import address
from lrstudy.tracking.turns import turn
from lrstudy.training.description import DATA_DIGEST, HARDWARE, VERSIONS, Description

OWNER = "lrstudy.process"
PARENT = "mlflow.parentRunId"
LAST_CURVE = "val_loss"
ENDED_EARLY = ("KILLED", "FAILED")


@dataclass(frozen=True)
class There:
    """What the server has of a run already; `last_epoch` is -1 where it has none.

    `left` is whether an earlier start of the same training opened it and came to no end.
    """

    left: bool = False
    last_epoch: int = -1
    params: frozenset[str] = frozenset()
    metrics: Mapping[str, float] = field(default_factory=dict)


NOTHING = There()


@contextmanager
def claims() -> Iterator[None]:
    """Keeps others on this machine from looking what is there before this process has written what it takes.

    First is sent what dead processes had still to say: a run is taken over with all that it came to.

    Raises:
        TrackingError: that could not be sent.
    """
    with turn("claims", address()):
        send_to(address())
        yield


def is_left(run: Run) -> bool:
    """Whether nobody is at a run that is not finished."""
    return run.info.status in ENDED_EARLY or (run.info.status == "RUNNING" and whose(run) is Owner.GONE)


def whose(run: Run) -> Owner:
    """What is known of the process that a run belongs to."""
    return owner.find(run.data.tags.get(OWNER))


def may_go_on(run: Run, description: Description) -> bool:
    """Whether a training in a run that is left would have gone on to the same bits here: elsewhere they may differ."""
    ours = description.tags
    return all(run.data.tags.get(name) == ours[name] for name in (VERSIONS, HARDWARE))


def what_is_left(client: MlflowClient, run: Run) -> There:
    """What the server has of a run that is left."""
    last_epoch = max((epoch for epoch, _ in curve(client, run.info.run_id)), default=-1)
    return There(True, last_epoch, frozenset(run.data.params), run.data.metrics)


def curve(client: MlflowClient, run_id: str) -> list[tuple[int, float]]:
    """A run's epochs and their validation losses."""
    return [(point.step, point.value) for point in client.get_metric_history(run_id, LAST_CURVE)]


def mark_abandoned(client: MlflowClient, experiment_id: str, data_digest: str) -> None:
    """Ends the runs on the same data whose process is no more: the server cannot know."""
    query = f"attributes.status = 'RUNNING' and tags.`{DATA_DIGEST}` = '{data_digest}'"
    for found in client.search_runs([experiment_id], query):
        if is_left(found):
            client.set_terminated(found.info.run_id, "KILLED")

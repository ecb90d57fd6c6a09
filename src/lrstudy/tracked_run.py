"""A run on the tracking server that this process writes to, from its start to its end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lrstudy import owner
from lrstudy.claims import NOTHING, OWNER, There
from lrstudy.description import DESCRIPTION
from lrstudy.epoch import CURVES, Epoch
from lrstudy.errors import LearningRateStudyError
from lrstudy.metric_writer import MetricWriter
from lrstudy.server import connect, shortened, tracking_errors


@dataclass(frozen=True)
class TrackedRun:
    """A run on the server that is being written to; `there` is what it had when this process began to."""

    client: MlflowClient
    run_id: str
    writer: MetricWriter
    there: There = NOTHING

    def log_epochs(self, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
        """Passes `epochs` on, and logs those that the server lacks."""
        for epoch in epochs:
            # A training that goes on gives the same bits again.
            if epoch.epoch > self.there.last_epoch:
                self.log_epoch(epoch)
            yield epoch

    def log_epoch(self, epoch: Epoch) -> None:
        """Logs the epoch's losses and accuracies at the step that is its number, without waiting for the server."""
        self.writer.add(self.run_id, {name: getattr(epoch, name) for name in CURVES}, epoch.epoch)


@contextmanager
def started_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """The run that `mlflow run` opened for this process, or else a new one, with `tags`; it ends as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    connect()
    with tracking_errors():
        run = start(name, tags)
    with written_to(run.info.run_id, NOTHING) as tracked:
        yield tracked


@contextmanager
def written_to(run_id: str, there: There) -> Iterator[TrackedRun]:
    """A run that has been started; it ends as the `with` block ends.

    Raises:
        TrackingError: the server refuses what is written, or is gone.
    """
    client = MlflowClient()
    status = "FAILED"
    try:
        with tracking_errors(), MetricWriter(client) as writer:
            yield TrackedRun(client, run_id, writer, there)
        status = "FINISHED"
    except LearningRateStudyError as error:
        with suppress(MlflowException):  # the error may be that the server is gone
            client.set_tag(run_id, DESCRIPTION, shortened(str(error)))
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        with suppress(MlflowException):
            mlflow.end_run(status)


def start(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    """Starts the run that MLFLOW_RUN_ID names, or else a new one."""
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Names that MLflow makes up look like `painted-crow-311`; a name that a user gave to `mlflow run` stays.
        if opened_by_mlflow and re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run

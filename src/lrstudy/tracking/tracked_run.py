"""A run on the tracking server that this process writes to, from its start to its end."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lrstudy.errors import LearningRateStudyError, NotSyncedError, TrackingError
from lrstudy.server_names import DESCRIPTION, OWNER
from lrstudy.tracking import epoch_times, owner
from lrstudy.tracking.calls import DeleteDuplicateRuns, Log, LogFiles, RemoveCheckpoint, SetStatus
from lrstudy.tracking.claims import NEW_RUN, RunState
from lrstudy.tracking.delivery import QUIET
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.outbox import Outbox
from lrstudy.tracking.server import connect, server_address, tracking_errors, truncate_tag
from lrstudy.training.epoch import Epoch

# How long the end of a training waits for a server that does not answer.
MAX_OFFLINE_SECONDS = 10.0


@dataclass(frozen=True)
class TrackedRun:
    """A run that is being written to, by way of `outbox`; `client` is for questions.

    `there` is what the server had of it when this process began to.
    """

    client: MlflowClient
    run_id: str
    outbox: Outbox
    existing: RunState = NEW_RUN

    def log_epochs(self, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
        """Passes `epochs` on, and logs those that the server lacks."""
        for epoch in epochs:
            # A training that goes on gives the same bits again.
            if epoch.epoch > self.existing.last_epoch:
                self.log_epoch(epoch)
            yield epoch

    def log_epoch(self, epoch: Epoch) -> None:
        """Logs the epoch's losses and accuracies at the step that is its number, without waiting for the server."""
        time = self.existing.times.get(epoch.epoch) or epoch_times.record(self.run_id, epoch.epoch)
        self._put(epoch.metrics, time, epoch.epoch)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs the values that `metrics` have at `step`."""
        self._put(metrics, epoch_times.now_ms(), step)

    def _put(self, metrics: Mapping[str, float], time: int, step: int) -> None:
        self.outbox.enqueue(Log(self.run_id, points=[(name, value, time, step) for name, value in metrics.items()]))

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log parameters."""
        self.outbox.enqueue(Log(self.run_id, params))

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Log tags."""
        self.outbox.enqueue(Log(self.run_id, tags=tags))

    def log_files(self, files: Mapping[str, bytes]) -> None:
        """Logs `files` as artifacts, by their paths.

        Raises:
            TrackingError: they cannot be written, on their way to the server.
        """
        try:
            folder = self.outbox.new_folder()
            for path, content in files.items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        except OSError as error:
            where = tempfile.gettempdir()
            raise TrackingError(
                f"artifacts cannot be written in {where} on their way: {failure_reason(error)}."
            ) from error
        self.outbox.enqueue(LogFiles(self.run_id, str(folder)))

    def end(self, status: str, *, despite_refusals: bool = False) -> None:
        """Ends the run, as of now; one that is finished needs its checkpoint no more, once the server knows of it."""
        self.outbox.enqueue(SetStatus(self.run_id, status, epoch_times.now_ms()), despite_refusals=despite_refusals)
        if status == "FINISHED":
            self.outbox.enqueue(RemoveCheckpoint(self.run_id), despite_refusals=despite_refusals)


@contextmanager
def track_new_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """The run that `mlflow run` opened for this process, or else a new one, with `tags`; it ends as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
        NotSyncedError: all went well, but the server is away at the end.
    """
    connect()
    with tracking_errors():
        run = start_run(name, tags)
    with track_run(run, NEW_RUN) as tracked:
        yield tracked


@contextmanager
def track_run(run: Run, there: RunState) -> Iterator[TrackedRun]:
    """A run that has been started; it ends as the `with` block ends.

    Raises:
        TrackingError: the server refuses what is written.
        NotSyncedError: all went well, but the server is away at the end.
    """
    client = MlflowClient(server_address())
    tracked = TrackedRun(client, run.info.run_id, Outbox(client, server_address()), there)
    tracked.outbox.start()
    status, patience = "FAILED", 0.0
    try:
        with tracking_errors():
            yield tracked
            patience = MAX_OFFLINE_SECONDS if tracked.outbox.flush(MAX_OFFLINE_SECONDS) else 0.0
        status = "FINISHED"
    except LearningRateStudyError as error:
        note = Log(tracked.run_id, {}, {DESCRIPTION: truncate_tag(str(error))})
        tracked.outbox.enqueue(note, despite_refusals=True)
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        tracked.end(status, despite_refusals=True)
        info, tags = run.info, {OWNER: owner.this_process()}
        twins = DeleteDuplicateRuns(info.run_id, info.experiment_id, tags, info.start_time)
        tracked.outbox.enqueue(twins, despite_refusals=True)
        unsent = tracked.outbox.close(patience)
        # MLflow ends it, too, in its own books, and says where it is to be seen.
        os.environ.pop(QUIET, None)
        with suppress(MlflowException):
            mlflow.end_run("RUNNING" if unsent else status)
        if unsent and status != "FINISHED":
            print(unsent, file=sys.stderr)
    if unsent:
        raise NotSyncedError(unsent)


def start_run(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    """Starts the run that MLFLOW_RUN_ID names, or else a new one."""
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Names that MLflow makes up look like `painted-crow-311`; a name that a user gave to `mlflow run` stays.
        if opened_by_mlflow and re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run

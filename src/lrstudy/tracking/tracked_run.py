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
from lrstudy.server_names import CURVES, DESCRIPTION, OWNER
from lrstudy.tracking import epoch_times, owner
from lrstudy.tracking.calls import DeleteDuplicateRuns, Log, LogFiles, RemoveCheckpoint, SetStatus
from lrstudy.tracking.claims import NOTHING, RunState
from lrstudy.tracking.delivery import QUIET
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.outbox import Outbox
from lrstudy.tracking.server import address, connect, shortened, tracking_errors
from lrstudy.training.epoch import Epoch

# How long the end of a training waits for a server that does not answer.
SECONDS_FOR_A_SERVER = 10.0


@dataclass(frozen=True)
class TrackedRun:
    """A run that is being written to, by way of `outbox`; `client` is for questions.

    `there` is what the server had of it when this process began to.
    """

    client: MlflowClient
    run_id: str
    outbox: Outbox
    there: RunState = NOTHING

    def log_epochs(self, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
        """Passes `epochs` on, and logs those that the server lacks."""
        for epoch in epochs:
            # A training that goes on gives the same bits again.
            if epoch.epoch > self.there.last_epoch:
                self.log_epoch(epoch)
            yield epoch

    def log_epoch(self, epoch: Epoch) -> None:
        """Logs the epoch's losses and accuracies at the step that is its number, without waiting for the server."""
        time = self.there.times.get(epoch.epoch) or epoch_times.note(self.run_id, epoch.epoch)
        self._put({name: getattr(epoch, name) for name in CURVES}, time, epoch.epoch)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs the values that `metrics` have at `step`."""
        self._put(metrics, epoch_times.now(), step)

    def _put(self, metrics: Mapping[str, float], time: int, step: int) -> None:
        self.outbox.put(Log(self.run_id, points=[(name, value, time, step) for name, value in metrics.items()]))

    def describe(self, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Logs parameters and tags."""
        self.outbox.put(Log(self.run_id, params, tags))

    def log_files(self, files: Mapping[str, bytes]) -> None:
        """Logs `files` as artifacts, by their paths.

        Raises:
            TrackingError: they cannot be written, on their way to the server.
        """
        try:
            folder = self.outbox.folder()
            for path, content in files.items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        except OSError as error:
            where = tempfile.gettempdir()
            raise TrackingError(
                f"artifacts cannot be written in {where} on their way: {failure_reason(error)}."
            ) from error
        self.outbox.put(LogFiles(self.run_id, str(folder)))

    def end(self, status: str, *, whatever_failed: bool = False) -> None:
        """Ends the run, as of now; one that is finished needs its checkpoint no more, once the server knows of it."""
        self.outbox.put(SetStatus(self.run_id, status, epoch_times.now()), whatever_failed=whatever_failed)
        if status == "FINISHED":
            self.outbox.put(RemoveCheckpoint(self.run_id), whatever_failed=whatever_failed)


@contextmanager
def started_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """The run that `mlflow run` opened for this process, or else a new one, with `tags`; it ends as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
        NotSyncedError: all went well, but the server is away at the end.
    """
    connect()
    with tracking_errors():
        run = start(name, tags)
    with written_to(run, NOTHING) as tracked:
        yield tracked


@contextmanager
def written_to(run: Run, there: RunState) -> Iterator[TrackedRun]:
    """A run that has been started; it ends as the `with` block ends.

    Raises:
        TrackingError: the server refuses what is written.
        NotSyncedError: all went well, but the server is away at the end.
    """
    client = MlflowClient(address())
    tracked = TrackedRun(client, run.info.run_id, Outbox(client, address()), there)
    tracked.outbox.start()
    status, patience = "FAILED", 0.0
    try:
        with tracking_errors():
            yield tracked
            patience = SECONDS_FOR_A_SERVER if tracked.outbox.settle(SECONDS_FOR_A_SERVER) else 0.0
        status = "FINISHED"
    except LearningRateStudyError as error:
        note = Log(tracked.run_id, {}, {DESCRIPTION: shortened(str(error))})
        tracked.outbox.put(note, whatever_failed=True)
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        tracked.end(status, whatever_failed=True)
        info, tags = run.info, {OWNER: owner.this_process()}
        twins = DeleteDuplicateRuns(info.run_id, info.experiment_id, tags, info.start_time)
        tracked.outbox.put(twins, whatever_failed=True)
        unsent = tracked.outbox.close(patience)
        # MLflow ends it, too, in its own books, and says where it is to be seen.
        os.environ.pop(QUIET, None)
        with suppress(MlflowException):
            mlflow.end_run("RUNNING" if unsent else status)
        if unsent and status != "FINISHED":
            print(unsent, file=sys.stderr)
    if unsent:
        raise NotSyncedError(unsent)


def start(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    """Starts the run that MLFLOW_RUN_ID names, or else a new one."""
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Names that MLflow makes up look like `painted-crow-311`; a name that a user gave to `mlflow run` stays.
        if opened_by_mlflow and re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run

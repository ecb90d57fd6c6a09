"""A run on the tracking server that this process logs to, from its start to its end."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lrstudy.compat.mlflow_internals import restore_run_link
from lrstudy.errors import LearningRateStudyError, NotSyncedError, TrackingError
from lrstudy.redaction import redact_credentials
from lrstudy.server_names import DESCRIPTION, LOG10_LOSSES, OWNER
from lrstudy.tracking import epoch_times, owner
from lrstudy.tracking.artifact_store import check_artifact_store
from lrstudy.tracking.calls import DeleteDuplicateRuns, Log, LogFiles, RemoveCheckpoint, SetStatus
from lrstudy.tracking.claims import NEW_RUN, RunState
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.outbox import Outbox
from lrstudy.tracking.run_names import is_made_up
from lrstudy.tracking.server import connect, server_address, tracking_errors, truncate_tag
from lrstudy.training.epoch import Epoch

# At its end, a training waits this long for a server that does not answer.
MAX_OFFLINE_SECONDS = 10.0


@dataclass(frozen=True)
class TrackedRun:
    """A run that this process logs to through `outbox`; `client` is for queries.

    `existing` is its state on the server when this process opened it.
    """

    client: MlflowClient
    run_id: str
    outbox: Outbox
    existing: RunState = NEW_RUN

    def log_epochs(self, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
        """Yield `epochs`, and log those that the server lacks."""
        for epoch in epochs:
            # A resumed training repeats some epochs, with the same bits.
            if epoch.epoch > self.existing.last_epoch:
                self.log_epoch(epoch)
            yield epoch

    def log_epoch(self, epoch: Epoch) -> None:
        """Log the metrics of an epoch at the step of its number, without waiting for the server."""
        time = self.existing.times.get(epoch.epoch) or epoch_times.record(self.run_id, epoch.epoch)
        self._log_points(epoch.metrics | log10_losses(epoch.metrics), time, epoch.epoch)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log `metrics` at `step`."""
        self._log_points(metrics, epoch_times.now_ms(), step)

    def _log_points(self, metrics: Mapping[str, float], time: int, step: int) -> None:
        self.outbox.enqueue(Log(self.run_id, points=[(name, value, time, step) for name, value in metrics.items()]))

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log parameters."""
        self.outbox.enqueue(Log(self.run_id, params))

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Log tags."""
        self.outbox.enqueue(Log(self.run_id, tags=tags))

    def log_files(self, files: Mapping[str, bytes]) -> None:
        """Log `files`, by their paths, as artifacts.

        Raises:
            TrackingError: they cannot be written to the folder of temporary files.
        """
        try:
            folder = self.outbox.new_folder()
            for path, content in files.items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        except OSError as error:
            raise TrackingError(
                f"artifacts cannot be written to {tempfile.gettempdir()}: {failure_reason(error)}."
            ) from error
        self.outbox.enqueue(LogFiles(self.run_id, str(folder)))

    def end(self, status: str, *, despite_rejections: bool = False) -> None:
        """End the run now; once the server knows that it has finished, its checkpoint is removed."""
        self.outbox.enqueue(SetStatus(self.run_id, status, epoch_times.now_ms()), despite_rejections=despite_rejections)
        if status == "FINISHED":
            self.outbox.enqueue(RemoveCheckpoint(self.run_id), despite_rejections=despite_rejections)


def log10_losses(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the decimal logarithms of the losses among the metrics of an epoch, by their names on the server.

    A loss that has none is left out: the server would store an infinity as a number that stretches the chart's axis.
    """
    losses = {name: metrics.get(metric, math.nan) for metric, name in LOG10_LOSSES.items()}
    return {name: math.log10(loss) for name, loss in losses.items() if 0 < loss < math.inf}


@contextmanager
def track_new_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """Start the run that `mlflow run` opened for this process, or else a new one; end it as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or rejects a call, or its artifact store cannot be used.
        NotSyncedError: the block succeeded, but the server is unavailable at the end.
    """
    connect()
    with tracking_errors():
        check_artifact_store(MlflowClient())
        run = start_run(name, tags)
    with track_run(run, NEW_RUN) as tracked:
        yield tracked


@contextmanager
def track_run(run: Run, existing: RunState) -> Iterator[TrackedRun]:
    """Log to a run that was started, and end it as the block ends.

    Raises:
        TrackingError: the server rejects a call.
        NotSyncedError: the block succeeded, but the server is unavailable at the end.
    """
    client = MlflowClient(server_address())
    tracked = TrackedRun(client, run.info.run_id, Outbox(client, server_address()), existing)
    tracked.outbox.start()
    status, max_silence = "FAILED", 0.0
    try:
        with tracking_errors():
            yield tracked
            max_silence = MAX_OFFLINE_SECONDS if tracked.outbox.flush(MAX_OFFLINE_SECONDS) else 0.0
        status = "FINISHED"
    except LearningRateStudyError as error:
        description = Log(tracked.run_id, {}, {DESCRIPTION: truncate_tag(redact_credentials(str(error)))})
        tracked.outbox.enqueue(description, despite_rejections=True)
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        unsent = _end_run(tracked, run, status, max_silence)
    if unsent:
        raise NotSyncedError(unsent)


def _end_run(tracked: TrackedRun, run: Run, status: str, max_silence: float) -> str | None:
    """End a run on the server and in MLflow; return a sentence on unsent calls, which is printed on failure."""
    tracked.end(status, despite_rejections=True)
    info, tags = run.info, {OWNER: owner.this_process()}
    duplicates = DeleteDuplicateRuns(info.run_id, info.experiment_id, tags, info.start_time)
    tracked.outbox.enqueue(duplicates, despite_rejections=True)
    unsent = tracked.outbox.close(max_silence)
    restore_run_link()
    with suppress(MlflowException):
        mlflow.end_run(tracked.outbox.final_status(tracked.run_id, status))
    if unsent and status != "FINISHED":
        print(unsent, file=sys.stderr)
    return unsent


def start_run(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    """Start the run that MLFLOW_RUN_ID names, or else a new one."""
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Replace a name that MLflow made up, such as `painted-crow-311`, but not one that the user chose.
        if opened_by_mlflow and is_made_up(run):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run

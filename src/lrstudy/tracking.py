"""What a training tells the tracking server, from the opening of its run to its end; all but that goes by an `Outbox`.

The server, the experiment and the run's source are MLflow's own defaults, or what its environment variables say. Under
`mlflow run` MLflow has opened the run and logged the parameters, as typed; then only what is missing is logged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import LoggedModelStatus, Run
from mlflow.exceptions import MlflowException
from mlflow.types import Schema, TensorSpec

from lrstudy import owner
from lrstudy.calls import (
    CreateModel,
    Describe,
    EndModel,
    LogFiles,
    LogInputs,
    LogMetrics,
    LogModel,
    SetStatus,
    local_name,
)
from lrstudy.data.records import BadImage
from lrstudy.delivery import QUIET, RETRIES, TIMEOUT, TIMEOUT_SECONDS, why
from lrstudy.description import DataFacts, Description
from lrstudy.epoch import Epoch
from lrstudy.errors import LearningRateStudyError, NotSentError, TrackingError
from lrstudy.outbox import Outbox
from lrstudy.result import Result
from lrstudy.sending import send_to
from lrstudy.tracking_database import prepared

DESCRIPTION = "mlflow.note.content"
VERDICT = "lrstudy.verdict"
OWNER = "lrstudy.process"
BAD_IMAGES = "bad_images.json"
# MLflow's tag that says which artifacts are tables.
TABLES = "mlflow.loggedArtifacts"
# Retries of a call while nothing has begun. By MLflow's default a dead server is noticed after four minutes.
FEW = "3"
# How long the end of a training waits for a server that does not answer.
SECONDS_FOR_A_SERVER = 10.0
LONGEST_TAG = 5000
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class TrackedRun:
    """A run that is being written to, by way of `outbox`; `client` is for questions."""

    client: MlflowClient
    run_id: str
    outbox: Outbox

    def log_epochs(self, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
        """Passes `epochs` on and logs each at the step that is its number, without waiting for the server."""
        for epoch in epochs:
            self.log_epoch(epoch)
            yield epoch

    def log_epoch(self, epoch: Epoch) -> None:
        """Logs the epoch's losses and accuracies at the step that is its number, without waiting for the server."""
        self.log_metrics({name: getattr(epoch, name) for name in CURVES}, epoch.epoch)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs the values that `metrics` have at `step`."""
        now = _now()
        self.outbox.put(LogMetrics(self.run_id, [(name, value, now, step) for name, value in metrics.items()]))

    def describe(self, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Logs parameters and tags."""
        self.outbox.put(Describe(self.run_id, params, tags))

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
            raise TrackingError(f"artifacts cannot be written in {where} on their way: {why(error)}.") from error
        self.outbox.put(LogFiles(self.run_id, str(folder)))

    def end(self, status: str, *, whatever_failed: bool = False) -> None:
        """Ends the run, as of now."""
        self.outbox.put(SetStatus(self.run_id, status, _now()), whatever_failed=whatever_failed)


def _now() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def open_run(description: Description) -> Iterator[TrackedRun]:
    """A run for a training, opened with all that is known before it begins; it ends as the `with` block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    with started_run(description.name, description.tags) as run:
        log_beginning(run, description, run.client.get_run(run.run_id).data.params)
        yield run


@contextmanager
def started_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """The run that `mlflow run` opened for this process, or else a new one, with `tags`; it ends as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
        NotSentError: all went well, but the server is away at the end.
    """
    connect()
    send_to(server())
    run = _start(name, tags)
    client = MlflowClient()
    tracked = TrackedRun(client, run.info.run_id, Outbox(client, server()))
    tracked.outbox.start()
    status, patience = "FAILED", 0.0
    try:
        with _tracking_errors():
            yield tracked
            patience = SECONDS_FOR_A_SERVER if tracked.outbox.settle(SECONDS_FOR_A_SERVER) else 0.0
        status = "FINISHED"
    except LearningRateStudyError as error:
        note = Describe(tracked.run_id, {}, {DESCRIPTION: shortened(str(error))})
        tracked.outbox.put(note, whatever_failed=True)
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        tracked.end(status, whatever_failed=True)
        unsent = tracked.outbox.close(patience)
        # MLflow ends it, too, in its own books, and says where it is to be seen.
        os.environ.pop(QUIET, None)
        with suppress(MlflowException):
            mlflow.end_run("RUNNING" if unsent else status)
        if unsent and status != "FINISHED":
            print(unsent, file=sys.stderr)
    if unsent:
        raise NotSentError(unsent)


def log_result(
    run: TrackedRun,
    result: Result,
    files: Mapping[str, bytes],
    bad_images: Sequence[BadImage],
    there: Mapping[str, float] | None = None,
) -> None:
    """Logs the end of a training: its verdict, its final metrics but those that are `there` already, and its files.

    Args:
        run: of the training.
        result: what it came to.
        files: by their paths.
        bad_images: what was left out of the data.
        there: metrics that the server has.
    """
    log_final(run, result.metrics, there or {})
    tags = {VERDICT: result.verdict.word, DESCRIPTION: describe(result)}
    if bad_images:
        files = {**files, BAD_IMAGES: _table(bad_images)}
        tags[TABLES] = json.dumps([{"path": BAD_IMAGES, "type": "table"}])
    run.describe({}, tags)
    run.log_files(files)


def _table(bad_images: Sequence[BadImage]) -> bytes:
    """A table as MLflow's `log_table` writes it, which would add to one that is there."""
    rows = [[bad.path, bad.reason] for bad in bad_images]
    return json.dumps({"columns": ["path", "reason"], "data": rows}).encode()


def log_final(run: TrackedRun, metrics: Mapping[str, float], there: Mapping[str, float]) -> None:
    """Logs metrics that a run has once, but those that are `there` with the same value."""
    # At step 0: MLflow's UI then draws them as bars, and not as curves of a single point.
    lacking = {name: value for name, value in metrics.items() if there.get(name) != value}
    # A training that was done twice has taken two times, of which the first is kept.
    times = {name for name in lacking if name.startswith("time/") and name in there}
    run.log_metrics({name: value for name, value in lacking.items() if name not in times}, 0)


@contextmanager
def logged_model(run: TrackedRun) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Where to save an MLflow model, then logged to a run as `model`, and what its `Model` is to say of itself.

    The run may have ended.
    """
    of_model = CreateModel(run.run_id, local_name(), local_name())
    model, location = run.outbox.now(of_model, of_model.model, of_model.location)
    identity = {"artifact_path": location, "run_id": run.run_id, "model_uuid": model, "model_id": model}
    folder = run.outbox.folder()
    try:
        yield folder / "model", identity
        run.outbox.put(LogModel(model, str(folder / "model")))
    except BaseException:
        run.outbox.put(EndModel(model, "FAILED"), whatever_failed=True)
        raise
    run.outbox.put(EndModel(model, "READY"))


def has_model(client: MlflowClient, run: Run) -> bool:
    """Whether a run has a model that is whole."""
    query = f"source_run_id = '{run.info.run_id}'"
    models = client.search_logged_models([run.info.experiment_id], query)
    return any(model.status == LoggedModelStatus.READY for model in models)


def mark_failed(run_id: str, sentence: str) -> None:
    """Ends a run that came to nothing, with `sentence` as its description. Says nothing where it cannot be reached."""
    os.environ.setdefault(RETRIES, FEW)
    try:
        client = MlflowClient()
        client.set_tag(run_id, DESCRIPTION, shortened(sentence))
        client.set_terminated(run_id, "FAILED")
    except MlflowException:
        return


def describe(result: Result) -> str:
    """The run's description, in Markdown: the verdict, the reason, and the scores with the epoch they are of."""
    return (
        f"**{result.verdict.word}**: {result.verdict.reason}.\n\n"
        f"Best validation loss {result.best.val_loss:.4g} at epoch {result.best.epoch}, with an accuracy of "
        f"{result.best.val_accuracy:.1%}; on the held-out test part {result.test_accuracy:.1%}."
    )


def shortened(text: str) -> str:
    """`text` as long as MLflow takes a tag."""
    return text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"


def connect() -> None:
    """Makes sure that the tracking server answers, and that a tracking database is there and of MLflow's version.

    Raises:
        TrackingError: it cannot be reached, or cannot be used.
    """
    os.environ.setdefault(RETRIES, FEW)
    os.environ.setdefault(TIMEOUT, str(TIMEOUT_SECONDS))
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with _tracking_errors(), prepared(mlflow.get_tracking_uri()):
        MlflowClient().search_experiments(max_results=1)


def server() -> str:
    """The address of the tracking server, which means the same in every folder."""
    uri: str = mlflow.get_tracking_uri()
    database = uri.removeprefix("sqlite:///")
    return uri if database == uri else f"sqlite:///{Path(database).absolute()}"


def _start(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with _tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Names that MLflow makes up look like `painted-crow-311`; a name that a user gave to `mlflow run` stays.
        if opened_by_mlflow and re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run


def log_beginning(run: TrackedRun, description: Description, there: Container[str] = ()) -> None:
    """Logs the parameters of a training, but those that are `there` already, and its data."""
    run.describe({name: value for name, value in description.params.items() if name not in there}, {})
    data = description.facts.data
    run.outbox.put(LogInputs(run.run_id, [(_dataset(data, part), part) for part in data.parts]))


def _dataset(data: DataFacts, part: str) -> dict[str, str]:
    digest = hashlib.sha256(f"{data.digest} {part}".encode()).hexdigest()[:32]
    schema = Schema([TensorSpec(np.dtype(np.uint8), (data.parts[part], *data.image))])
    described = _Dataset(CodeDatasetSource({"source": data.source}), f"{data.name} {part}", digest, schema)
    return dict(described.to_dict())


class _Dataset(MetaDataset):
    """MLflow's description of a data set without its content; it declares `profile` and forgets to define it."""

    profile = None


@contextmanager
def _tracking_errors() -> Iterator[None]:
    """Turns what MLflow raises into one sentence that names the server."""
    try:
        yield
    except MlflowException as error:
        reason = str(error).strip().splitlines()[0]
        raise TrackingError(f"the tracking server {mlflow.get_tracking_uri()} cannot be used: {reason}") from error

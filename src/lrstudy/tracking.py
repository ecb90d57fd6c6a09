"""The only module that writes to the tracking server: a training's run, from its opening to its end.

The server, the experiment and the run's source are MLflow's own defaults, or what its environment variables say. Under
`mlflow run` MLflow has opened the run and logged the parameters, as typed; then only what is missing is logged.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
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
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.types import Schema, TensorSpec

from lrstudy import owner
from lrstudy.data.records import BadImage
from lrstudy.description import DataFacts, Description
from lrstudy.epoch import Epoch
from lrstudy.errors import LearningRateStudyError, TrackingError
from lrstudy.metric_writer import MetricWriter
from lrstudy.result import Result
from lrstudy.tracking_database import prepared
from lrstudy.turns import turn

DESCRIPTION = "mlflow.note.content"
VERDICT = "lrstudy.verdict"
OWNER = "lrstudy.process"
BAD_IMAGES = "bad_images.json"
# Of a call to the server. By MLflow's default a dead one is noticed after four minutes.
RETRIES = "3"
LONGEST_TAG = 5000
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class TrackedRun:
    """A run on the server that is being written to."""

    client: MlflowClient
    run_id: str
    writer: MetricWriter

    def log_epochs(self, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
        """Passes `epochs` on and logs each at the step that is its number, without waiting for the server."""
        for epoch in epochs:
            self.log_epoch(epoch)
            yield epoch

    def log_epoch(self, epoch: Epoch) -> None:
        """Logs the epoch's losses and accuracies at the step that is its number, without waiting for the server."""
        self.writer.add(self.run_id, {name: getattr(epoch, name) for name in CURVES}, epoch.epoch)


@contextmanager
def open_run(description: Description) -> Iterator[TrackedRun]:
    """A run for a training, opened with all that is known before it begins; it ends as the `with` block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    with started_run(description.name, description.tags) as run:
        log_beginning(run.client, run.run_id, description, run.client.get_run(run.run_id).data.params)
        yield run


@contextmanager
def started_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """The run that `mlflow run` opened for this process, or else a new one, with `tags`; it ends as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    connect()
    run = _start(name, tags)
    client, run_id = MlflowClient(), run.info.run_id
    status = "FAILED"
    try:
        with _tracking_errors(), MetricWriter(client) as writer:
            yield TrackedRun(client, run_id, writer)
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


def log_result(
    run: TrackedRun,
    result: Result,
    files: Mapping[str, bytes],
    bad_images: Sequence[BadImage],
    there: Mapping[str, float] | None = None,
    remarks: Sequence[str] = (),
) -> None:
    """Logs the end of a training: its verdict, its final metrics but those that are `there` already, and its files.

    Args:
        run: of the training.
        result: what it came to.
        files: by their paths.
        bad_images: what was left out of the data.
        there: metrics that the server has.
        remarks: sentences for the run's description.
    """
    log_final(run, result.metrics, there or {})
    tags = {VERDICT: result.verdict.word, DESCRIPTION: "\n\n".join([describe(result), *remarks])}
    run.client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    log_files(run.client, run.run_id, files)
    # MLflow adds to a table that is there.
    if bad_images and all(file.path != BAD_IMAGES for file in run.client.list_artifacts(run.run_id)):
        table = {"path": [bad.path for bad in bad_images], "reason": [bad.reason for bad in bad_images]}
        run.client.log_table(run.run_id, table, BAD_IMAGES)


def log_final(run: TrackedRun, metrics: Mapping[str, float], there: Mapping[str, float]) -> None:
    """Logs metrics that a run has once, but those that are `there` with the same value."""
    # At step 0: MLflow's UI then draws them as bars, and not as curves of a single point.
    lacking = {name: value for name, value in metrics.items() if there.get(name) != value}
    # A training that was done twice has taken two times, of which the first is kept.
    times = {name for name in lacking if name.startswith("time/") and name in there}
    run.writer.add(run.run_id, {name: value for name, value in lacking.items() if name not in times}, 0)


def log_files(client: MlflowClient, run_id: str, files: Mapping[str, bytes]) -> None:
    """Logs `files` as artifacts, by their paths."""
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        client.log_artifacts(run_id, folder)


@contextmanager
def logged_model(client: MlflowClient, run_id: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Where to save an MLflow model, then logged to a run as `model`, and what its `Model` is to say of itself.

    The run may have ended.
    """
    run = client.get_run(run_id)
    model = client.create_logged_model(run.info.experiment_id, "model", run_id, params=run.data.params)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    identity = {
        "artifact_path": model.artifact_location,
        "run_id": run_id,
        "model_uuid": model.model_id,
        "model_id": model.model_id,
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, "model"), identity
            client.log_model_artifacts(model.model_id, str(Path(folder, "model")))
    except BaseException:
        client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        raise
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def has_model(client: MlflowClient, run: Run) -> bool:
    """Whether a run has a model that is whole."""
    query = f"source_run_id = '{run.info.run_id}'"
    models = client.search_logged_models([run.info.experiment_id], query)
    return any(model.status == LoggedModelStatus.READY for model in models)


def mark_failed(run_id: str, sentence: str) -> None:
    """Ends a run that came to nothing, with `sentence` as its description. Says nothing where it cannot be reached."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
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
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with _tracking_errors(), prepared(mlflow.get_tracking_uri()):
        MlflowClient().search_experiments(max_results=1)


def _start(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with _tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Names that MLflow makes up look like `painted-crow-311`; a name that a user gave to `mlflow run` stays.
        if opened_by_mlflow and re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run


def log_beginning(client: MlflowClient, run_id: str, description: Description, there: Container[str] = ()) -> None:
    """Logs the parameters of a training, but those that are `there` already, and its data."""
    params = [Param(name, value) for name, value in description.params.items() if name not in there]
    client.log_batch(run_id, params=params)
    inputs = [_dataset(description.facts.data, part) for part in description.facts.data.parts]
    # For this call MLflow's server takes two connections to its database, one after the other. Fifteen calls at once
    # have all that it allows, and wait for the second until it gives up.
    with turn("inputs"):
        client.log_inputs(run_id, inputs)


def _dataset(data: DataFacts, part: str) -> DatasetInput:
    digest = hashlib.sha256(f"{data.digest} {part}".encode()).hexdigest()[:32]
    schema = Schema([TensorSpec(np.dtype(np.uint8), (data.parts[part], *data.image))])
    described = _Dataset(CodeDatasetSource({"source": data.source}), f"{data.name} {part}", digest, schema).to_dict()
    return DatasetInput(Dataset(**described), [InputTag("mlflow.data.context", part)])


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

"""The only module that writes to the tracking server: a training's run, from its opening to its end.

The server, the experiment and the run's source are MLflow's own defaults, or what its environment variables say. Under
`mlflow run` MLflow has opened the run and logged the parameters, as typed; then only what is missing is logged.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.types import Schema, TensorSpec

from lrstudy import earlier_start, owner
from lrstudy.claims import NOTHING, OWNER, There, claims, mark_abandoned, what_is_left
from lrstudy.data.records import BadImage
from lrstudy.description import DESCRIPTION, KIND, DataFacts, Description
from lrstudy.epoch import CURVES, Epoch
from lrstudy.errors import LearningRateStudyError, TrackingError
from lrstudy.metric_writer import MetricWriter
from lrstudy.result import Result
from lrstudy.stored import is_stored
from lrstudy.tracking_database import prepared

VERDICT = "lrstudy.verdict"
REPRODUCTION = "reproduce"
BAD_IMAGES = "bad_images.json"
# Of a call to the server. By MLflow's default a dead one is noticed after four minutes.
RETRIES = "3"
LONGEST_TAG = 5000


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


def sign_opened_run() -> None:
    """Writes into the run that `mlflow run` opened for this process that it is this process's.

    So it is told from one that lives if this process is killed before its training begins.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    if "MLFLOW_RUN_ID" in os.environ:
        connect()
        client = MlflowClient()
        with tracking_errors():
            if opened := earlier_start.opened_run(client):
                earlier_start.sign(client, opened)


@contextmanager
def open_run(description: Description) -> Iterator[TrackedRun]:
    """A training's run, with all that is known before it begins; it ends as the `with` block ends.

    It is that of an earlier start which came to no end, if there is one; or the one that `mlflow run` opened for this
    process; or else a new one.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    connect()
    client = MlflowClient()
    with tracking_errors(), claims():
        run_id, there = _begin(client, description)
    with _written_to(run_id, there) as tracked:
        log_beginning(tracked, description)
        yield tracked


def _begin(client: MlflowClient, description: Description) -> tuple[str, There]:
    """Starts the run of a training, and gives its id with what it has; tidies up after earlier starts."""
    opened = earlier_start.opened_run(client)
    left = earlier_start.find(description, opened)
    there = what_is_left(client, left) if left else NOTHING
    name, tags = description.name, description.tags
    if opened:
        there = replace(there, params=frozenset(opened.data.params))
        earlier_start.discard_unused(client, description.settings, opened)
        if left and left.info.run_id != opened.info.run_id:
            there = replace(there, metrics={})
            tags |= earlier_start.take_over(client, left, opened)
            name = left.info.run_name or name
    elif left:
        os.environ["MLFLOW_RUN_ID"] = left.info.run_id  # where MLflow itself goes on
    run = _start(name, tags)
    earlier_start.discard_continued(client, run.info.run_id)
    mark_abandoned(client, run.info.experiment_id, description.facts.data.digest)
    return run.info.run_id, there


@contextmanager
def started_run(name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """The run that `mlflow run` opened for this process, or else a new one, with `tags`; it ends as the block ends.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    connect()
    with tracking_errors():
        run = _start(name, tags)
    with _written_to(run.info.run_id, NOTHING) as tracked:
        yield tracked


@contextmanager
def _written_to(run_id: str, there: There) -> Iterator[TrackedRun]:
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


def log_result(run: TrackedRun, result: Result, files: Mapping[str, bytes], bad_images: Sequence[BadImage]) -> None:
    """Logs the end of a training: its verdict, its final metrics, and its files.

    Args:
        run: of the training.
        result: what it came to.
        files: by their paths.
        bad_images: what was left out of the data.
    """
    log_final(run, result.metrics)
    tags = {VERDICT: result.verdict.word, DESCRIPTION: describe(result)}
    run.client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    log_files(run.client, run.run_id, files)
    # MLflow adds to a table that is there.
    if bad_images and all(file.path != BAD_IMAGES for file in run.client.list_artifacts(run.run_id)):
        table = {"path": [bad.path for bad in bad_images], "reason": [bad.reason for bad in bad_images]}
        run.client.log_table(run.run_id, table, BAD_IMAGES)


def log_final(run: TrackedRun, metrics: Mapping[str, float]) -> None:
    """Logs metrics that a run has once, but those that are there with the same value."""
    there = run.there.metrics
    # At step 0: MLflow's UI then draws them as bars, and not as curves of a single point.
    lacking = {name: value for name, value in metrics.items() if not is_stored(value, there.get(name))}
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


def mark_failed(run_id: str, sentence: str) -> None:
    """Ends a run that came to nothing, with `sentence` as its description. Says nothing where it cannot be reached."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    try:
        client = MlflowClient()
        client.set_tag(run_id, DESCRIPTION, shortened(sentence))
        client.set_terminated(run_id, "FAILED")
    except MlflowException:
        return


@contextmanager
def reader() -> Iterator[MlflowClient]:
    """A client of the server, to read what is there.

    Raises:
        TrackingError: the server cannot be reached.
    """
    connect()
    with tracking_errors():
        yield MlflowClient()


def log_reproduction(of: str, name: str, outcome: str | None = None) -> None:
    """Writes into the run that `mlflow run` opened for this process, if it did, what it repeats and what came of it.

    Raises:
        TrackingError: the server cannot be reached, or refuses what is written.
    """
    if not (run_id := os.environ.get("MLFLOW_RUN_ID")):
        return
    tags = {KIND: REPRODUCTION, "lrstudy.reproduces": of}
    if outcome is not None:
        tags |= {"lrstudy.reproduction": outcome.partition(":")[0].split()[0], DESCRIPTION: shortened(outcome)}
    with tracking_errors():
        client = MlflowClient()
        client.update_run(run_id, name=f"reproduce {name}")
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


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
    with tracking_errors(), prepared(mlflow.get_tracking_uri()):
        MlflowClient().search_experiments(max_results=1)


def _start(name: str, tags: Mapping[str, str]) -> mlflow.ActiveRun:
    opened_by_mlflow = "MLFLOW_RUN_ID" in os.environ
    with tracking_errors():
        run = mlflow.start_run(run_name=None if opened_by_mlflow else name, tags={**tags, OWNER: owner.this_process()})
        # Names that MLflow makes up look like `painted-crow-311`; a name that a user gave to `mlflow run` stays.
        if opened_by_mlflow and re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
            MlflowClient().update_run(run.info.run_id, name=name)
    return run


def log_beginning(run: TrackedRun, description: Description) -> None:
    """Logs the parameters of a training, but those that are there, and its data."""
    params = [Param(name, value) for name, value in description.params.items() if name not in run.there.params]
    run.client.log_batch(run.run_id, params=params)
    run.client.log_inputs(run.run_id, [_dataset(description.facts.data, part) for part in description.facts.data.parts])


def _dataset(data: DataFacts, part: str) -> DatasetInput:
    digest = hashlib.sha256(f"{data.digest} {part}".encode()).hexdigest()[:32]
    schema = Schema([TensorSpec(np.dtype(np.uint8), (data.parts[part], *data.image))])
    described = _Dataset(CodeDatasetSource({"source": data.source}), f"{data.name} {part}", digest, schema).to_dict()
    return DatasetInput(Dataset(**described), [InputTag("mlflow.data.context", part)])


class _Dataset(MetaDataset):
    """MLflow's description of a data set without its content; it declares `profile` and forgets to define it."""

    profile = None


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Turns what MLflow raises into one sentence that names the server."""
    try:
        yield
    except MlflowException as error:
        reason = str(error).strip().splitlines()[0]
        raise TrackingError(f"the tracking server {mlflow.get_tracking_uri()} cannot be used: {reason}") from error

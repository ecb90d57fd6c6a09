"""A run's MLflow model on the tracking server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, Run

from lrstudy.server_names import BEST_VAL_ACCURACY, BEST_VAL_LOSS, TEST, TEST_ACCURACY
from lrstudy.tracking.calls import CreateModel, EndModel, LinkMetrics, LogModel, local_id
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.tracking.training_run import dataset
from lrstudy.training.specification import DataSummary, TrialSpecification

MODEL_FILE = "MLmodel"
NOT_IN_DIGEST = (MODEL_FILE, "registered_model_meta")
# The scores of a model, by the split that they are on.
SCORES = {"validation": (BEST_VAL_LOSS, BEST_VAL_ACCURACY), "test": (f"{TEST}loss", TEST_ACCURACY)}


@contextmanager
def logged_model(run: TrackedRun, training: TrialSpecification) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder to save an MLflow model to and the identity for its `Model`; then log it to the run.

    The run may have ended; its scores are linked to the model and to the splits of its data. A model that a killed
    process began for the run is completed.
    """
    model, location = run.outbox.create_model(CreateModel(run.run_id, local_id(), local_id(), training.model_name))
    identity = {"artifact_path": location, "run_id": run.run_id, "model_uuid": model, "model_id": model}
    folder = run.outbox.new_folder()
    try:
        yield folder / "model", identity
        run.outbox.enqueue(LogModel(model, str(folder / "model"), run.run_id))
        run.outbox.enqueue(LinkMetrics(model, _scores(training.context.data), run.run_id))
    except BaseException:
        run.outbox.enqueue(EndModel(model, "FAILED", run.run_id), despite_rejections=True)
        raise
    run.outbox.enqueue(EndModel(model, "READY", run.run_id))


def _scores(data: DataSummary) -> list[tuple[str, str, Sequence[str]]]:
    """Return the splits that a network is scored on, each with the names of its scores."""
    described = {split: dataset(data, split) for split in SCORES}
    return [(described[split]["name"], described[split]["digest"], names) for split, names in SCORES.items()]


def has_model(client: MlflowClient, run: Run) -> bool:
    """Return True if a run has a complete model."""
    return model_id(client, run) is not None


def model_id(client: MlflowClient, run: Run) -> str | None:
    """Return the id of a run's complete model; None if it has none."""
    query = f"source_run_id = '{run.info.run_id}'"
    models = client.search_logged_models([run.info.experiment_id], query)
    return next((str(model.model_id) for model in models if model.status == LoggedModelStatus.READY), None)


def model_digest(folder: Path) -> str:
    """Return a digest of the files of a saved model, 64 hex digits.

    Left out are `MLmodel`, since the ids in it may be replaced by the server's later, and what MLflow and Python add.
    """
    digest = hashlib.sha256()
    for file in sorted(filter(Path.is_file, folder.rglob("*"))):
        path = file.relative_to(folder)
        if path.as_posix() not in NOT_IN_DIGEST and "__pycache__" not in path.parts:
            content = file.read_bytes()
            digest.update(f"{path.as_posix()} {len(content)}\0".encode() + content)
    return digest.hexdigest()

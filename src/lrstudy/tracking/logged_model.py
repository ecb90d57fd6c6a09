"""A run's MLflow model on the tracking server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, Run

from lrstudy.tracking.calls import CreateModel, EndModel, LogModel, local_id
from lrstudy.tracking.tracked_run import TrackedRun


@contextmanager
def logged_model(run: TrackedRun, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder to save an MLflow model to and the identity for its `Model`; then log it to the run as `name`.

    The run may have ended. A model that a killed process began for the run is completed.
    """
    model, location = run.outbox.create_model(CreateModel(run.run_id, local_id(), local_id(), name))
    identity = {"artifact_path": location, "run_id": run.run_id, "model_uuid": model, "model_id": model}
    folder = run.outbox.new_folder()
    try:
        yield folder / "model", identity
        run.outbox.enqueue(LogModel(model, str(folder / "model"), run.run_id))
    except BaseException:
        run.outbox.enqueue(EndModel(model, "FAILED", run.run_id), despite_rejections=True)
        raise
    run.outbox.enqueue(EndModel(model, "READY", run.run_id))


def has_model(client: MlflowClient, run: Run) -> bool:
    """Return True if a run has a complete model."""
    return model_id(client, run) is not None


def model_id(client: MlflowClient, run: Run) -> str | None:
    """Return the id of a run's complete model; None if it has none."""
    query = f"source_run_id = '{run.info.run_id}'"
    models = client.search_logged_models([run.info.experiment_id], query)
    return next((str(model.model_id) for model in models if model.status == LoggedModelStatus.READY), None)

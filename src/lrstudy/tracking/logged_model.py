"""A run's MLflow model on the tracking server, from its opening to its end."""

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
def logged_model(run: TrackedRun) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Where to save an MLflow model, then logged to a run as `model`, and what its `Model` is to say of itself.

    The run may have ended. A model of it that a process began and was killed over is made whole.
    """
    of_model = CreateModel(run.run_id, local_id(), local_id())
    model, location = run.outbox.create_model(of_model, of_model.model, of_model.location)
    identity = {"artifact_path": location, "run_id": run.run_id, "model_uuid": model, "model_id": model}
    folder = run.outbox.new_folder()
    try:
        yield folder / "model", identity
        run.outbox.enqueue(LogModel(model, str(folder / "model")))
    except BaseException:
        run.outbox.enqueue(EndModel(model, "FAILED"), despite_refusals=True)
        raise
    run.outbox.enqueue(EndModel(model, "READY"))


def has_model(client: MlflowClient, run: Run) -> bool:
    """Whether a run has a model that is whole."""
    query = f"source_run_id = '{run.info.run_id}'"
    models = client.search_logged_models([run.info.experiment_id], query)
    return any(model.status == LoggedModelStatus.READY for model in models)

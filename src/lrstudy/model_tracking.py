"""A run's MLflow model on the tracking server, from its opening to its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run


@contextmanager
def logged_model(client: MlflowClient, run_id: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Where to save an MLflow model, then logged to a run as `model`, and what its `Model` is to say of itself.

    The run may have ended. A model of it that a process began and was killed over is made whole.
    """
    model = _begun(client, client.get_run(run_id))
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
    return any(model.status == LoggedModelStatus.READY for model in _models(client, run))


def _begun(client: MlflowClient, run: Run) -> LoggedModel:
    pending = [model for model in _models(client, run) if model.status == LoggedModelStatus.PENDING]
    if pending:
        model = pending[0]
    else:
        model = client.create_logged_model(run.info.experiment_id, "model", run.info.run_id, params=run.data.params)
    outputs = run.outputs.model_outputs if run.outputs else []
    if all(output.model_id != model.model_id for output in outputs):
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def _models(client: MlflowClient, run: Run) -> list[LoggedModel]:
    return list(client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"))

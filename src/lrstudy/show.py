"""Has the pictures and the MLflow models of a study's trials made, and logs them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy import tasks
from lrstudy.done import Done
from lrstudy.office import Office
from lrstudy.result import HISTORY, PICTURES, WEIGHTS
from lrstudy.settings import TrainSettings
from lrstudy.study_tracking import StudyRun
from lrstudy.tracking import has_model, log_files, log_model


def show(study: StudyRun, trials: Sequence[Done], office: Office, executor: Executor) -> None:
    """Logs the pictures and the model of each of `trials`, unless they are there.

    Args:
        study: that they are trials of.
        trials: which to show.
        office: a worker that has got ready to save models.
        executor: of the workers that draw.
    """
    client = study.run.client
    for trial in trials:
        run = client.get_run(trial.run_id)
        drawn, saved = bool(client.list_artifacts(trial.run_id, "figures")), has_model(client, run)
        if drawn and saved:
            continue
        weights, history = (_artifact(client, run, name) for name in (WEIGHTS, HISTORY))
        settings = trial.description.settings
        of_picture = settings, weights, history, run.data.metrics
        drawing = [] if drawn else [executor.submit(tasks.picture, name, *of_picture) for name in PICTURES]
        if not saved:
            log_model(client, trial.run_id, partial(_save, office, settings, weights))
        if drawing:
            files = [one.result() for one in drawing]
            log_files(client, trial.run_id, {path: file for some in files for path, file in some.items()})


def _save(office: Office, settings: TrainSettings, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    office.submit(tasks.save_model, settings, weights, path, identity).result()


def _artifact(client: MlflowClient, run: Run, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run.info.run_id, name, folder)).read_bytes()

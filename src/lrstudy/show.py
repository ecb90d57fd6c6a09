"""Has the pictures and the MLflow models of a study's trials made, and logs them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy import history, tasks
from lrstudy.done import Done
from lrstudy.office import Office
from lrstudy.result import HISTORY, WEIGHTS
from lrstudy.sight import Sight
from lrstudy.tracking import has_model, log_files, logged_model


def show(client: MlflowClient, trials: Sequence[Done], office: Office, executor: Executor) -> None:
    """Logs the pictures and the model of each of `trials`, unless they are there.

    Args:
        client: of the server.
        trials: which to show.
        office: a worker that has got ready to save models.
        executor: of the workers that have trained.
    """
    for trial in trials:
        run, settings = client.get_run(trial.run_id), trial.description.settings
        drawn, saved = bool(client.list_artifacts(trial.run_id, "figures")), has_model(client, run)
        if drawn and saved:
            continue
        weights = _artifact(client, run, WEIGHTS)
        seeing = None if drawn else executor.submit(tasks.see, settings, weights)
        if saved:
            _draw(client, run, trial, seeing)
            continue
        with logged_model(client, trial.run_id) as (path, identity):
            saving = office.submit(tasks.save_model, settings, weights, path, identity)
            _draw(client, run, trial, seeing)
            saving.result()


def _draw(client: MlflowClient, run: Run, trial: Done, seeing: Future[Sight] | None) -> None:
    from lrstudy import pictures

    if seeing is None:
        return
    epochs = history.read(_artifact(client, run, HISTORY))
    best = epochs[int(run.data.metrics["best/epoch"])]
    files = pictures.draw(trial.description.settings, epochs, best, trial.verdict, seeing.result())
    log_files(client, trial.run_id, files)


def _artifact(client: MlflowClient, run: Run, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run.info.run_id, name, folder)).read_bytes()

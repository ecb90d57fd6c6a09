"""Has the pictures and the MLflow models of a study's trials made, and logs them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from lrstudy import tasks
from lrstudy.done import Done
from lrstudy.model_tracking import has_model, logged_model
from lrstudy.office import Office
from lrstudy.result import CONFUSION, HISTORY, PICTURES, WEIGHTS
from lrstudy.tracking import log_files


def show(client: MlflowClient, trials: Sequence[Done], office: Office, executor: Executor) -> None:
    """Logs the pictures and the model of each of `trials`, unless they are there.

    Args:
        client: of the server.
        trials: which to show.
        office: a worker that has got ready to save models.
        executor: of the workers that have trained.
    """
    for trial in trials:
        run, settings, key = client.get_run(trial.run_id), trial.description.settings, trial.description.key
        drawn = {Path(file.path).stem for file in client.list_artifacts(trial.run_id, "figures")} >= set(PICTURES)
        saved = has_model(client, run)
        if drawn and saved:
            continue
        weights = _artifact(client, run, WEIGHTS)
        drawing = None if drawn else executor.submit(tasks.draw_network, settings, key, weights)
        if saved:
            _draw(client, run, trial, drawing)
            continue
        with logged_model(client, trial.run_id) as (path, identity):
            saving = office.submit(tasks.save_model, settings, key, weights, path, identity)
            _draw(client, run, trial, drawing)
            saving.result()


def _draw(client: MlflowClient, run: Run, trial: Done, drawing: Future[dict[str, bytes]] | None) -> None:
    """Draws and logs what a run's tables show, and logs what a worker draws meanwhile, if one does."""
    from lrstudy import pictures

    if drawing is None:
        return
    title = f"{trial.description.title}: {trial.verdict}"
    tables = {name: _artifact(client, run, name) for name in (HISTORY, CONFUSION)}
    files = pictures.of_tables(title, tables, int(run.data.metrics["best/epoch"]))
    log_files(client, trial.run_id, {**files, **drawing.result()})


def _artifact(client: MlflowClient, run: Run, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run.info.run_id, name, folder)).read_bytes()

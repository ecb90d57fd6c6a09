"""Has the pictures and the MLflow models of a study's trials made, and logs them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run

from lrstudy.server_names import BEST_EPOCH
from lrstudy.study import worker_tasks
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.trial_result import TrialResult
from lrstudy.tracking.logged_model import has_model, logged_model
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.result import CONFUSION, HISTORY, PICTURES, WEIGHTS, WorkerResult

# How long a server is waited for that alone has the weights of which pictures and a model are to be made.
SECONDS_FOR_WEIGHTS = 60.0


def show(
    study: TrackedRun,
    trials: Sequence[TrialResult],
    office: HelperWorker,
    executor: Executor,
    known: tuple[TrialResult, WorkerResult] | None,
) -> None:
    """Logs the pictures and the model of each of `trials`, unless they are there.

    Args:
        study: the study's run.
        trials: which to show.
        office: a worker that has got ready to save models.
        executor: of the workers that have trained.
        known: a trial that was trained now, of which the server need not be asked.
    """
    for trial in trials:
        if known and trial == known[0]:
            shown = _just_trained(study, *known)
        else:
            shown = study.outbox.query(partial(_from_server, study, trial), SECONDS_FOR_WEIGHTS)
        if shown.drawn and shown.saved:
            continue
        settings, key, weights = trial.specification.settings, trial.specification.key, shown.files[WEIGHTS]
        drawing = None if shown.drawn else executor.submit(worker_tasks.draw_network, settings, key, weights)
        if shown.saved:
            _draw(shown, trial, drawing)
            continue
        with logged_model(shown.run) as (path, identity):
            saving = office.submit(worker_tasks.save_model, settings, key, weights, path, identity)
            _draw(shown, trial, drawing)
            saving.result()


@dataclass(frozen=True)
class _Shown:
    """A trial's run, what of it is there already, and what pictures and model are made of."""

    run: TrackedRun
    drawn: bool
    saved: bool
    files: Mapping[str, bytes]
    best_epoch: int


def _just_trained(study: TrackedRun, trial: TrialResult, outcome: WorkerResult) -> _Shown:
    run = replace(study, run_id=trial.run_id)
    return _Shown(run, drawn=False, saved=False, files=outcome.files, best_epoch=outcome.best.epoch)


def _from_server(study: TrackedRun, trial: TrialResult) -> _Shown:
    study.outbox.flush(0)
    run = replace(study, run_id=study.outbox.server_id(trial.run_id))
    found = run.client.get_run(run.run_id)
    drawn = {Path(file.path).stem for file in run.client.list_artifacts(run.run_id, "figures")} >= set(PICTURES)
    saved = has_model(run.client, found)
    names = () if drawn and saved else (WEIGHTS, HISTORY, CONFUSION)
    files = {name: _artifact(run.client, found, name) for name in names}
    return _Shown(run, drawn, saved, files, int(found.data.metrics[BEST_EPOCH]))


def _draw(shown: _Shown, trial: TrialResult, drawing: Future[dict[str, bytes]] | None) -> None:
    """Draws and logs what a run's tables show, and logs what a worker draws meanwhile, if one does."""
    from lrstudy.plots import png

    if drawing is None:
        return
    files = png.training_figures(f"{trial.specification.title}: {trial.verdict}", shown.files, shown.best_epoch)
    shown.run.log_files({**files, **drawing.result()})


def _artifact(client: MlflowClient, run: Run, name: str) -> bytes:
    # By its address: asked for by its run, MLflow says of a server that is away that the artifact is not there.
    uri = f"{run.info.artifact_uri}/{name}"
    with tempfile.TemporaryDirectory() as folder:
        return Path(download_artifacts(uri, dst_path=folder, tracking_uri=client.tracking_uri)).read_bytes()

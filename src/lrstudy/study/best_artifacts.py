"""Figures and MLflow models of trainings that have ended: rendered and saved by workers, logged by this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lrstudy.errors import UserCodeError
from lrstudy.run_artifacts import read_artifact
from lrstudy.server_names import BEST_EPOCH, MODEL_DIGEST
from lrstudy.study import worker_tasks
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.retried_task import RetriedTask
from lrstudy.study.trial_result import TrialResult
from lrstudy.tracking.logged_model import has_model, logged_model
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.result import CONFUSION, HISTORY, PICTURES, WEIGHTS, ModelInputs, WorkerResult
from lrstudy.training.specification import TrialSpecification

# Printed before them, since they take seconds.
WAITING_FOR_ARTIFACTS = "drawing figures and saving the model"
# How long to wait for a server that alone has the weights of a trial.
SECONDS_FOR_WEIGHTS = 60.0


@dataclass(frozen=True)
class TrainedRun:
    """A run whose training has ended, and the sources of its figures and its model.

    `inputs` is None where a worker has to find them out.
    """

    run: TrackedRun
    specification: TrialSpecification
    verdict: str
    best_epoch: int
    files: Mapping[str, bytes]
    inputs: ModelInputs | None = None
    has_figures: bool = False
    has_model: bool = False

    @classmethod
    def of_worker(cls, run: TrackedRun, specification: TrialSpecification, trained: WorkerResult) -> TrainedRun:
        """Return that of a training which has just ended."""
        verdict = trained.result.verdict.word if trained.result else ""
        return cls(run, specification, verdict, trained.best.epoch, trained.files, trained.inputs)


def log_best_artifacts(
    study: TrackedRun,
    trials: Sequence[TrialResult],
    helper: HelperWorker,
    executor: Executor,
    just_trained: tuple[TrialResult, WorkerResult] | None,
) -> None:
    """Log the figures and the model of each of `trials`, unless its run has them.

    Args:
        study: the run of the study.
        trials: usually the best one.
        helper: saves models.
        executor: of the workers that trained; renders figures.
        just_trained: a trial that was trained now, whose files need not be downloaded.
    """
    for trial in trials:
        if just_trained and trial == just_trained[0]:
            run = replace(study, run_id=trial.run_id)
            trained = TrainedRun.of_worker(run, trial.specification, just_trained[1])
        else:
            trained = study.outbox.query(partial(_download, study, trial), SECONDS_FOR_WEIGHTS)
        log_figures_and_model(trained, helper.executor, executor)


def log_figures_and_model(trained: TrainedRun, exporter: Executor, renderer: Executor) -> None:
    """Render the figures of a training and save its model side by side; log those that its run lacks.

    Args:
        trained: the run.
        exporter: saves the model.
        renderer: renders the figures, where the training ran.
    """
    rendering = [] if trained.has_figures else _render(trained, renderer)
    if trained.has_model:
        _log_figures(trained, rendering)
        return
    settings, key, weights = trained.specification.settings, trained.specification.key, trained.files[WEIGHTS]
    inputs = trained.inputs or RetriedTask(renderer, worker_tasks.model_inputs, settings, key).result()
    try:
        with logged_model(trained.run, trained.specification) as (path, identity):
            saving = RetriedTask(exporter, worker_tasks.save_model, settings, inputs, weights, path, identity)
            _log_figures(trained, rendering)
            trained.run.log_tags({MODEL_DIGEST: saving.result()})
    except UserCodeError as error:
        print(f"{error}\nno MLflow model is logged; the weights are in {WEIGHTS}", file=sys.stderr, flush=True)


def _render(trained: TrainedRun, renderer: Executor) -> list[RetriedTask[dict[str, bytes]]]:
    specification, tables = trained.specification, {name: trained.files[name] for name in (HISTORY, CONFUSION)}
    title, weights = f"{specification.title}: {trained.verdict}", trained.files[WEIGHTS]
    short_title = f"{specification.context.data.name}, {specification.settings.model}, {specification.name}"
    return [
        RetriedTask(
            renderer, worker_tasks.render_network, specification.settings, specification.key, weights, short_title
        ),
        RetriedTask(renderer, worker_tasks.render_tables, title, tables, trained.best_epoch),
    ]


def _log_figures(trained: TrainedRun, rendering: Sequence[RetriedTask[dict[str, bytes]]]) -> None:
    files = {path: content for task in rendering for path, content in task.result().items()}
    if files:
        trained.run.log_files(files)


def _download(study: TrackedRun, trial: TrialResult) -> TrainedRun:
    """Ask the server which artifacts the run of a trial has."""
    study.outbox.flush(0)
    run = replace(study, run_id=study.outbox.server_id(trial.run_id))
    logged = run.client.get_run(run.run_id)
    figures = {Path(file.path).stem for file in run.client.list_artifacts(run.run_id, "figures")}
    complete = figures >= set(PICTURES), has_model(run.client, logged)
    names = () if all(complete) else (WEIGHTS, HISTORY, CONFUSION)
    files = {name: read_artifact(logged.info.artifact_uri, name, run.client.tracking_uri) for name in names}
    best_epoch = int(logged.data.metrics[BEST_EPOCH])
    return TrainedRun(run, trial.specification, trial.verdict, best_epoch, files, None, *complete)

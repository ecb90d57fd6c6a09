"""The tasks of workers, as functions that import PyTorch only when a worker calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lrstudy.compat.interpreter import gc_paused
from lrstudy.settings import TrainSettings
from lrstudy.study.trial_job import TrialJob
from lrstudy.training.gpu_use import release_gpu_memory
from lrstudy.training.result import Beginning, ModelInputs, WorkerResult
from lrstudy.training.specification import PreflightResult


def run_preflight(trainings: Sequence[TrainSettings], *, time_epochs: bool) -> PreflightResult:
    """Run `lrstudy.study.preflight.run_preflight`."""
    from lrstudy.study import (
        preflight,
        preloaded,  # noqa: F401 - imports faster than its parts would one by one
    )

    return preflight.run_preflight(trainings, time_epochs=time_epochs)


def checkpointed_epoch(job: TrialJob) -> int:
    """Run `lrstudy.study.trial.checkpointed_epoch`."""
    from lrstudy.study import trial

    return trial.checkpointed_epoch(job)


def begin_from(job: TrialJob, beginning: Beginning) -> None:
    """Run `lrstudy.study.trial.begin_from`."""
    from lrstudy.study import trial

    trial.begin_from(job, beginning)


def train(job: TrialJob) -> WorkerResult:
    """Run `lrstudy.study.trial.run_trial`."""
    from lrstudy.study import trial

    try:
        return trial.run_trial(job)
    finally:
        release_gpu_memory()


def data_changes(settings: TrainSettings, digest: str, files_state: str) -> list[str]:
    """Run `lrstudy.training.plan.data_changes`."""
    from lrstudy.training import plan

    return plan.data_changes(settings, digest, files_state)


def warm_up_exporter() -> None:
    """Run `lrstudy.tracking.model_export.warm_up`."""
    with gc_paused():
        from lrstudy.tracking import model_export

    model_export.warm_up()


def render_tables(title: str, files: Mapping[str, bytes], best_epoch: int) -> dict[str, bytes]:
    """Run `lrstudy.plots.png.training_figures`."""
    from lrstudy.plots import png

    return png.training_figures(title, files, best_epoch)


def render_network(settings: TrainSettings, key: str, weights: bytes, title: str) -> dict[str, bytes]:
    """Run `lrstudy.study.rendering.render_network`."""
    from lrstudy.study import rendering

    return rendering.render_network(settings, key, weights, title)


def model_inputs(settings: TrainSettings, key: str) -> ModelInputs:
    """Run `lrstudy.study.rendering.model_inputs`."""
    from lrstudy.study import rendering

    return rendering.model_inputs(settings, key)


def save_model(
    settings: TrainSettings, inputs: ModelInputs, weights: bytes, path: Path, identity: dict[str, Any]
) -> str:
    """Run `lrstudy.study.rendering.save_model`."""
    from lrstudy.study import rendering

    return rendering.save_model(settings, inputs, weights, path, identity)

"""What workers are given to do, named where PyTorch is not imported: whoever sends a task does not need it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrstudy.compat.interpreter import gc_paused
from lrstudy.settings import TrainSettings
from lrstudy.study.trial_job import TrialJob
from lrstudy.training.result import WorkerResult
from lrstudy.training.specification import PreflightResult


def survey(trainings: Sequence[TrainSettings]) -> PreflightResult:
    """See `lrstudy.study.preflight`."""
    from lrstudy.study import preflight

    return preflight.survey(trainings)


def train(job: TrialJob) -> WorkerResult:
    """See `lrstudy.study.trial`."""
    from lrstudy.study import trial

    return trial.run_trial(job)


def data_changes(settings: TrainSettings, digest: str) -> list[str]:
    """See `lrstudy.training.plan`."""
    from lrstudy.training import plan

    return plan.data_changes(settings, digest)


def get_ready() -> None:
    """See `lrstudy.tracking.model_export`."""
    with gc_paused():
        from lrstudy.tracking import model_export

    model_export.get_ready()


def draw_network(settings: TrainSettings, key: str, weights: bytes) -> dict[str, bytes]:
    """See `lrstudy.study.rendering`."""
    from lrstudy.study import rendering

    return rendering.draw_network(settings, key, weights)


def save_model(settings: TrainSettings, key: str, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    """See `lrstudy.study.rendering`."""
    from lrstudy.study import rendering

    rendering.save_model(settings, key, weights, path, identity)


def optuna_plots(path: Path) -> dict[str, bytes]:
    """See `lrstudy.study.optuna_plots`."""
    from lrstudy.study import optuna_plots

    return optuna_plots.draw(path)

"""What workers are given to do, named where PyTorch is not imported: whoever sends a task does not need it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrstudy.quick_start import quick_start
from lrstudy.settings import TrainSettings
from lrstudy.study.job import Job
from lrstudy.training.description import Survey
from lrstudy.training.result import Outcome


def survey(trainings: Sequence[TrainSettings]) -> Survey:
    """See `lrstudy.study.survey`."""
    from lrstudy.study import survey

    return survey.survey(trainings)


def train(job: Job) -> Outcome:
    """See `lrstudy.study.trial`."""
    from lrstudy.study import trial

    return trial.run_trial(job)


def data_changes(settings: TrainSettings, digest: str) -> list[str]:
    """See `lrstudy.training.plan`."""
    from lrstudy.training import plan

    return plan.data_changes(settings, digest)


def get_ready() -> None:
    """See `lrstudy.tracking.logged_model`."""
    with quick_start():
        from lrstudy.tracking import logged_model

    logged_model.get_ready()


def draw_network(settings: TrainSettings, key: str, weights: bytes) -> dict[str, bytes]:
    """See `lrstudy.study.showpieces`."""
    from lrstudy.study import showpieces

    return showpieces.draw_network(settings, key, weights)


def save_model(settings: TrainSettings, key: str, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    """See `lrstudy.study.showpieces`."""
    from lrstudy.study import showpieces

    showpieces.save_model(settings, key, weights, path, identity)


def optuna_plots(path: Path) -> dict[str, bytes]:
    """See `lrstudy.study.optuna_plots`."""
    from lrstudy.study import optuna_plots

    return optuna_plots.draw(path)

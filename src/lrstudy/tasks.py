"""What workers are given to do, named where PyTorch is not imported: whoever sends a task does not need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrstudy.description import Survey
from lrstudy.quick_start import quick_start
from lrstudy.result import Outcome
from lrstudy.settings import TrainSettings


@dataclass(frozen=True)
class Job:
    """A trial to run: its number in the study, its run, its training's key and settings, and where its letters go."""

    number: int
    run_id: str
    key: str
    settings: TrainSettings
    mailbox: Path


def survey(trainings: Sequence[TrainSettings]) -> Survey:
    """See `lrstudy.survey`."""
    from lrstudy import survey

    return survey.survey(trainings)


def train(job: Job) -> Outcome:
    """See `lrstudy.trial`."""
    from lrstudy import trial

    return trial.run_trial(job)


def data_changes(settings: TrainSettings, digest: str) -> list[str]:
    """See `lrstudy.plan`."""
    from lrstudy import plan

    return plan.data_changes(settings, digest)


def get_ready() -> None:
    """See `lrstudy.logged_model`."""
    with quick_start():
        from lrstudy import logged_model

    logged_model.get_ready()


def draw_network(settings: TrainSettings, key: str, weights: bytes) -> dict[str, bytes]:
    """See `lrstudy.showpieces`."""
    from lrstudy import showpieces

    return showpieces.draw_network(settings, key, weights)


def save_model(settings: TrainSettings, key: str, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    """See `lrstudy.showpieces`."""
    from lrstudy import showpieces

    showpieces.save_model(settings, key, weights, path, identity)


def optuna_plots(path: Path) -> dict[str, bytes]:
    """See `lrstudy.optuna_plots`."""
    from lrstudy import optuna_plots

    return optuna_plots.draw(path)

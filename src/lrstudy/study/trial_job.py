"""The job of a worker that runs a trial: a record that needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrstudy.settings import TrainSettings


@dataclass(frozen=True)
class TrialJob:
    """A trial to run: its number in the study, its run, its training's key and settings, and the progress channel."""

    number: int
    run_id: str
    key: str
    settings: TrainSettings
    progress_address: Path

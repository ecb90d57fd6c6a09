"""What a worker is given to train: a record that needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrstudy.settings import TrainSettings


@dataclass(frozen=True)
class TrialJob:
    """A trial to run: its number in the study, its run, its training's key and settings, and where its letters go."""

    number: int
    run_id: str
    key: str
    settings: TrainSettings
    mailbox: Path

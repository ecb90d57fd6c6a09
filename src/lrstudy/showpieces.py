"""What a study shows of a trial that has ended, made by a worker from what its run holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from lrstudy import experiment
from lrstudy.experiment import Experiment
from lrstudy.settings import TrainSettings
from lrstudy.trial import planned


def draw_network(settings: TrainSettings, weights: bytes) -> dict[str, bytes]:
    """The pictures of the training's network: see `look`; `weights` is the file of its best ones."""
    from lrstudy.look import look

    return look(_trained(settings, weights))


def save_model(settings: TrainSettings, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    """Saves the MLflow model of the training: see `logged_model.save_network`."""
    from lrstudy.logged_model import save_network

    save_network(_trained(settings, weights), path, identity)


def _trained(settings: TrainSettings, weights: bytes) -> Experiment:
    training = experiment.build(planned(settings))
    training.network.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    return training

"""What a study shows of a trial that has ended, made by a worker from what its run holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from lrstudy.settings import TrainSettings
from lrstudy.study.trial import as_begun
from lrstudy.training import setup
from lrstudy.training.setup import TrainingSetup


def draw_network(settings: TrainSettings, key: str, weights: bytes) -> dict[str, bytes]:
    """The pictures of the network of the training with this key: see `look`; `weights` is the file of its best ones.

    Raises:
        DataError: the images are not those that the study began with.
    """
    from lrstudy.plots.network_figures import network_figures

    return network_figures(_trained(settings, key, weights))


def save_model(settings: TrainSettings, key: str, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    """Saves the MLflow model of the training with this key: see `logged_model.save_network`.

    Raises:
        DataError: the images are not those that the study began with.
    """
    from lrstudy.tracking.model_export import save_network

    save_network(_trained(settings, key, weights), path, identity)


def _trained(settings: TrainSettings, key: str, weights: bytes) -> TrainingSetup:
    training = setup.build(as_begun(settings, key))
    training.network.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    return training

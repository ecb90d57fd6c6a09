"""Figures and MLflow model of a training that has ended, made by a worker from its weights."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from lrstudy.networks import Shape
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import as_begun
from lrstudy.training import setup
from lrstudy.training.result import ModelInputs
from lrstudy.user_code import file_reference, user_errors


def render_network(settings: TrainSettings, key: str, weights: bytes, title: str) -> dict[str, bytes]:
    """Render what the network of a training has learned; see `lrstudy.plots.network_figures`.

    Args:
        settings: of the training.
        key: of the training, to check that the images are those that it was trained on.
        weights: the file of its best weights.
        title: of the figures.

    Raises:
        DataError: the images have changed since.
    """
    from lrstudy.plots.network_figures import network_figures

    training = setup.build(as_begun(settings, key))
    training.network.load_state_dict(_load(weights))
    training.network.eval()  # batch normalisation and dropout behave differently in training mode
    return network_figures(training, title)


def model_inputs(settings: TrainSettings, key: str) -> ModelInputs:
    """Return the inputs that the network of the training with this key was trained on.

    Raises:
        DataError: the images have changed since.
    """
    return as_begun(settings, key).model_inputs


def save_model(
    settings: TrainSettings, inputs: ModelInputs, weights: bytes, path: Path, identity: dict[str, Any]
) -> str:
    """Save the network of a training as an MLflow model; see `lrstudy.tracking.model_export.save_network`.

    The images are not read, so this needs no scikit-learn and does not notice when a data folder has changed.

    Raises:
        UserCodeError: the user's own network cannot be exported.
    """
    from lrstudy.tracking.model_export import save_network

    _, side, _, channels = inputs.example.shape
    shape = Shape(channels=channels, side=side, classes=len(inputs.classes))
    classifier = setup.build_classifier(settings, shape, inputs.mean, inputs.std)
    classifier.network.load_state_dict(_load(weights))
    if file_reference("model", settings.model):
        with user_errors("model", settings.model, "cannot be exported"):
            return save_network(classifier, inputs, path, identity)
    return save_network(classifier, inputs, path, identity)


def _load(weights: bytes) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    return state

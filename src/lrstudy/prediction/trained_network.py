"""Rebuild the network of a run from its settings and its weights; nothing that the server holds is executed."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from torch import Tensor

from lrstudy.cli.command_line import from_parameters
from lrstudy.data.image_format import ImageFormat
from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.networks import Shape
from lrstudy.prediction.model_address import ModelRun
from lrstudy.server_names import CODE, MODEL_DIGEST
from lrstudy.settings import TrainSettings
from lrstudy.tracking.checked_files import read_checked, unreadable
from lrstudy.tracking.logged_model import model_digest
from lrstudy.training import setup
from lrstudy.training.result import DATA_FACTS, WEIGHTS
from lrstudy.training.setup import Classifier
from lrstudy.unquoted_parameters import unquoted_parameters

# The settings of a run that its network is rebuilt from; all others have no effect on it.
OF_NETWORK = ("model", "hidden", "seed", "fit")


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network with its normalisation, on the CPU, the format of its images, and the names of its classes."""

    run_id: str
    settings: TrainSettings
    data: str
    classifier: Classifier
    image_format: ImageFormat
    classes: Sequence[str]


def load_network(client: MlflowClient, address: str, found: ModelRun) -> TrainedNetwork:
    """Return the network of a model.

    Args:
        client: of the server.
        address: of the model, as typed.
        found: the run, and the model, that it names.

    Raises:
        SettingsError: a file is missing or was changed since it was logged, or the network cannot be rebuilt here.
        TrackingError: a file cannot be read now.
    """
    run = found.run
    if found.model_id:
        _check_model(client, address, found.model_id, run.data.tags.get(MODEL_DIGEST))
    recorded = _RecordedData.parse(address, read_checked(client, run, DATA_FACTS, "model", address))
    settings = _settings(address, run)
    shape = Shape(recorded.channels, recorded.side, len(recorded.classes))
    classifier = setup.build_classifier(settings, shape, recorded.mean, recorded.std)
    _load(address, classifier.network, read_checked(client, run, WEIGHTS, "model", address))
    image_format = ImageFormat(recorded.side, recorded.channels, settings.fit, recorded.ranges)
    return TrainedNetwork(run.info.run_id, settings, recorded.name, classifier.eval(), image_format, recorded.classes)


@dataclass(frozen=True)
class _RecordedData:
    """The data as a training has logged them: name, classes, and the images' format and normalisation."""

    name: str
    classes: tuple[str, ...]
    side: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def parse(cls, address: str, content: bytes) -> _RecordedData:
        try:
            recorded = json.loads(content)
            image, normalisation = recorded["image"], recorded["normalisation"]
            return cls(
                str(recorded["name"]),
                tuple(str(name) for name in recorded["classes"]),
                int(image["side"]),
                int(image["channels"]),
                _numbers(normalisation["mean"]),
                _numbers(normalisation["std"]),
                {
                    str(kind): (float(black), float(white))
                    for kind, (black, white) in recorded.get("ranges", {}).items()
                },
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            problem = f": its {DATA_FACTS} is damaged, or of an early version of this project."
            raise SettingsError(setting_error("model", address, problem)) from None


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _settings(address: str, run: Run) -> TrainSettings:
    """Return the settings of the network; a file that they name must be the one that the run was trained with."""
    recorded = unquoted_parameters(run.data.params, run.data.tags)
    try:
        settings = from_parameters(TrainSettings, {name: recorded[name] for name in OF_NETWORK if name in recorded})
    except SettingsError as error:
        hint = " (the run has the file among its artifacts, in 'code')" if f"model{CODE}" in recorded else ""
        raise SettingsError(
            setting_error("model", address, f": its settings are not valid here{hint}: {error}")
        ) from None
    for reference in settings.code:
        if recorded.get(f"{reference.setting}{CODE}") != reference.digest:
            problem = (
                f": {reference.path.absolute()} differs from the file that the run was trained with, which is among "
                "its artifacts; put that one there to use the model."
            )
            raise SettingsError(setting_error("model", address, problem))
    return settings


def _check_model(client: MlflowClient, address: str, model_id: str, recorded: str | None) -> None:
    """Raise SettingsError if the files of a logged model were changed since they were logged.

    They are not used here, but whoever serves the model would run them.
    """
    if recorded is None:  # a model of an earlier version
        return
    with tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
        try:
            download_artifacts(f"models:/{model_id}", dst_path=folder, tracking_uri=client.tracking_uri)
        except Exception as error:  # each kind of artifact store has its own errors
            raise unreadable(f"the folder of model {model_id}", error, "model", address) from error
        if model_digest(Path(folder)) != recorded:
            problem = f": files of model {model_id} have changed since they were logged, and are not used."
            raise SettingsError(setting_error("model", address, problem))


def _load(address: str, network: torch.nn.Module, weights: bytes) -> None:
    try:
        state: Mapping[str, Tensor] = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except Exception:  # a file of something else fails in many ways
        problem = f": its {WEIGHTS} is not a file of tensors alone, and is not read."
        raise SettingsError(setting_error("model", address, problem)) from None
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError):
        problem = f": its {WEIGHTS} does not fit the network that its settings describe."
        raise SettingsError(setting_error("model", address, problem)) from None

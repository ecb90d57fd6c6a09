"""One training, put together from its settings: the network, the optimizer and the parts of the data."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy import data
from lrstudy.batches import Normalise, Part, load_part
from lrstudy.data import ImageData
from lrstudy.models import Shape, build_model, normalises_batches
from lrstudy.optimizers import build_optimizer
from lrstudy.runtime import Runtime
from lrstudy.settings import TrainSettings
from lrstudy.training import TRAINING_VERSION, Epoch, batch_sizes, fit

# Of the settings those that change a training's numbers, besides those of its data and its optimizer.
IDENTITY = ("model", "hidden", "optimizer", "epochs", "batch_size", "seed")


class Classifier(nn.Module):
    """A network with its normalisation: stored images, uint8 `(N, side, side, channels)`, to `(N, classes)`.

    What comes out are probabilities. Training and evaluation use `network` alone, on normalised images, for its logits.
    """

    def __init__(self, normalise: Normalise, network: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.normalise(images)).softmax(1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Experiment:
    """All that a training is made of, on its device."""

    settings: TrainSettings
    data: ImageData
    runtime: Runtime
    classifier: Classifier
    optimizer: torch.optim.Optimizer
    train: Part
    validation: Part

    @property
    def test(self) -> Part:
        """The held-out test part: loaded when asked for, which is once, after the training's end."""
        return load_part(self.data.images, self.data.labels, self.data.test, self.classifier.normalise)

    @property
    def network(self) -> nn.Module:
        """Normalised images, float32 `(N, channels, side, side)`, to logits `(N, classes)`."""
        return self.classifier.network

    def epochs(self) -> Iterator[Epoch]:
        """Trains, and yields epoch 0 and each epoch as it ends."""
        return fit(
            self.network,
            self.optimizer,
            self.train,
            self.validation,
            epochs=self.settings.epochs,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
        )

    @property
    def key(self) -> str:
        """The training's identity: 32 hex digits of the settings, data and code that its numbers depend on."""
        identity = {name: getattr(self.settings, name) for name in IDENTITY}
        identity |= {
            "hyperparameters": self.optimizer.defaults,
            "data": self.data.digest,
            "device": self.runtime.device.type,
            "threads": self.runtime.threads,
            "version": TRAINING_VERSION,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def chance_loss(self) -> float:
        """The cross-entropy, in nats, of predicting the training part's class shares for every image."""
        return float(-sum(share * math.log(share) for share in self._shares(self.data.train) if share))

    @property
    def chance_accuracy(self) -> float:
        """The accuracy on the validation part of naming its largest class always."""
        return float(self._shares(self.data.validation).max())

    def _shares(self, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.data.labels[rows], minlength=len(self.data.classes)) / len(rows)


def load_data(settings: TrainSettings) -> ImageData:
    """The data set that `settings` name.

    Raises:
        DataError: the images are missing, broken, or too few.
    """
    return data.load(
        settings.data,
        data_root=None if settings.data_root == "auto" else Path(settings.data_root),
        image_size=settings.image_size,
        fit=settings.fit,
        bad_images=settings.bad_images,
        split_seed=settings.split_seed,
    )


def build(settings: TrainSettings, images: ImageData, runtime: Runtime) -> Experiment:
    """A training of `settings` on `images`, about to begin: the same seed gives the same initial weights.

    Raises:
        SettingsError: the network cannot take these images, or learn from batches of one.
    """
    shape = Shape(channels=images.images.shape[3], side=images.images.shape[1], classes=len(images.classes))
    torch.manual_seed(settings.seed)
    network = build_model(settings.model, shape, settings.hidden)
    classifier = Classifier(Normalise(images.mean, images.std), network).to(runtime.device)
    if any(isinstance(layer, nn.Conv2d) for layer in network.modules()):
        network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(
        settings.optimizer,
        network.parameters(),
        settings.lr,
        settings.momentum,
        None if settings.weight_decay == "auto" else settings.weight_decay,
    )
    # Refused here, before a run is opened, and not at the first step.
    batch_sizes(len(images.train), settings.batch_size, whole=normalises_batches(network))
    train, validation = (
        load_part(images.images, images.labels, rows, classifier.normalise)
        for rows in (images.train, images.validation)
    )
    return Experiment(settings, images, runtime, classifier, optimizer, train, validation)

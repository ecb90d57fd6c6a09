"""What is known of a training before it begins: its settings, its data, its machine, and from them its identity."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrstudy import data
from lrstudy.data import ImageData
from lrstudy.models import OWN_MODELS
from lrstudy.optimizers import build_optimizer
from lrstudy.runtime import Runtime
from lrstudy.settings import TrainSettings
from lrstudy.training import TRAINING_VERSION

# Of an optimizer's defaults those that say how it computes, not what.
SWITCHES = ("foreach", "fused", "capturable", "differentiable")


@dataclass(frozen=True)
class Plan:
    """A training that has not begun."""

    settings: TrainSettings
    data: ImageData
    runtime: Runtime

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """All that the optimizer works with: the settings, and torch's defaults for the rest."""
        return self.optimizer([torch.nn.Parameter(torch.zeros(1))]).defaults

    @property
    def key(self) -> str:
        """The training's identity: 32 hex digits of the settings, the data and our code's version.

        Versions of libraries are not in it, though some change a number's last digits: the run's tags have them.
        """
        settings = self.settings
        identity = {
            "model": settings.model,
            "hidden": settings.hidden if settings.model in OWN_MODELS else None,
            "optimizer": settings.optimizer,
            "hyperparameters": {name: value for name, value in self.hyperparameters.items() if name not in SWITCHES},
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "seed": settings.seed,
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

    def optimizer(self, weights: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer that the settings name, for `weights`."""
        settings = self.settings
        decay = None if settings.weight_decay == "auto" else settings.weight_decay
        return build_optimizer(settings.optimizer, weights, settings.lr, settings.momentum, decay)

    def _shares(self, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.data.labels[rows], minlength=len(self.data.classes)) / len(rows)


def load_data(settings: TrainSettings) -> ImageData:
    """The data set that `settings` name.

    Raises:
        DataError: the images are missing, broken, or too few.
    """
    return data.load(
        settings.data,
        data_root=None if settings.data_root == "auto" else Path(settings.data_root).expanduser(),
        image_size=settings.image_size,
        fit=settings.fit,
        bad_images=settings.bad_images,
        split_seed=settings.split_seed,
    )

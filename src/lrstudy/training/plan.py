"""A training that has not begun: its settings, its images, its machine."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrstudy import data, hardware
from lrstudy.data import ImageData
from lrstudy.data.splitting import SPLITS
from lrstudy.errors import DataError
from lrstudy.formatting import printable
from lrstudy.optimizers import build_optimizer
from lrstudy.settings import TrainSettings
from lrstudy.training.runtime import Runtime
from lrstudy.training.specification import DataSummary, StudyContext, TrialSpecification


@dataclass(frozen=True)
class TrainingPlan:
    """A training that has not begun."""

    settings: TrainSettings
    data: ImageData
    runtime: Runtime

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """All that the optimizer works with: the settings, and torch's defaults for the rest."""
        return self.optimizer([torch.nn.Parameter(torch.zeros(1))]).defaults

    @property
    def specification(self) -> TrialSpecification:
        """The training in plain values."""
        return TrialSpecification(self.settings, self.context, self.hyperparameters)

    @property
    def context(self) -> StudyContext:
        """What is known of the data and the machine, in plain values."""
        images = self.data
        summary = DataSummary(
            images.name,
            images.source,
            images.digest,
            (images.images.shape[1], images.images.shape[2], images.images.shape[3]),
            {part: len(getattr(images, part)) for part in SPLITS},
            self.chance_loss,
            images.bad_images,
        )
        return StudyContext(
            summary, str(self.runtime.device), self.runtime.threads, hardware.describe(self.runtime.device)
        )

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


def data_changes(settings: TrainSettings, digest: str) -> list[str]:
    """A sentence if the data folder that `settings` name no longer holds the images with this digest.

    It looks at every file's size and times, and decodes the folder again where one has changed.
    """
    if settings.data in data.SOURCES:
        return []
    with suppress(DataError):
        if load_data(settings).digest == digest:
            return []
    name = printable(settings.data)
    return [f"data={name}: the images have changed since they were read; all that was trained is of those before."]


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

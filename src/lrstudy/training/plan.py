"""The plan of a training: its settings, its images, its device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrstudy import data, hardware
from lrstudy.data import ImageData
from lrstudy.data.splitting import SPLITS
from lrstudy.errors import CacheError, DataError
from lrstudy.formatting import setting_error
from lrstudy.optimizers import build_optimizer, group_by_decay, parse_arguments, plain_value
from lrstudy.pretrained import NONE, PretrainedWeights, find_weights
from lrstudy.schedules import Schedule
from lrstudy.settings import TrainSettings
from lrstudy.training.recipe import Loss, Recipe, balanced_weights
from lrstudy.training.result import ModelInputs
from lrstudy.training.runtime import Runtime
from lrstudy.training.specification import DataSummary, StudyContext, TrialSpecification

USED_AS_READ = "Training used the images as they were read."


@dataclass(frozen=True)
class TrainingPlan:
    """The settings, images and device of a training."""

    settings: TrainSettings
    data: ImageData
    runtime: Runtime

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The optimizer's hyperparameters: the settings, and its own defaults for the rest."""
        # A matrix, since some optimizers take nothing else.
        defaults = self.optimizer([torch.nn.Parameter(torch.zeros(1, 1))]).defaults
        return {name: plain_value(value) for name, value in defaults.items()} | {"lr": self.settings.lr}

    @property
    def specification(self) -> TrialSpecification:
        """The training in plain values."""
        return TrialSpecification(self.settings, self.context, self.hyperparameters)

    @property
    def context(self) -> StudyContext:
        """The data and the machine, in plain values."""
        images = self.data
        normalisation = self.weights.describe_normalisation(images.images.shape[3]) if self.weights else ""
        remarks = (f"normalised {normalisation}",) if normalisation else ()
        summary = DataSummary(
            images.name,
            images.source,
            images.digest,
            (images.images.shape[1], images.images.shape[2], images.images.shape[3]),
            {split: len(getattr(images, split)) for split in SPLITS},
            self.chance_loss,
            images.bad_images,
            images.classes,
            len(images.skipped_files),
            (*images.remarks, *remarks),
            images.preprocessing,
            self.chance_accuracy,
            images.files_state,
            images.warnings,
            images.duplicates,
        )
        return StudyContext(
            summary,
            str(self.runtime.device),
            self.runtime.threads,
            hardware.describe(self.runtime.device),
            self.runtime.precision,
            self.digests,
            normalisation,
        )

    @property
    def weights(self) -> PretrainedWeights | None:
        """The pretrained weights that the training begins from; None if it begins from random ones.

        Raises:
            SettingsError: they cannot be downloaded or read.
        """
        text = self.settings.weights
        return None if text == NONE else find_weights(text, self.settings.model)

    @property
    def files(self) -> list[Path]:
        """The user's own code and the pretrained weights."""
        return [*(reference.path for reference in self.settings.code), *([self.weights.path] if self.weights else [])]

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the user's own code and of pretrained weights, by the settings' values that name them."""
        of_weights = {self.weights.text: self.weights.digest} if self.weights else {}
        return {reference.text: reference.digest for reference in self.settings.code} | of_weights

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and the deviation that images are normalised by, per channel, in units of 0 to 255."""
        of_weights = self.weights.normalisation(self.data.images.shape[3]) if self.weights else None
        return of_weights or (self.data.mean, self.data.std)

    @property
    def model_inputs(self) -> ModelInputs:
        """The inputs that the trained network takes, with two images as an example."""
        images = self.data
        example = np.asarray(images.images[images.train[:2]])
        return ModelInputs(example, *self.normalisation, tuple(images.classes), self.settings.fit, images.ranges)

    @property
    def chance_loss(self) -> float:
        """The cross-entropy, in nats, of predicting the class shares of the training split for every image."""
        return float(-sum(share * math.log(share) for share in self._shares(self.data.train) if share))

    @property
    def chance_accuracy(self) -> float:
        """The accuracy, on the validation split, of always predicting its largest class."""
        return float(self._shares(self.data.validation).max())

    def recipe(self, steps_per_epoch: int) -> Recipe:
        """Return the recipe that the settings describe."""
        settings, device = self.settings, self.runtime.device
        weights = None
        if settings.class_weights == "balanced":
            balanced = balanced_weights(self.data.labels[self.data.train], len(self.data.classes))
            weights = torch.from_numpy(balanced).float().to(device)
        return Recipe(
            Schedule(settings.schedule, settings.epochs * steps_per_epoch, round(settings.warmup * steps_per_epoch)),
            Loss(settings.label_smoothing, weights),
            settings.clip_norm,
            torch.bfloat16 if settings.precision == "bf16" else None,
            settings.freeze == "backbone",
        )

    def optimizer(self, weights: list[torch.nn.Parameter] | list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the optimizer that the settings name, for `weights` or groups of them."""
        settings = self.settings
        decay = None if settings.weight_decay == "auto" else settings.weight_decay
        arguments = parse_arguments(settings.optimizer_args)
        grouped = group_by_decay(weights) if settings.decay == "matrices" else weights
        return build_optimizer(settings.optimizer, grouped, settings.lr, settings.momentum, decay, arguments)

    def _shares(self, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.data.labels[rows], minlength=len(self.data.classes)) / len(rows)


def data_changes(settings: TrainSettings, digest: str, files_state: str) -> list[str]:
    """Return a sentence if the data folder may no longer have the images of this digest and state.

    Compare every file's size and times, and decode the folder again if one has changed.
    """
    if settings.data in data.SOURCES:
        return []
    try:
        if data.files_state(settings.data, settings.layout) == files_state:
            return []
    except DataError as error:
        return [f"{error} {USED_AS_READ}"]
    try:
        if load_data(settings).digest == digest:
            return []
        problem = ": the images have changed since they were read."
    except CacheError as error:
        problem = f": files have changed since they were read; whether the images have is not known: {error}"
    except DataError:  # an image is broken by now
        problem = ": the images have changed since they were read."
    return [f"{setting_error('data', settings.data, problem)} {USED_AS_READ}"]


def load_data(settings: TrainSettings) -> ImageData:
    """Load the data set that `settings` name.

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
        layout=settings.layout,
        duplicates=settings.duplicates,
        groups=settings.groups,
    )

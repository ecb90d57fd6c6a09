"""What is known of a training before it begins, in plain values: its settings, the data, the machine, its identity.

It needs no PyTorch: a study's driver tells trainings apart, and the server of them, without importing it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrstudy import provenance
from lrstudy.data.records import BadImage
from lrstudy.formatting import format_setting
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.server_names import DATA_DIGEST, DEVICE, HARDWARE, KEY, KIND, THREADS, UNCOMMITTED, VERSIONS
from lrstudy.settings import TrainSettings, parameters

# Part of a training's identity: to be raised whenever the numbers that a training gives change.
TRAINING_VERSION = 1
# Of an optimizer's defaults those that say how it computes, not what.
SWITCHES = ("foreach", "fused", "capturable", "differentiable")


@dataclass(frozen=True)
class DataSummary:
    """A data set without its images. `image` is a stored image's shape, `parts` the number of images in each part.

    `chance_loss` is the cross-entropy, in nats, of predicting the training part's class shares for every image.
    """

    name: str
    source: str
    digest: str
    image_shape: tuple[int, int, int]
    split_sizes: Mapping[str, int]
    chance_loss: float
    bad_images: tuple[BadImage, ...]


@dataclass(frozen=True)
class StudyContext:
    """What all trainings of a study have alike: the data, and the machine that they run on."""

    data: DataSummary
    device: str
    threads: int
    hardware: str


@dataclass(frozen=True)
class TrialSpecification:
    """A training that has not begun; `hyperparameters` are all that its optimizer works with."""

    settings: TrainSettings
    context: StudyContext
    hyperparameters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The training's identity: 32 hex digits of the settings, the data and our code's version.

        Versions of libraries are not in it, though some change a number's last digits: the run's tags have them.
        """
        settings = self.settings
        identity = {
            "model": settings.model,
            "hidden": settings.hidden if settings.model in BUILTIN_NETWORKS else None,
            "optimizer": settings.optimizer,
            "hyperparameters": {name: value for name, value in self.hyperparameters.items() if name not in SWITCHES},
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "seed": settings.seed,
            "data": self.context.data.digest,
            "device": self.context.device.partition(":")[0],
            "threads": self.context.threads,
            "version": TRAINING_VERSION,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """What a person reads in a list of runs: `adam lr=0.001`."""
        return f"{self.settings.optimizer} lr={format_setting(self.settings.lr)}"

    @property
    def title(self) -> str:
        """What a person reads above a picture: `digits: mlp, adam, learning rate 0.001`."""
        settings = self.settings
        lr = format_setting(settings.lr)
        return f"{self.context.data.name}: {settings.model}, {settings.optimizer}, learning rate {lr}"

    @property
    def params(self) -> dict[str, str]:
        """The parameters on the server: the settings, and as `optimizer.betas` torch's defaults for the rest."""
        defaults = {name: value for name, value in self.hyperparameters.items() if name not in ("lr", "momentum")}
        return parameters(self.settings) | {
            f"optimizer.{name}": format_setting(value) for name, value in defaults.items()
        }

    @property
    def tags(self) -> dict[str, str]:
        """The tags on the server: what a person or a report asks for later."""
        tags = {
            KIND: "train",
            KEY: self.key,
            DATA_DIGEST: self.context.data.digest,
            DEVICE: self.context.device,
            THREADS: str(self.context.threads),
            HARDWARE: self.context.hardware,
            VERSIONS: ", ".join(f"{name} {version}" for name, version in provenance.versions().items()),
        }
        changed = provenance.uncommitted_changes()
        return tags if changed is None else tags | {UNCOMMITTED: str(changed).lower()}


@dataclass(frozen=True)
class PreflightResult:
    """What a worker found out for a study: the context, each optimizer's hyperparameters, and how long things take.

    `data_seconds` is what it took to load the data, `epoch_seconds` about what an epoch takes.
    """

    context: StudyContext
    hyperparameters: Mapping[str, Mapping[str, Any]]
    data_seconds: float
    epoch_seconds: float

    def describe(self, settings: TrainSettings) -> TrialSpecification:
        """One of the study's trainings."""
        return TrialSpecification(
            settings, self.context, {**self.hyperparameters[settings.optimizer], "lr": settings.lr}
        )

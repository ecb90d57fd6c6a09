"""The specification of a training in plain values: its settings, the data, the machine, its identity.

Importing it does not import PyTorch: a study's driver identifies and logs trainings without it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lrstudy import provenance
from lrstudy.data.duplicates import NO_DUPLICATES, Duplicates
from lrstudy.data.records import BadImage
from lrstudy.formatting import format_setting, join_and, truncate
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.optimizers import SWITCHES
from lrstudy.pretrained import NONE
from lrstudy.server_names import (
    CODE,
    CONTINUE_FROM,
    DATA_DIGEST,
    DEVICE,
    HARDWARE,
    KEY,
    KIND,
    NETWORK_WEIGHTS,
    NORMALISATION,
    PRECISION,
    PREPROCESSING,
    THREADS,
    UNCOMMITTED,
    VERSIONS,
    WEIGHTS_DIGEST,
)
from lrstudy.settings import TrainSettings, parameters
from lrstudy.settings.training import NO_RUN, OptimizerChoice
from lrstudy.training.gpu_use import GpuUse
from lrstudy.verdicts.chance_level import ChanceLevel

# Part of a training's identity: raise it whenever the numbers of trainings change.
TRAINING_VERSION = 1
MAX_NAMED_CLASSES = 10


@dataclass(frozen=True)
class DataSummary:
    """A data set without its images. `image_shape` is that of a stored image, `split_sizes` are images per split.

    `chance_loss` is the cross-entropy, in nats, of predicting the class shares of the training split for every image;
    `chance_accuracy` is the share of the validation split's largest class. `skipped_files`
    counts the files that are not images or belong to no class. `remarks`, `preprocessing`, `files_state`, `warnings`
    and `duplicates` are those of `ImageData`.
    """

    name: str
    source: str
    digest: str
    image_shape: tuple[int, int, int]
    split_sizes: Mapping[str, int]
    chance_loss: float
    bad_images: tuple[BadImage, ...]
    classes: tuple[str, ...]
    skipped_files: int
    remarks: tuple[str, ...]
    preprocessing: int
    chance_accuracy: float
    files_state: str = ""
    warnings: tuple[str, ...] = ()
    duplicates: Duplicates = NO_DUPLICATES

    @property
    def class_list(self) -> str:
        """The number of classes, and the names of the first ones: `2 classes: cat and dog`."""
        names = [truncate(name) for name in self.classes[:MAX_NAMED_CLASSES]]
        return f"{len(self.classes)} classes: {join_and(names, len(self.classes))}"

    @property
    def chance_level(self) -> ChanceLevel:
        """The scores of a guess that ignores the image."""
        return ChanceLevel(self.chance_accuracy, self.chance_loss, self.split_sizes["validation"])


@dataclass(frozen=True)
class StudyContext:
    """The data and the machine, which all trainings of a study share.

    `precision` describes the arithmetic; `code` are the digests of the user's own files and of pretrained weights, by
    the settings' values that name them; `normalisation` says how images are normalised for pretrained weights.
    `weights` are the numbers of weights of the networks, by the setting `hidden`, once they are built.
    """

    data: DataSummary
    device: str
    threads: int
    hardware: str
    precision: str
    code: Mapping[str, str] = field(default_factory=dict)
    normalisation: str = ""
    weights: Mapping[tuple[int, ...], int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialSpecification:
    """A training in plain values; `hyperparameters` are all of its optimizer's."""

    settings: TrainSettings
    context: StudyContext
    hyperparameters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The training's identity: a digest of the settings, the data and the training code's version, 32 hex digits.

        Versions of libraries are not part of it, though some change a number's last digits; the run's tags have them.
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
        if recipe := {name: value for name, value in settings.recipe.items() if name != "weights"}:
            identity["recipe"] = recipe
        if settings.weights != NONE:
            identity["weights"] = self.context.code[settings.weights]
        if settings.continue_from != NO_RUN:
            identity["continue_from"] = settings.continue_from
        if settings.optimizer_args != "none":
            identity["optimizer_args"] = settings.optimizer_args
        for reference in settings.code:
            # The file's place is not part of the identity: the content is.
            identity |= {
                reference.setting: reference.name,
                f"{reference.setting}_code": self.context.code[reference.text],
            }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """The run's name: `adam lr=0.001 seed=0`."""
        return f"{self.optimizer} lr={format_setting(self.settings.lr)} seed={self.settings.seed}"

    @property
    def model_name(self) -> str:
        """The name of the MLflow model, without characters that MLflow rejects: `digits mlp adam lr=1e-3 seed=0`."""
        settings = self.settings
        name = f"{self.context.data.name} {settings.model} {self.optimizer} lr={_without_point(settings.lr)}"
        return re.sub(r"""[/:.%"']""", "_", f"{name} seed={settings.seed}")

    @property
    def optimizer(self) -> str:
        """The optimizer's name, with the settings that distinguish it from its default: `sgd momentum=0.9`."""
        return self.settings.optimizer_label

    @property
    def title(self) -> str:
        """The title of figures: `digits: mlp, adam, learning rate 0.001`."""
        settings = self.settings
        lr = format_setting(settings.lr)
        return f"{self.context.data.name}: {settings.model}, {self.optimizer}, learning rate {lr}"

    @property
    def params(self) -> dict[str, str]:
        """The parameters on the server: the settings, and the optimizer's other defaults, such as `optimizer.betas`."""
        defaults = {name: value for name, value in self.hyperparameters.items() if name not in ("lr", "momentum")}
        return parameters(self.settings) | {
            **{f"optimizer.{name}": format_setting(value) for name, value in defaults.items()},
            **{f"{file.setting}{CODE}": self.context.code[file.text] for file in self.settings.code},
            **({WEIGHTS_DIGEST: self.context.code[self.settings.weights]} if self.settings.weights != NONE else {}),
        }

    @property
    def tags(self) -> dict[str, str]:
        """The tags on the server."""
        tags = {
            KIND: "train",
            KEY: self.key,
            DATA_DIGEST: self.context.data.digest,
            PREPROCESSING: str(self.context.data.preprocessing),
            DEVICE: self.context.device,
            THREADS: str(self.context.threads),
            HARDWARE: self.context.hardware,
            PRECISION: self.context.precision,
            VERSIONS: ", ".join(f"{name} {version}" for name, version in provenance.versions().items()),
        }
        if weights := self.context.weights.get(self.settings.hidden):
            tags[NETWORK_WEIGHTS] = str(weights)
        if self.context.normalisation:
            tags[NORMALISATION] = self.context.normalisation
        if self.settings.continue_from != NO_RUN:
            tags[CONTINUE_FROM] = self.settings.continue_from
        changed = provenance.uncommitted_changes()
        return tags if changed is None else tags | {UNCOMMITTED: str(changed).lower()}


def _without_point(lr: float) -> str:
    """Return a learning rate in digits and a power of ten: `1e-3`, `25e-4`, `3`."""
    _, digits, exponent = Decimal(repr(lr)).normalize().as_tuple()
    return f"{''.join(map(str, digits))}{f'e{exponent}' if exponent else ''}"


@dataclass(frozen=True)
class PreflightResult:
    """The result of a preflight: the context of a study, the hyperparameters of each optimizer, and some measurements.

    `data_seconds` is the time that it took to load the data (on a cluster, until its machines had them and the
    preflight had run there), `epoch_seconds` an estimate of the time of an epoch; 0 where it was not measured.
    `fixed_seconds` are the seconds that a training takes besides. `gpu_use` is None on a CPU, and where it was not
    measured. `cpu_seconds` are those of a training on the CPU, measured where `device=auto` is a GPU.
    """

    context: StudyContext
    hyperparameters: Mapping[OptimizerChoice, Mapping[str, Any]]
    data_seconds: float
    epoch_seconds: float
    fixed_seconds: float
    gpu_use: GpuUse | None = None
    cpu_seconds: float = math.inf

    def describe(self, settings: TrainSettings) -> TrialSpecification:
        """Return the specification of one of the study's trainings."""
        return TrialSpecification(settings, self.context, {**self.hyperparameters[settings.choice], "lr": settings.lr})

"""The setup of a training: the network, the optimizer and the splits of the data, on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.hardware import free_gpu_memory
from lrstudy.networks import Shape, build_model, has_batch_norm, has_convolutions
from lrstudy.optimizers import OPTIMIZERS
from lrstudy.settings import TrainSettings
from lrstudy.training.augmentation import AUGMENTATIONS, Augmentation
from lrstudy.training.cuda_graphs import record_graph
from lrstudy.training.data_splits import DataSplit, Normalise, load_split
from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.epoch import Epoch
from lrstudy.training.fine_tuning import fine_tune
from lrstudy.training.loop import batch_sizes, train_epochs
from lrstudy.training.passes import EagerPasses, Passes
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.recipe import Recipe
from lrstudy.training.recorded_passes import RecordedPasses
from lrstudy.training.seeding import seed_random_draws
from lrstudy.training.weight_average import WeightAverage
from lrstudy.user_code import package_reference

UNKNOWN_CODE = "Passes ran without CUDA graphs: the network or the optimizer is of a package, or your own."


class Classifier(nn.Module):
    """A network with its normalisation, from stored images, uint8 `(N, side, side, channels)`, to probabilities.

    Training and evaluation use `network` alone, on normalised images, for its logits.
    """

    def __init__(self, normalise: Normalise, network: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.normalise(images)).softmax(1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class TrainingSetup:
    """The pieces of a training that is ready to run."""

    plan: TrainingPlan
    classifier: Classifier
    optimizer: torch.optim.Optimizer
    train: DataSplit
    validation: DataSplit
    recipe: Recipe
    average: WeightAverage | None
    diagnosis: Diagnosis | None
    passes: Passes

    def load_test(self) -> DataSplit:
        """Load the held-out test split, which is evaluated once, after training."""
        return _load_split(self.plan, self.classifier, self.plan.data.test)

    @property
    def network(self) -> nn.Module:
        """The network, from normalised images, float32 `(N, channels, side, side)`, to logits `(N, classes)`."""
        return self.classifier.network

    def epochs(self, last_done: int = -1) -> Iterator[Epoch]:
        """Train; yield epoch 0 and each epoch as it ends, those after `last_done` if the training resumes."""
        settings = self.plan.settings
        return train_epochs(
            self.network,
            self.optimizer,
            self.train,
            self.validation,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=settings.seed,
            recipe=self.recipe,
            average=self.average,
            diagnosis=self.diagnosis,
            passes=self.passes,
            last_done=last_done,
        )


def build(plan: TrainingPlan) -> TrainingSetup:
    """Build the training that `plan` describes; the same seed gives the same initial weights.

    Raises:
        SettingsError: the network does not accept these images, cannot learn from batches of one, or does not fit the
            pretrained weights.
    """
    settings, data = plan.settings, plan.data
    shape = Shape(channels=data.images.shape[3], side=data.images.shape[1], classes=len(data.classes))
    classifier = build_classifier(settings, shape, *plan.normalisation).to(plan.runtime.device)
    network = classifier.network
    weights = plan.weights
    trained = fine_tune(network, weights, settings, shape.classes) if weights else list(network.parameters())
    # Reject the settings here, before a run is opened, and not at the first step.
    steps = len(batch_sizes(len(data.train), settings.batch_size, no_single=has_batch_norm(network)))
    average = WeightAverage(network, settings.ema) if settings.ema else None
    train = _load_split(plan, classifier, data.train, AUGMENTATIONS.get(settings.augment))
    validation = _load_split(plan, classifier, data.validation)
    optimizer, recipe = plan.optimizer(trained), plan.recipe(steps)
    diagnosis = None
    if settings.diagnose is True:
        diagnosis = Diagnosis(train, recipe, epochs=settings.epochs, steps=steps, batch_size=settings.batch_size)
    passes = choose_passes(plan, network, recipe)
    return TrainingSetup(plan, classifier, optimizer, train, validation, recipe, average, diagnosis, passes)


def build_classifier(
    settings: TrainSettings, shape: Shape, mean: tuple[float, ...], std: tuple[float, ...]
) -> Classifier:
    """Return the network that `settings` describe, with its initial weights, on the CPU.

    Raises:
        SettingsError: the network cannot take images of this shape.
    """
    seed_random_draws(settings.seed)
    network = build_model(settings.model, shape, settings.hidden)
    if has_convolutions(network):
        network.to(memory_format=torch.channels_last)
    return Classifier(Normalise(mean, std), network)


def choose_passes(plan: TrainingPlan, network: nn.Module, recipe: Recipe) -> Passes:
    """Return the passes of a network, which a GPU replays where they are certain to have the same bits.

    Code of users may do other things from step to step, and their optimizers may move weights in memory.
    """
    if plan.runtime.device.type != "cuda":
        return EagerPasses(network, recipe)
    settings = plan.settings
    if settings.code or package_reference(settings.model) or settings.optimizer not in OPTIMIZERS:
        return EagerPasses(network, recipe, UNKNOWN_CODE)
    return RecordedPasses(network, EagerPasses(network, recipe), record_graph)


def _load_split(
    plan: TrainingPlan, classifier: Classifier, rows: np.ndarray, augmentation: Augmentation | None = None
) -> DataSplit:
    images, labels, normalise = plan.data.images, plan.data.labels, classifier.normalise
    channels_last = has_convolutions(classifier.network)
    memory = free_gpu_memory(plan.runtime.device) if plan.runtime.device.type == "cuda" else None
    return load_split(
        images, labels, rows, normalise, channels_last=channels_last, augmentation=augmentation, gpu_memory=memory
    )

"""Trainings for `gpu.py` and `gpu_check.py`, on the device that their settings name, in this process or in others."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.data import ImageData
from lrstudy.networks import Shape
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import checkpoint, data_splits, runtime, setup
from lrstudy.training.gpu_use import release_gpu_memory
from lrstudy.training.passes import EagerPasses
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.progress import finalize, initial_progress, track_best
from lrstudy.training.setup import TrainingSetup

CLASSES = 10
SECONDS_BETWEEN_LOOKS = 0.01


class Images(NamedTuple):
    """The images of a training: this number of random ones, in colour, of this side; 0: the digits."""

    number: int = 0
    side: int = 8


class Features(NamedTuple):
    """The accelerations of a training on a GPU, each of which can be switched off."""

    graphs: bool = True
    images_on_device: bool = True
    read_ahead: bool = True


ALL_ON = Features()


@cache
def random_images(images: Images) -> ImageData:
    """Return random images, four fifths of them for training."""
    random = np.random.default_rng(0)
    pixels = random.integers(256, size=(images.number, images.side, images.side, 3), dtype=np.uint8)
    labels = random.integers(CLASSES, size=images.number)
    train, validation, test = np.split(np.arange(images.number), [images.number * 8 // 10, images.number * 9 // 10])
    names = tuple(str(label) for label in range(CLASSES))
    moments = (127.5,) * 3, (73.9,) * 3
    return ImageData("random", "here", pixels, labels, names, train, validation, test, "0" * 32, *moments, 0)


@contextmanager
def switched(features: Features) -> Iterator[None]:
    """Load images within the block as `features` say."""
    changes: dict[str, object] = {} if features.images_on_device else {"GPU_MEMORY_SHARE": 0.0}
    changes |= {} if features.read_ahead else {"read_ahead": map}
    with patch.dict(vars(data_splits), changes):
        yield


def build(settings: TrainSettings, images: Images, features: Features = ALL_ON) -> TrainingSetup:
    """Return a training that is ready to run."""
    if images.number:
        plan = TrainingPlan(settings, random_images(images), runtime.prepare(settings))
    else:
        plan = planned(settings)
    training = setup.build(plan)
    if features.graphs:
        return training
    return replace(training, passes=EagerPasses(training.network, training.recipe))


def train(settings: TrainSettings, images: Images, features: Features = ALL_ON) -> tuple[str, str]:
    """Train; return a digest of all losses and weights, and the reason why passes were not replayed, if any."""
    with switched(features):
        training = build(settings, images, features)
        losses = [(epoch.train_loss, epoch.val_loss) for epoch in training.epochs()]
    return _digest(losses, training), training.passes.left_out


def train_and_be_killed(settings: TrainSettings, images: Images, run_id: str, last_epoch: int) -> tuple[str, int]:
    """Train with a checkpoint per epoch, and kill this process after `last_epoch` if it began before.

    Returns:
        The digest of all losses and weights, and the epoch after which the training was resumed.
    """
    checkpoint.SECONDS_BETWEEN, checkpoint.MAX_SHARE = -1.0, float("inf")
    training, progress = checkpoint.resume(build(settings, images), run_id)
    resumed = len(progress.history) - 1
    epochs = track_best(training, progress, training.epochs(resumed))
    for epoch in checkpoint.save_checkpoints(training, run_id, progress, epochs):
        if resumed < epoch.epoch == last_epoch:
            os.kill(os.getpid(), signal.SIGKILL)
    return _digest([(epoch.train_loss, epoch.val_loss) for epoch in progress.history], training), resumed


def _digest(losses: list[tuple[float, float]], training: TrainingSetup) -> str:
    weights = [weight.cpu().numpy().tobytes() for weight in training.network.state_dict().values()]
    return hashlib.sha256(b"".join([repr(losses).encode(), *weights])).hexdigest()[:16]


def complete_training(settings: TrainSettings) -> None:
    """Train on the digits, and evaluate the best weights on the test split."""
    training = build(settings, Images())
    progress = initial_progress(training)
    for _ in track_best(training, progress, training.epochs()):
        pass
    finalize(training, progress)


def warm_up(settings: TrainSettings, folder: Path, processes: int) -> None:
    """Train once, at the same time as this function's other calls, so that each process has begun to use its GPU."""
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < processes:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    complete_training(settings)


def memory_after_training(settings: TrainSettings, images: Images) -> int:
    """Train, give memory back, and return the bytes that this process still has of the GPU."""
    train(settings, images)
    release_gpu_memory()
    return torch.cuda.memory_reserved()


def step_milliseconds(settings: TrainSettings, images: Images, features: Features = ALL_ON) -> float:
    """Return the median time of a training step, over the later half of the epochs."""
    with switched(features):
        training = build(settings, images, features)
        seconds = [epoch.train_seconds for epoch in training.epochs()]
    steps = -(-len(training.train) // settings.batch_size)
    return 1000 * median(seconds[len(seconds) // 2 :]) / steps


def images_per_second(settings: TrainSettings, images: Images, features: Features = ALL_ON) -> float:
    """Return the images per second of the steps of a training."""
    per_step = min(settings.batch_size, len(random_images(images).train))
    rate = 1000 * per_step / step_milliseconds(settings, images, features)
    release_gpu_memory()
    return rate


def plain_images_per_second(settings: TrainSettings, images: Images) -> float:
    """Return the images per second of a plain loop: channels last, normalised data on the device, bf16 on request."""
    rate = len(random_images(images).train) / _plain_epoch_seconds(settings, images)
    release_gpu_memory()
    return rate


def _plain_epoch_seconds(settings: TrainSettings, images: Images) -> float:
    data, device = random_images(images), runtime.choose_device(settings.device)
    shape = Shape(channels=3, side=images.side, classes=CLASSES)
    classifier = setup.build_classifier(settings, shape, data.mean, data.std)
    normalise, network = classifier.normalise, classifier.network.to(device)
    inputs = normalise(torch.from_numpy(data.images[data.train])).to(device)
    labels = torch.from_numpy(data.labels[data.train]).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    seconds = []
    for _ in range(settings.epochs):
        started = time.perf_counter()
        total = torch.zeros((), device=device)
        for rows in torch.split(torch.randperm(len(inputs), device=device), settings.batch_size):
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
                loss = cross_entropy(network(inputs[rows]), labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        total.item()
        seconds.append(time.perf_counter() - started)
    return median(seconds[len(seconds) // 2 :])

"""What a worker finds out before a study begins: whether its trainings are possible, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import setup
from lrstudy.training.setup import TrainingSetup
from lrstudy.training.specification import PreflightResult

# A step of so many images is timed first: where it is slow, a whole batch is not tried.
FEW_IMAGES = 16
MAX_SECONDS = 0.5
# A forward pass takes about a third of a step's time: https://arxiv.org/abs/2001.08361, section 2.1.
FORWARD_SHARE = 1 / 3


def survey(trainings: Sequence[TrainSettings]) -> PreflightResult:
    """The facts of a study whose trainings are like these: of each optimizer and each shape of network at least one.

    Raises:
        DataError: the images are missing, broken, or too few.
        SettingsError: a network cannot take these images, or there is no such device.
    """
    began = time.perf_counter()
    plans = [planned(settings) for settings in trainings]
    data_seconds = time.perf_counter() - began
    shapes = {plan.settings.hidden: plan for plan in plans}
    built = [setup.build(plan) for plan in shapes.values()]
    seconds = [_epoch_seconds(training) for training in built]
    hyperparameters = {plan.settings.optimizer: plan.hyperparameters for plan in plans}
    return PreflightResult(plans[0].context, hyperparameters, data_seconds, sum(seconds) / len(seconds))


def _epoch_seconds(training: TrainingSetup) -> float:
    """About how long an epoch takes, by the time of a step or two."""
    images, batch = len(training.train), min(training.plan.settings.batch_size, len(training.train))
    few = min(FEW_IMAGES, batch)
    _step_seconds(training, few)  # the first one takes longer
    an_image = _step_seconds(training, few) / few
    if an_image * batch < MAX_SECONDS:
        an_image = min(_step_seconds(training, batch) for _ in range(2)) / batch
    return an_image * (images + FORWARD_SHARE * len(training.validation))


def _step_seconds(training: TrainingSetup, images: int) -> float:
    started = time.perf_counter()
    training.network.train()
    training.optimizer.zero_grad()
    inputs, labels = training.train.batch(torch.arange(images))
    loss = cross_entropy(training.network(inputs), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    training.optimizer.step()
    loss.item()
    return time.perf_counter() - started

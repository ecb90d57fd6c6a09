"""The time of a training on the CPU, where another device would train it."""

from __future__ import annotations

import math
import time

import torch
from torch.nn.functional import cross_entropy

from lrstudy.networks import BUILTIN_NETWORKS, Shape
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.setup import build_classifier
from lrstudy.training_steps import count_steps

# Larger images are not tried: the CPU never trains on them faster than a GPU starts.
MAX_SIDE = 64
# Whole batches are not tried if a step of a few images takes longer.
FEW_IMAGES, MAX_SECONDS = 16, 0.1
REPEATS = 3


def cpu_seconds(plan: TrainingPlan) -> float:
    """Estimate the seconds of a training on the CPU by a few steps; infinite for a network or images that are large."""
    settings, data = plan.settings, plan.data
    shape = Shape(channels=data.images.shape[3], side=data.images.shape[1], classes=len(data.classes))
    if settings.model not in BUILTIN_NETWORKS or shape.side > MAX_SIDE:
        return math.inf
    network = build_classifier(settings, shape, *plan.normalisation).network.train()
    optimizer = plan.optimizer(list(network.parameters()))

    def step(images: int) -> float:
        inputs, labels = torch.zeros(images, shape.channels, shape.side, shape.side), torch.zeros(images).long()
        began = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return time.perf_counter() - began

    batch = min(settings.batch_size, len(data.train))
    step(1)  # the first step takes longer
    if step(min(FEW_IMAGES, batch)) > MAX_SECONDS:
        return math.inf
    return min(step(batch) for _ in range(REPEATS)) * count_steps(len(data.train), batch, settings.epochs)

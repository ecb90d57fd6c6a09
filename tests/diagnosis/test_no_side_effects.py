"""A training with a diagnosis has the bits of one without, and the same random draws."""

import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrstudy.optimizers import OPTIMIZERS
from lrstudy.schedules import SCHEDULES, Schedule
from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.recipe import Loss, Recipe
from small_trainings import CLASSES, STEPS, Trained, check_no_effect, dense, every_step

__all__ = ["every_step"]


class Surprising(nn.Module):
    """A network that draws from every global generator while it trains, counts its passes, and keeps activations."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = dense(nn.BatchNorm1d(8), nn.Dropout(0.4))
        self.passes = 0
        self.seen: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        self.passes += 1
        if self.training:
            images = images * (0.5 + random.random()) + np.random.normal() * 0.1 + torch.rand(()) / (1 + self.passes)
        self.seen = self.layers(images)
        return self.seen


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_the_same_bits(optimizer: str) -> None:
    measured = check_no_effect(lambda: dense(nn.BatchNorm1d(8), nn.Dropout(0.4)), optimizer=optimizer, lr=0.01)
    assert measured.diagnosis is not None
    assert not measured.diagnosis.left_out
    assert all(record.why_lr_over_critical > 0 for record in measured.records[1:])
    assert all(record.why_update_ratio > 0 for record in measured.records[1:])


@pytest.mark.usefixtures("every_step")
def test_a_network_that_draws_from_all_generators_and_counts_its_passes_has_the_same_bits() -> None:
    measured = check_no_effect(Surprising, epochs=2)
    assert measured.diagnosis is not None
    assert not measured.diagnosis.left_out
    assert isinstance(measured.network, Surprising)
    assert measured.network.passes == 2 + 2 * (STEPS + 1)  # the untrained network's two, then steps and validation


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "convolutions"])
def test_parametrized_layers_and_convolutions_have_the_same_bits(kind: str) -> None:
    def build() -> nn.Module:
        torch.manual_seed(0)
        if kind == "convolutions":
            layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, CLASSES)
            return nn.Sequential(*layers).to(memory_format=torch.channels_last)
        normalise = getattr(nn.utils.parametrizations, kind)
        return dense(normalise(nn.Linear(8, 8)))

    measured = check_no_effect(build)
    assert measured.diagnosis is not None
    assert not measured.diagnosis.left_out
    assert measured.records[-1].why_lr_over_critical > 0


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_and_recipe_has_the_same_bits(schedule: str) -> None:
    loss = Loss(0.1, torch.tensor([1.0, 2.0, 0.5]))
    measured = check_no_effect(dense, recipe=Recipe(Schedule(schedule, 3 * STEPS), loss, clip_norm=0.5))
    ratios = [record.why_lr_over_critical for record in measured.records[1:]]
    assert all(ratio > 0 for ratio in ratios)


@pytest.mark.usefixtures("every_step")
def test_a_frozen_layer_stays_as_it_is_and_has_no_movement() -> None:
    def build() -> nn.Module:
        network = dense(nn.BatchNorm1d(8))
        for weight in network[1].parameters():
            weight.requires_grad_(False)
        return network

    measured = check_no_effect(build, recipe=Recipe(frozen_backbone=True))
    assert measured.diagnosis is not None
    moved = {row.layer for row in measured.diagnosis.rows if not math.isnan(row.update_ratio)}
    assert moved == {"2", "4"}


@pytest.mark.usefixtures("every_step")
def test_a_training_that_diverges_has_the_same_bits_and_goes_on_to_its_end() -> None:
    measured = check_no_effect(dense, lr=1e30, epochs=9)
    assert measured.records[-1].diverged


def test_the_seconds_of_training_are_without_those_of_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Diagnosis, "take_seconds", lambda _: 1000.0)
    assert Trained(dense, diagnose=True, epochs=1).records[1].train_seconds < -900
    monkeypatch.undo()
    measured = Trained(dense, diagnose=True, epochs=1)
    assert measured.records[1].train_seconds > 0

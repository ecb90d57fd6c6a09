"""Measurements that fail are left out with a sentence, and the training reaches its end."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.recipe import PLAIN_RECIPE
from small_trainings import Trained, check_no_effect, dense, every_step, split

__all__ = ["every_step"]
GENERATOR = np.random.default_rng(0)


class Noisy(nn.Module):
    """A network that draws random numbers in evaluation, too."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = dense()

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images + torch.randn_like(images))  # type: ignore[no-any-return]


class Unrepeatable(Noisy):
    """A network whose draws in training are from a generator that nobody else knows."""

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images + (GENERATOR.normal() if self.training else 0))  # type: ignore[no-any-return]


class Hungry(Noisy):
    """A network that fits into memory only when its gradient is not needed for long, as on a GPU that is full."""

    passes = 0

    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled() or not self.training:
            return self.layers(images)  # type: ignore[no-any-return]
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class OnlyWithGradients(Hungry):
    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled() or not self.training:
            return self.layers(images)  # type: ignore[no-any-return]
        raise ValueError("mine needs gradients.\nSecond line")


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Noisy, "the network's outputs are random in evaluation."),
        (Unrepeatable, "the network draws random numbers that cannot be drawn again."),
        (Hungry, "the device has too little memory left."),
        (OnlyWithGradients, "ValueError: mine needs gradients."),
    ],
)
def test_a_network_that_cannot_be_measured_trains_to_its_end(network: type[nn.Module], reason: str) -> None:
    measured = Trained(network, diagnose=True)
    assert measured.diagnosis is not None
    assert measured.diagnosis.left_out == f"No causes of this verdict were measured: {reason}"
    assert len(measured.records) == 4
    assert not any(record.causes for record in measured.records)
    assert measured.diagnosis.rows == []


def test_a_network_whose_copies_do_not_fit_into_memory_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = sum(weight.nbytes for weight in dense().parameters())
    for free, is_measured in ((4 * weights, True), (4 * weights - 1, False)):
        monkeypatch.setattr("lrstudy.training.diagnosis.diagnosis.free_memory_bytes", lambda free=free: free)
        measured = Trained(dense, diagnose=True)
        assert measured.diagnosis is not None
        assert measured.diagnosis.left_out.endswith("too little memory left.") is not is_measured
        assert any(record.causes for record in measured.records) is is_measured


@pytest.mark.parametrize("network", [Noisy, Hungry, OnlyWithGradients])
def test_the_attempt_has_no_effect(network: type[nn.Module]) -> None:
    check_no_effect(network)


def test_one_training_image_is_too_few() -> None:
    one = Trained(dense, diagnose=True, train=split(1), epochs=2)
    assert one.diagnosis is not None
    assert one.diagnosis.left_out.endswith("the training split has a single image.")
    assert [record.epoch for record in one.records] == [0, 1, 2]
    assert not any(record.causes for record in one.records)
    two = Trained(dense, diagnose=True, train=split(2), epochs=2)
    assert two.diagnosis is not None
    assert not two.diagnosis.left_out
    assert all(record.causes for record in two.records[1:])


@pytest.mark.usefixtures("every_step")
def test_a_failure_in_the_middle_keeps_what_was_measured_before(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Trained(dense, diagnose=True, epochs=2)
    assert measured.diagnosis is not None
    state = measured.diagnosis.state

    class Later(Hungry):
        def forward(self, images: Tensor) -> Tensor:
            return self.layers(images) if not self.training else super().forward(images)

    again = Diagnosis(measured.train, PLAIN_RECIPE, epochs=3, steps=3, batch_size=16)
    again.restore(state, [2.0, 1.0, math.nan])
    inputs, labels = measured.train.batch(torch.arange(16))
    network = Later().train()
    with again.step(network, 6, inputs, labels):
        cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
        torch.optim.SGD(network.parameters(), 0.1).step()
    assert again.left_out == "No causes after epoch 2 were measured: the device has too little memory left."
    assert [row.epoch for row in again.rows] == [1, 1, 1, 2, 2, 2]
    assert again.end_epoch(measured.network, 3, 1.5) == {}

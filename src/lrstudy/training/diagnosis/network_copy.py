"""A copy of a network, on which losses are evaluated without any effect on the network or on random draws."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.training.recipe import Loss


@dataclass(frozen=True)
class RandomState:
    """The states of the generators that a network may draw from: torch's on the CPU and a GPU, NumPy's and Python's."""

    torch_cpu: Tensor
    torch_gpu: Tensor | None
    numpy: Any
    python: Any

    @classmethod
    def capture(cls, device: torch.device) -> RandomState:
        """Return the present states."""
        gpu = None
        if device.type == "cuda":
            gpu = torch.cuda.get_rng_state(device)
        elif device.type == "mps":
            gpu = torch.mps.get_rng_state()
        return cls(torch.get_rng_state(), gpu, np.random.get_state(), random.getstate())

    def equals(self, other: RandomState) -> bool:
        """Return whether nothing was drawn between this state and another."""
        tensors = (self.torch_cpu, other.torch_cpu), (self.torch_gpu, other.torch_gpu)
        return (
            all(one is other if one is None or other is None else torch.equal(one, other) for one, other in tensors)
            and all(itertools.starmap(np.array_equal, zip(self.numpy, other.numpy, strict=True)))
            and self.python == other.python
        )

    def restore(self, device: torch.device) -> None:
        """Set the generators back to these states."""
        torch.set_rng_state(self.torch_cpu)
        if self.torch_gpu is not None and device.type == "cuda":
            torch.cuda.set_rng_state(self.torch_gpu, device)
        elif self.torch_gpu is not None:
            torch.mps.set_rng_state(self.torch_gpu)
        np.random.set_state(self.numpy)
        random.setstate(self.python)


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[RandomState]:
    """Yield the states of the generators, and restore them at the end of the block."""
    state = RandomState.capture(device)
    try:
        yield state
    finally:
        state.restore(device)


def copy_network(network: nn.Module) -> nn.Module:
    """Return a copy of a network with its buffers, its modes and all its other attributes.

    Activations that layers have kept as attributes are copied without their graph, which torch cannot copy.
    """
    attributes = (value for layer in network.modules() for value in vars(layer).values())
    kept = {id(value): value.detach() for value in attributes if isinstance(value, Tensor) and value.grad_fn}
    copied: nn.Module = copy.deepcopy(network, kept)
    return copied


class LossAlongStep:
    """The loss of a batch as a function of the weights of `network`, a copy that is changed.

    Each evaluation begins with the same buffers and the same random draws, and so computes the same function. `start`
    are the weights at first, of those that are trained; `precision` is that of the network's outputs.
    """

    precision: float

    def __init__(self, network: nn.Module, inputs: Tensor, labels: Tensor, loss: Loss, state: RandomState) -> None:
        self._network = network
        self._inputs = inputs
        self._labels = labels
        self._state = state
        weights = loss.class_weights
        self._loss = Loss(loss.label_smoothing, None if weights is None else in_high_precision(weights))
        self._buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
        self._weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.start = [weight.detach().clone() for weight in self._weights]

    def gradient(self) -> tuple[float, list[Tensor]]:
        """Return the loss of the weights as they were at first, and its gradient by each weight that is trained."""
        loss = self._evaluate()
        gradients = torch.autograd.grad(loss, self._weights, allow_unused=True, materialize_grads=True)
        return loss.item(), list(gradients)

    @torch.no_grad()
    def start_loss(self) -> float:
        """Return the loss of the present weights."""
        return self._evaluate().item()

    @torch.no_grad()
    def at(self, step: list[Tensor], length: float) -> float:
        """Return the loss where `step` is made this many times as long."""
        for weight, start, part in zip(self._weights, self.start, step, strict=True):
            torch.add(start, part, alpha=length, out=weight)
        return self._evaluate().item()

    def _evaluate(self) -> Tensor:
        with torch.no_grad():
            for buffer, value in self._buffers:
                buffer.copy_(value)
        self._state.restore(self._inputs.device)
        logits = self._network(self._inputs)
        self.precision = torch.finfo(logits.dtype).eps
        return self._loss(in_high_precision(logits), self._labels)


def in_high_precision(values: Tensor) -> Tensor:
    """Return values in float64, or in float32 on a device without it."""
    return values.float() if values.device.type == "mps" else values.double()

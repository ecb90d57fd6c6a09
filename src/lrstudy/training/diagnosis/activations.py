"""Dead rectified linear units and saturated predictions, measured on a fixed sample of training images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# The functions by which networks rectify, as layers or by themselves.
RECTIFIERS = {functional.relu, functional.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
# A prediction with a probability above this is saturated.
SATURATED = 0.99


@dataclass(frozen=True)
class Activations:
    """The state of a network on a sample of images.

    `dead` and `units` are the numbers of dead units and of all units of each rectified layer, by the layer's name.
    `saturated` is the share of images whose most likely class has a probability above `SATURATED`: Guo et al. 2017,
    https://arxiv.org/abs/1706.04599, section 3, show that such confidence grows while the validation loss rises.
    """

    dead: Mapping[str, int]
    units: Mapping[str, int]
    saturated: float

    @property
    def dead_share(self) -> float:
        """The share of rectified units that are 0 for every image; NaN for a network without such units.

        Source: Lu et al. 2019, https://arxiv.org/abs/1903.06733, section 3, who call a unit dead that is 0 for every
        input.
        """
        units = sum(self.units.values())
        return sum(self.dead.values()) / units if units else math.nan


def measure_activations(network: nn.Module, inputs: Tensor) -> Activations:
    """Measure `network`, a copy in evaluation mode that gets hooks, on images `(n, channels, side, side)`."""
    with torch.no_grad(), _RectifierCounter(network) as counter:
        logits = network(inputs)
    certain = logits.float().softmax(1).amax(1) > SATURATED
    dead = {name: int(count) for name, count in counter.dead.items()}
    return Activations(dead, counter.units, certain.float().mean().item())


class _RectifierCounter(TorchFunctionMode):
    """A counter of dead units while a network runs, also of rectifiers that are not layers.

    A unit is a neuron of a dense layer, a channel of a convolution, or a feature of a sequence of tokens.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.dead: dict[str, Tensor] = {}
        self.units: dict[str, int] = {}
        self._running: list[str] = []
        self._calls = Counter[str]()
        for name, layer in network.named_modules():
            layer.register_forward_pre_hook(partial(self._enter, name))
            layer.register_forward_hook(self._leave)

    def _enter(self, name: str, *_: Any) -> None:
        self._running.append(name)

    def _leave(self, *_: Any) -> None:
        self._running.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        result = func(*args, **options)
        if func in RECTIFIERS or (func is functional.hardtanh and options.get("min_val") == 0):  # of `nn.ReLU6`
            self._count(result)
        return result

    def _count(self, activations: Tensor) -> None:
        layer = self._running[-1] if self._running else ""
        self._calls[layer] += 1
        name = layer if self._calls[layer] == 1 else f"{layer} (call {self._calls[layer]})"
        of_units = 2 if activations.ndim == 3 else 1
        not_zero = ~(activations <= 0)  # nor is NaN
        alive = not_zero.transpose(0, of_units).flatten(1).any(1)
        self.dead[name] = (~alive).sum()
        self.units[name] = len(alive)

"""A measured step: its critical and best length, the gradient, and the movement of each layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from lrstudy.training.diagnosis.network_copy import LossAlongStep, in_high_precision
from lrstudy.training.diagnosis.step_search import StepLengths, search_step

# Changes of a loss below this number of last digits of it are rounding.
LAST_DIGITS = 4


@dataclass(frozen=True)
class LayerMovement:
    """A layer's movement in a step: ‖step‖ / ‖weights‖ over all weights of the layer, and the norm of their gradient.

    The ratio is NaN where all weights are 0. Source: You et al. 2017, https://arxiv.org/abs/1708.03888, section 4,
    compare the norm of a layer's weights with that of its update.
    """

    layer: str
    update_ratio: float
    gradient_norm: float


@dataclass(frozen=True)
class StepMeasurement:
    """A measured step. `gradient_norm` is the Euclidean norm of the gradient of the loss, before any clipping.

    Source: Pascanu et al. 2013, https://arxiv.org/abs/1211.5063, section 3.2.
    """

    lengths: StepLengths
    gradient_norm: float
    layers: tuple[LayerMovement, ...]

    @property
    def update_ratio(self) -> float:
        """The median of ‖step‖ / ‖weights‖ over the layers; NaN if no layer has one."""
        known = [layer.update_ratio for layer in self.layers if not math.isnan(layer.update_ratio)]
        return median(known) if known else math.nan


def measure_step(after: nn.Module, along: LossAlongStep) -> StepMeasurement:
    """Measure the step from the weights at which `along` begins to those of `after`."""
    start, gradients = along.gradient()
    trained = {name: weight.detach() for name, weight in after.named_parameters() if weight.requires_grad}
    step = [weight - before for weight, before in zip(trained.values(), along.start, strict=True)]
    slopes = [_dot(gradient, part) for gradient, part in zip(gradients, step, strict=True)]
    slope = torch.stack(slopes).sum().item()
    resolution = LAST_DIGITS * along.precision * abs(start)
    lengths = search_step(lambda length: along.at(step, length), start, slope, resolution=resolution)
    movements = _movements([*trained], along.start, step, gradients)
    return StepMeasurement(lengths, math.hypot(*(layer.gradient_norm for layer in movements)), movements)


def _movements(
    names: list[str], weights: list[Tensor], step: list[Tensor], gradients: list[Tensor]
) -> tuple[LayerMovement, ...]:
    """Return the movement of each layer: a module with trained weights of its own, by the module's name."""
    layers: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        layers.setdefault(name.rpartition(".")[0], []).append(place)
    norms = [
        torch.stack([torch.linalg.vector_norm(part) for part in parts]).tolist() for parts in (weights, step, gradients)
    ]
    movements = []
    for layer, places in layers.items():
        size, moved, gradient = (math.hypot(*(values[place] for place in places)) for values in norms)
        movements.append(LayerMovement(layer, moved / size if size else math.nan, gradient))
    return tuple(movements)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return torch.sum(in_high_precision(first) * in_high_precision(second))

"""An exponential moving average of a network's weights, kept beside the network while it trains."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """The average network: after step t its weights are β w̄ + (1 - β) w, with β = min(decay, (1 + t) / (10 + t)).

    The lower β of the first steps keeps the initial weights from dominating short trainings, as in TensorFlow's
    `ExponentialMovingAverage` with `num_updates`. Buffers of floating-point numbers, such as the running statistics of
    batch normalisation, are averaged with the weights that they belong to; counters are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Average in the weights of `network` after `step`, counted from 0 over the training."""
        decay = min(self._decay, (2 + step) / (11 + step))
        for average, value in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

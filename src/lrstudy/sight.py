"""What pictures of a trained network are drawn from, in arrays: needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Activation:
    """What one layer made of one image: `(channels, height, width)`, `(tokens, width)` or `(neurons,)`."""

    layer: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Sight:
    """What a network makes of the validation part.

    `confusion` is int `(classes, classes)`, true by predicted; `filters` are the first layer's weights, float
    `(filters, height, width, channels)`; `image` is uint8 `(side, side, channels)`, and `activations` what the layers
    make of it.
    """

    data: str
    classes: tuple[str, ...]
    confusion: np.ndarray
    filters: np.ndarray
    image: np.ndarray
    activations: tuple[Activation, ...]

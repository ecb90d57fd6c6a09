"""What each layer of a network sees: its first layer's filters, and one image's activations, simple to abstract."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.plots.activation import Activation

SHOWN_LAYERS = 6
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish)


def first_filters(network: nn.Module, channels: int, side: int) -> np.ndarray:
    """The first layer's weights as images: `(filters, height, width, channels)`."""
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    weights = first.weight.detach().cpu()
    if isinstance(first, nn.Linear):
        weights = weights.reshape(-1, channels, side, side)
    return weights.permute(0, 2, 3, 1).numpy()


def _named(network: nn.Module, kinds: Any) -> dict[nn.Module, str]:
    named = network.named_modules()
    return {layer: f"{type(layer).__name__} {name}" for name, layer in named if isinstance(layer, kinds)}


def activations(network: nn.Module, image: Tensor) -> list[Activation]:
    """What up to six of the network's layers, evenly chosen from first to last, make of one image.

    Args:
        network: in evaluation mode.
        image: normalised, float32 `(1, channels, side, side)`.
    """
    seen: list[Activation] = []

    def remember(layer: nn.Module, _: object, output: Tensor) -> None:
        seen.append(Activation(names[layer], output[0].detach().cpu().numpy().copy()))

    # GoogLeNet and Inception call their activations as functions: what goes into them is shown instead.
    names = _named(network, ACTIVATIONS) or _named(network, nn.BatchNorm2d)
    hooks = [layer.register_forward_hook(remember) for layer in names]
    try:
        with torch.inference_mode():
            logits = network(image)
    finally:
        for hook in hooks:
            hook.remove()
    chosen = np.linspace(0, len(seen) - 1, min(SHOWN_LAYERS - 1, len(seen))).round().astype(int)
    return [*(seen[index] for index in chosen), Activation("logits", logits[0].cpu().numpy())]
